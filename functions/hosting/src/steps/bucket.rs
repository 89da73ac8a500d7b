//! The site's bucket: made, locked up, opened for its site, emptied, kept.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketVersioningStatus, CreateBucketConfiguration, Delete, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectIdentifier, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    VersioningConfiguration,
};
use domain::hosting::StepName;
use domain::hosting::bucket::{self, Openness};
use platform::{Error, Result, hash};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::{Outcome, Run};
use crate::store::orphans;

const SITE_TAG: &str = "tenantry:site";
/// Old versions of a file are kept so long.
const OLD_VERSIONS_DAYS: i32 = 30;
const STALE_UPLOADS_DAYS: i32 = 7;
const BUSY: Duration = Duration::from_secs(10);
/// Names that are tried before people must look: somebody else would have to own this many of them.
const MOST_TAKEN: u32 = 5;

/// The name that is tried.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Choice {
    bucket: String,
    taken: u32,
}

/// What the steps after the first know of the bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    bucket: String,
    region: String,
}

pub(super) fn choose(run: &Run<'_>) -> Result<Value> {
    serde_json::to_value(choice(run, 0)).map_err(Error::caused)
}

fn choice(run: &Run<'_>, taken: u32) -> Choice {
    Choice { bucket: bucket::name(&run.settings.stage, run.site.id, taken), taken }
}

fn client(run: &Run<'_>) -> Client {
    Client::new(run.app.aws())
}

pub(super) async fn create(run: &Run<'_>) -> Result<Outcome> {
    let Choice { bucket, taken } = run.params()?;
    let s3 = client(run);
    match owner(run, &s3, &bucket).await? {
        Owner::Us => return made(run, bucket),
        Owner::Others => return another(run, taken),
        Owner::Nobody => {}
    }
    let region = run.settings.aws_region.as_str();
    // The oldest region is named by naming none.
    let location = (region != "us-east-1").then(|| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region))
            .build()
    });
    match s3.create_bucket().bucket(&bucket).set_create_bucket_configuration(location).send().await {
        Ok(_) => made(run, bucket),
        Err(error) => match error.code() {
            Some("BucketAlreadyOwnedByYou") => Ok(Outcome::Wait(Duration::from_secs(1))),
            Some("BucketAlreadyExists") => another(run, taken),
            Some("OperationAborted") => Ok(Outcome::Wait(BUSY)),
            _ => Err(Error::aws("s3", error)),
        },
    }
}

fn made(run: &Run<'_>, bucket: String) -> Result<Outcome> {
    let mut site = run.site.value.clone();
    site.bucket = Some(bucket.clone());
    let made = Made { bucket, region: run.settings.aws_region.clone() };
    Ok(Outcome::with(made)?.changing(site, None))
}

fn another(run: &Run<'_>, taken: u32) -> Result<Outcome> {
    if taken >= MOST_TAKEN {
        let message = "No name for the site's storage is free.";
        let remedy =
            "Find out who owns buckets with our prefix in another account, then retry the operation.";
        return Ok(Outcome::Halt(run.failure("bucket_names_taken", message, remedy)));
    }
    Outcome::again(choice(run, taken + 1))
}

/// Who has a bucket of this name.
enum Owner {
    Us,
    Others,
    Nobody,
}

async fn owner(run: &Run<'_>, s3: &Client, bucket: &str) -> Result<Owner> {
    match s3.head_bucket().bucket(bucket).expected_bucket_owner(&run.settings.account_id).send().await {
        Ok(_) => {}
        Err(error) => {
            return match error.raw_response().map(|response| response.status().as_u16()) {
                Some(404) => Ok(Owner::Nobody),
                Some(301 | 403) => Ok(Owner::Others),
                _ => Err(Error::aws("s3", error)),
            };
        }
    }
    let tags = match s3.get_bucket_tagging().bucket(bucket).send().await {
        Ok(answer) => answer.tag_set,
        // Made by a turn that was killed before it could tag: the name alone says whose it is.
        Err(error) if error.code() == Some("NoSuchTagSet") => Vec::new(),
        Err(error) => return Err(Error::aws("s3", error)),
    };
    let site = run.site.id.to_string();
    let foreign = tags.iter().any(|tag| tag.key() == SITE_TAG && tag.value() != site);
    Ok(if foreign { Owner::Others } else { Owner::Us })
}

pub(super) async fn harden(run: &Run<'_>) -> Result<Outcome> {
    let Made { bucket, .. } = run.outputs(StepName::CreateBucket)?;
    match lock_up(run, &bucket).await {
        Ok(()) => Outcome::with(json!({"policy": policy_hash(run, &bucket, Openness::Shut)})),
        Err(Failed::Busy) => Ok(Outcome::Wait(BUSY)),
        Err(Failed::Gone(error) | Failed::Otherwise(error)) => Err(error),
    }
}

/// Every setting of a bucket. Each may be repeated.
async fn lock_up(run: &Run<'_>, bucket: &str) -> Result<(), Failed> {
    let s3 = client(run);
    let tags = [(SITE_TAG, run.site.id.to_string()), ("tenantry:stage", run.settings.stage.clone())];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tagging = tags.into_iter().try_fold(Tagging::builder(), |all, tag| tag.map(|tag| all.tag_set(tag)));
    let tagging = tagging.and_then(|all| all.build()).map_err(Error::caused)?;
    s3.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await?;

    let private = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    s3.put_public_access_block()
        .bucket(bucket)
        .public_access_block_configuration(private.build())
        .send()
        .await?;

    let ours =
        OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
    let ours =
        ours.and_then(|rule| OwnershipControls::builder().rules(rule).build()).map_err(Error::caused)?;
    s3.put_bucket_ownership_controls().bucket(bucket).ownership_controls(ours).send().await?;

    let aes = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build();
    let aes = aes.map_err(Error::caused)?;
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(aes).build();
    let encryption =
        ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(Error::caused)?;
    s3.put_bucket_encryption().bucket(bucket).server_side_encryption_configuration(encryption).send().await?;

    let versioned = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    s3.put_bucket_versioning().bucket(bucket).versioning_configuration(versioned).send().await?;

    s3.put_bucket_lifecycle_configuration()
        .bucket(bucket)
        .lifecycle_configuration(lifecycle()?)
        .send()
        .await?;
    put_policy(run, &s3, bucket, Openness::Shut).await
}

fn lifecycle() -> Result<BucketLifecycleConfiguration> {
    let everything = LifecycleRuleFilter::builder().prefix("").build();
    let old = NoncurrentVersionExpiration::builder().noncurrent_days(OLD_VERSIONS_DAYS).build();
    let stale = AbortIncompleteMultipartUpload::builder().days_after_initiation(STALE_UPLOADS_DAYS).build();
    let rule = LifecycleRule::builder()
        .id("tidy")
        .status(ExpirationStatus::Enabled)
        .filter(everything)
        .noncurrent_version_expiration(old)
        .abort_incomplete_multipart_upload(stale);
    let rule = rule.build().map_err(Error::caused)?;
    BucketLifecycleConfiguration::builder().rules(rule).build().map_err(Error::caused)
}

pub(super) async fn grant(run: &Run<'_>) -> Result<Outcome> {
    let bucket = run.bucket()?;
    match set(run, Openness::Open).await? {
        Some(busy) => Ok(busy),
        None => Outcome::with(json!({"policy": policy_hash(run, &bucket, Openness::Open)})),
    }
}

/// Takes the grant back. A bucket that is gone grants nothing.
pub(super) async fn shut(run: &Run<'_>) -> Result<Outcome> {
    Ok(set(run, Openness::Shut).await?.unwrap_or_else(Outcome::done))
}

pub(super) async fn retain(run: &Run<'_>) -> Result<Outcome> {
    match set(run, Openness::Retained).await? {
        Some(busy) => Ok(busy),
        None => Outcome::with(json!({"bucket": run.site.bucket})),
    }
}

/// Changes what the site's bucket is open for; how to wait when another change of it is under way. A site without a bucket
/// has nothing to change.
pub(super) async fn set(run: &Run<'_>, openness: Openness) -> Result<Option<Outcome>> {
    let Some(bucket) = &run.site.bucket else { return Ok(None) };
    match put_policy(run, &client(run), bucket, openness).await {
        Ok(()) => Ok(None),
        Err(Failed::Gone(_)) if openness != Openness::Open => Ok(None),
        Err(Failed::Busy) => Ok(Some(Outcome::Wait(BUSY))),
        Err(Failed::Gone(error) | Failed::Otherwise(error)) => Err(error),
    }
}

fn policy(run: &Run<'_>, bucket: &str, openness: Openness) -> String {
    let roles =
        bucket::Roles { access: &run.settings.site_access_role_arn, host: &run.settings.host_role_arn };
    bucket::policy(bucket, run.site.id, roles, openness).to_string()
}

fn policy_hash(run: &Run<'_>, bucket: &str, openness: Openness) -> String {
    hash::sha256_hex(policy(run, bucket, openness))
}

async fn put_policy(run: &Run<'_>, s3: &Client, bucket: &str, openness: Openness) -> Result<(), Failed> {
    s3.put_bucket_policy().bucket(bucket).policy(policy(run, bucket, openness)).send().await?;
    Ok(())
}

/// Takes the bucket away with everything in it: first nobody writes any more, then page by page.
///
/// Only a bucket gets here that this operation made, or whose site is gone. Whether the call that made it ever answered is
/// not known, so it is looked for by the name that was chosen.
pub(super) async fn remove(run: &Run<'_>) -> Result<Outcome> {
    let Choice { bucket: chosen, .. } = run.params()?;
    // What a site that was served has is known; of one that was being built, only the name that was tried.
    let bucket = run.site.bucket.clone().unwrap_or(chosen);
    let s3 = client(run);
    if bucket.is_empty() {
        return without_bucket(run);
    }
    match owner(run, &s3, &bucket).await? {
        Owner::Us => {}
        // It was made, so it is ours: that S3 does not let us see it does not mean that it is gone.
        Owner::Others if run.site.bucket.is_some() => {
            return Err(Error::partner("s3", false, format!("bucket {bucket} cannot be reached")));
        }
        Owner::Others | Owner::Nobody => return without_bucket(run),
    }
    match put_policy(run, &s3, &bucket, Openness::Emptying).await {
        Ok(()) => {}
        Err(Failed::Gone(_)) => return without_bucket(run),
        Err(Failed::Busy) => return Ok(Outcome::Wait(BUSY)),
        Err(Failed::Otherwise(error)) => return Err(error),
    }
    let uploads =
        s3.list_multipart_uploads().bucket(&bucket).send().await.map_err(|error| Error::aws("s3", error))?;
    for upload in uploads.uploads() {
        let abort = s3.abort_multipart_upload().bucket(&bucket).set_key(upload.key.clone());
        match abort.set_upload_id(upload.upload_id.clone()).send().await {
            Err(error) if error.code() != Some("NoSuchUpload") => return Err(Error::aws("s3", error)),
            _ => {}
        }
    }
    if delete_page(&s3, &bucket).await? || uploads.is_truncated == Some(true) {
        return Ok(Outcome::Wait(Duration::ZERO));
    }
    match s3.delete_bucket().bucket(&bucket).send().await {
        Ok(_) => without_bucket(run),
        Err(error) => match error.code() {
            Some("NoSuchBucket") => without_bucket(run),
            // An upload was faster than the policy: the next turn sees it.
            Some("BucketNotEmpty") => Ok(Outcome::Wait(Duration::from_secs(1))),
            Some("OperationAborted") => Ok(Outcome::Wait(BUSY)),
            _ => Err(Error::aws("s3", error)),
        },
    }
}

fn without_bucket(run: &Run<'_>) -> Result<Outcome> {
    let mut site = run.site.value.clone();
    site.bucket = None;
    // What was counted of it goes with it.
    Ok(Outcome::by(orphans::forget_counts(run.site.org, run.site.id).into()).changing(site, None))
}

/// Deletes up to a thousand versions and delete markers; whether there were any.
async fn delete_page(s3: &Client, bucket: &str) -> Result<bool> {
    let page = s3.list_object_versions().bucket(bucket).max_keys(1_000).send().await;
    let page = page.map_err(|error| Error::aws("s3", error))?;
    let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
    let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
    let objects: Vec<ObjectIdentifier> = versions
        .chain(markers)
        .filter_map(|(key, version)| Some((key?, version)))
        .map(|(key, version)| {
            ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned)).build()
        })
        .collect::<Result<_, _>>()
        .map_err(Error::caused)?;
    if objects.is_empty() {
        return Ok(false);
    }
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(Error::caused)?;
    let answer = s3.delete_objects().bucket(bucket).delete(delete).send().await;
    let answer = answer.map_err(|error| Error::aws("s3", error))?;
    match answer.errors().first() {
        Some(left) => Err(Error::partner("s3", true, format!("not deleted: {:?}", left.code()))),
        None => Ok(true),
    }
}

/// Why a setting was not taken.
enum Failed {
    /// Another change of the bucket is under way.
    Busy,
    /// There is no such bucket.
    Gone(Error),
    Otherwise(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Otherwise(error)
    }
}

impl<E, R> From<SdkError<E, R>> for Failed
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        match error.code() {
            Some("OperationAborted") => Self::Busy,
            Some("NoSuchBucket") => Self::Gone(Error::aws("s3", error)),
            _ => Self::Otherwise(Error::aws("s3", error)),
        }
    }
}
