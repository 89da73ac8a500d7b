//! Backups: a list of the versions that a site's files have, and the way back to one.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, Object, ObjectIdentifier};
use domain::hosting::backup::{BackedFile, Differences, KEPT, MOST_COPIED, Stretch, part_name, surplus};
use domain::hosting::converge::NOT_WANTED;
use domain::hosting::{Backup, BackupId, Run as Wanted, StepFailure};
use platform::store::Write;
use platform::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::{Outcome, Run};
use crate::store::backups;

/// How many files one turn puts back.
const AT_ONCE: usize = 200;
/// How many of a backup's files one turn looks at.
const LOOKED_AT: usize = 1_000;

/// What one copy may take: longer than other calls, as S3 answers when it is done.
const COPY: Duration = Duration::from_secs(40);
/// What a turn needs for the rest.
const SPARE: Duration = Duration::from_secs(10);
/// Files of up to a gibibyte are copied in time unless S3 is in trouble.
const SURELY_COPIED: u64 = 1 << 30;

/// How far a backup has come. Its id is chosen before any list is stored under it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listing {
    backup: BackupId,
    /// Parts of the list that are stored.
    #[serde(default)]
    parts: u32,
    #[serde(default)]
    files: u64,
    #[serde(default)]
    bytes: u64,
    /// Where S3's list goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// How far a restore has come. A file that was put in parts has another tag once it is copied, so tags alone would not tell.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    /// The part of the list that is gone through.
    #[serde(default)]
    part: usize,
    /// Files up to this key are put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Files that are too large to be copied, and the first of them.
    #[serde(default)]
    too_large: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    such_as: Option<String>,
}

pub(super) fn choose(run: &Run<'_>) -> Result<Value> {
    let listing = Listing { backup: run.origin.id(), parts: 0, files: 0, bytes: 0, key: None, version: None };
    serde_json::to_value(listing).map_err(Error::caused)
}

/// The list is stored first, part by part, then the backup that names it; surplus backups go in the same transaction.
pub(super) async fn take(run: &Run<'_>) -> Result<Outcome> {
    let mut listing: Listing = run.given()?;
    let (client, bucket) = (Client::new(run.app.aws()), run.bucket()?);
    let mut files = Vec::new();
    // One page of a thousand versions a turn: however many there are, no turn takes long.
    let call = client.list_object_versions().bucket(&bucket).set_key_marker(listing.key.take());
    let page = call.set_version_id_marker(listing.version.take()).send().await;
    let page = page.map_err(|error| Error::aws("s3", error))?;
    for file in page.versions().iter().filter(|file| file.is_latest() == Some(true)) {
        let (Some(key), Some(version)) = (file.key(), file.version_id()) else { continue };
        let bytes = u64::try_from(file.size().unwrap_or(0)).unwrap_or(0);
        let (key, version, tag) = (key.to_owned(), version.to_owned(), plain(file.e_tag()));
        files.push(BackedFile { key, version, tag, bytes });
    }
    let more = page.is_truncated == Some(true);
    if more && page.next_key_marker.is_none() {
        // From its beginning the list would be gone through for ever.
        return Err(Error::partner("s3", true, "the list does not say where it goes on"));
    }
    (listing.key, listing.version) = (page.next_key_marker, page.next_version_id_marker);
    let manifest = format!("{}/{}/{}", run.site.org, run.site.id, listing.backup);
    if !files.is_empty() {
        let body = serde_json::to_vec(&files).map_err(Error::caused)?;
        let put = client
            .put_object()
            .bucket(&run.settings.backups_bucket)
            .key(part_name(&manifest, listing.parts))
            .content_type("application/json");
        put.body(ByteStream::from(body)).send().await.map_err(|error| Error::aws("s3", error))?;
        listing.parts += 1;
        listing.files += files.len() as u64;
        listing.bytes += files.iter().map(|file| file.bytes).sum::<u64>();
    }
    if more {
        return Outcome::again(listing);
    }

    let backup = Backup {
        id: listing.backup,
        site: run.site.id,
        org: run.site.org,
        manifest,
        parts: Some(listing.parts),
        files: listing.files,
        bytes: listing.bytes,
        requested_by: run.operation.requested_by,
        taken_at: run.now(),
        valid_until: run.now() + KEPT,
    };
    let before = run.store.backups_of(run.site.id).await?;
    let kept = run.site.desired.backups.saturating_sub(1);
    // The newest of those before may be as many as the plan keeps, less this one.
    let surplus = if kept == 0 { before.as_slice() } else { surplus(&before, kept) };
    let mut writes: Vec<Write> = vec![backups::create(&backup)];
    writes.extend(surplus.iter().take(50).map(backups::delete));
    let outputs = json!({"backup": backup.id, "files": backup.files, "bytes": backup.bytes});
    Ok(Outcome::Done { outputs, writes, site: None })
}

/// Puts back what differs, a stretch of files a turn, in the order of their keys. What came since the backup is deleted, and
/// is still there as an older version.
pub(super) async fn put_back(run: &Run<'_>) -> Result<Outcome> {
    match run.site.wanted() {
        Wanted::On => {}
        Wanted::Deleted => return Ok(Outcome::done()),
        Wanted::Suspended => {
            let message = "The site is to be suspended; its files are put back no further.";
            let remedy = "Nothing: the restore can be asked for again once the site is served.";
            return Ok(Outcome::Abort(run.failure(NOT_WANTED, message, remedy)));
        }
    }
    let id = run.operation.backup.ok_or_else(|| Error::internal("a restore without a backup"))?;
    let backup = run.store.backup(run.site.id, id).await?;
    let (client, bucket) = (Client::new(run.app.aws()), run.bucket()?);
    let mut progress: Progress = run.params()?;
    let lists = backup.lists();
    let backed = match lists.get(progress.part) {
        Some(list) => read(run, &client, list).await?,
        None => Vec::new(),
    };
    let is_left = |file: &&BackedFile| progress.after.as_ref().is_none_or(|after| file.key > *after);
    let left: Vec<BackedFile> = backed.iter().filter(is_left).take(LOOKED_AT).cloned().collect();
    let more_backed =
        backed.iter().filter(is_left).nth(LOOKED_AT).is_some() || progress.part + 1 < lists.len();
    if left.is_empty() && more_backed {
        return Outcome::again(Progress { part: progress.part + 1, ..progress });
    }
    let (present, more_present) = present(&client, &bucket, progress.after.clone()).await?;
    let stretch = Stretch { backed: &left, more_backed, present: &present, more_present };
    let Differences { put_back, gone, end } = stretch.differences(AT_ONCE);
    let (mut gone, mut end) = (gone, end);
    let mut last: Option<&str> = None;
    for file in put_back {
        if let Some(last) = last.filter(|_| run.app.time_left() < COPY + SPARE) {
            gone.retain(|key| *key <= last);
            end = Some(last);
            break;
        }
        if file.bytes > MOST_COPIED || !copy(&client, &bucket, file).await? {
            progress.too_large += 1;
            progress.such_as.get_or_insert_with(|| file.key.clone());
        }
        last = Some(&file.key);
    }
    delete(&client, &bucket, &gone).await?;
    match end {
        Some(end) => Outcome::again(Progress { after: Some(end.to_owned()), ..progress }),
        None if progress.too_large > 0 => Ok(Outcome::Abort(too_large(run, &progress))),
        None => Outcome::with(json!({"backup": id, "files": backup.files})),
    }
}

/// Makes a version of a file the newest again. False for a large one that S3 takes too long for.
async fn copy(client: &Client, bucket: &str, file: &BackedFile) -> Result<bool> {
    let source = format!("{bucket}/{}?versionId={}", encoded(&file.key), file.version);
    let call = client.copy_object().bucket(bucket).key(&file.key).copy_source(source).customize();
    let time = TimeoutConfig::builder().operation_attempt_timeout(COPY).operation_timeout(COPY).build();
    let patience = Config::builder().timeout_config(time).retry_config(RetryConfig::disabled());
    match call.config_override(patience).send().await {
        Ok(_) => Ok(true),
        Err(SdkError::TimeoutError(_)) if file.bytes > SURELY_COPIED => Ok(false),
        Err(error) => Err(Error::aws("s3", error)),
    }
}

fn too_large(run: &Run<'_>, progress: &Progress) -> StepFailure {
    let such_as = progress.such_as.as_deref().unwrap_or_default();
    let message = format!(
        "{} files were too large to be copied at once, such as {such_as}, and are as they were; all others are put back.",
        progress.too_large
    );
    let remedy = "Copy the versions that the backup's list names by hand, in parts.";
    run.failure("files_too_large", &message, remedy)
}

async fn read(run: &Run<'_>, client: &Client, list: &str) -> Result<Vec<BackedFile>> {
    let list = client.get_object().bucket(&run.settings.backups_bucket).key(list).send().await;
    let list = list.map_err(|error| Error::aws("s3", error))?.body.collect().await.map_err(Error::caused)?;
    serde_json::from_slice(&list.into_bytes()).map_err(Error::caused)
}

async fn delete(client: &Client, bucket: &str, keys: &[&str]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys = keys.iter().map(|key| ObjectIdentifier::builder().key(*key).build());
    let keys = keys.collect::<Result<_, _>>().map_err(Error::caused)?;
    let delete = Delete::builder().set_objects(Some(keys)).quiet(true).build().map_err(Error::caused)?;
    let answer = client.delete_objects().bucket(bucket).delete(delete).send().await;
    match answer.map_err(|error| Error::aws("s3", error))?.errors().first() {
        Some(left) => Err(Error::partner("s3", true, format!("not deleted: {:?}", left.code()))),
        None => Ok(()),
    }
}

/// The next thousand files that the site has, with their tags, and whether it has more.
async fn present(
    client: &Client,
    bucket: &str,
    after: Option<String>,
) -> Result<(Vec<(String, String)>, bool)> {
    let page = client.list_objects_v2().bucket(bucket).set_start_after(after).send().await;
    let page = page.map_err(|error| Error::aws("s3", error))?;
    let file = |object: &Object| Some((object.key()?.to_owned(), plain(object.e_tag())));
    Ok((page.contents().iter().filter_map(file).collect(), page.is_truncated == Some(true)))
}

/// A tag as it is compared: lists differ in whether they put it into quotation marks.
fn plain(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

/// A key as a copy's source has it: percent encoded, slashes as they are.
fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}
