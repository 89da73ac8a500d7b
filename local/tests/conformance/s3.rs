//! S3: buckets and their settings, objects and their versions, links.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CompletedMultipartUpload,
    CompletedPart, CreateBucketConfiguration, Delete, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, ObjectIdentifier, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};

use crate::served::{Served, code, http_client};

const BUCKET: &str = "tenantry-local-site-1";

async fn start() -> (Served, Client) {
    let served = Served::start().await;
    let client = Client::new(&served.config());
    create(&client).await.unwrap();
    (served, client)
}

async fn create(
    client: &Client,
) -> Result<(), impl aws_sdk_s3::error::ProvideErrorMetadata + std::fmt::Debug + use<>> {
    let place =
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest1).build();
    client.create_bucket().bucket(BUCKET).create_bucket_configuration(place).send().await.map(|_| ())
}

async fn put(client: &Client, key: &str, body: &'static str) {
    client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(ByteStream::from_static(body.as_bytes()))
        .send()
        .await
        .unwrap();
}

async fn body(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

async fn version(client: &Client) {
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(enabled).send().await.unwrap();
}

#[tokio::test]
async fn a_name_belongs_to_one() {
    let (served, client) = start().await;
    assert_eq!(code(create(&client).await), "BucketAlreadyOwnedByYou");
    served.cloud.s3().take_name("foreign-bucket");
    assert_eq!(code(client.create_bucket().bucket("foreign-bucket").send().await), "BucketAlreadyExists");
    let head =
        |bucket: &str, owner: &str| client.head_bucket().bucket(bucket).expected_bucket_owner(owner).send();
    let status = |outcome: Result<_, aws_sdk_s3::error::SdkError<_>>| {
        outcome.map(|_: aws_sdk_s3::operation::head_bucket::HeadBucketOutput| 200).unwrap_or_else(
            |error: aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::head_bucket::HeadBucketError>| {
                error.raw_response().unwrap().status().as_u16()
            },
        )
    };
    assert_eq!(status(head(BUCKET, "000000000000").await), 200);
    assert_eq!(status(head(BUCKET, "111111111111").await), 403);
    assert_eq!(status(head("foreign-bucket", "000000000000").await), 403);
    assert_eq!(status(head("no-such-bucket", "000000000000").await), 404);
    assert_eq!(code(client.create_bucket().bucket("Bad_Name").send().await), "InvalidBucketName");
    assert_eq!(served.cloud.s3().buckets().await, [BUCKET]);
}

#[tokio::test]
async fn a_bucket_keeps_its_settings() {
    let (_served, client) = start().await;
    assert_eq!(code(client.get_bucket_tagging().bucket(BUCKET).send().await), "NoSuchTagSet");
    let tag = Tag::builder().key("tenantry:site").value("site_1").build().unwrap();
    let tagging = Tagging::builder().tag_set(tag).build().unwrap();
    client.put_bucket_tagging().bucket(BUCKET).tagging(tagging).send().await.unwrap();
    assert_eq!(
        client.get_bucket_tagging().bucket(BUCKET).send().await.unwrap().tag_set()[0].value(),
        "site_1"
    );

    version(&client).await;
    let versioning = client.get_bucket_versioning().bucket(BUCKET).send().await.unwrap();
    assert_eq!(versioning.status(), Some(&BucketVersioningStatus::Enabled));

    let block =
        PublicAccessBlockConfiguration::builder().block_public_policy(true).block_public_acls(true).build();
    client
        .put_public_access_block()
        .bucket(BUCKET)
        .public_access_block_configuration(block)
        .send()
        .await
        .unwrap();
    let block = client.get_public_access_block().bucket(BUCKET).send().await.unwrap();
    assert_eq!(block.public_access_block_configuration().unwrap().block_public_policy(), Some(true));

    let rule = OwnershipControlsRule::builder()
        .object_ownership(ObjectOwnership::BucketOwnerEnforced)
        .build()
        .unwrap();
    let controls = OwnershipControls::builder().rules(rule).build().unwrap();
    client.put_bucket_ownership_controls().bucket(BUCKET).ownership_controls(controls).send().await.unwrap();

    let default =
        ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build().unwrap();
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
    client
        .put_bucket_encryption()
        .bucket(BUCKET)
        .server_side_encryption_configuration(rules)
        .send()
        .await
        .unwrap();
    client.get_bucket_encryption().bucket(BUCKET).send().await.unwrap();

    let old = NoncurrentVersionExpiration::builder().noncurrent_days(30).build();
    let rule = LifecycleRule::builder()
        .id("tidy")
        .status(ExpirationStatus::Enabled)
        .noncurrent_version_expiration(old);
    let rule = rule.filter(LifecycleRuleFilter::builder().prefix("").build()).build().unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    client
        .put_bucket_lifecycle_configuration()
        .bucket(BUCKET)
        .lifecycle_configuration(rules)
        .send()
        .await
        .unwrap();
    let rules = client.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await.unwrap();
    assert_eq!(rules.rules()[0].id(), Some("tidy"));
}

#[tokio::test]
async fn a_policy_is_checked_before_it_is_kept() {
    let (_served, client) = start().await;
    let put = |policy: &str| client.put_bucket_policy().bucket(BUCKET).policy(policy).send();
    assert_eq!(code(put("no json").await), "MalformedPolicy");
    let public = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::tenantry-local-site-1/*"}]}"#;
    put(public).await.unwrap();
    assert!(
        client
            .get_bucket_policy()
            .bucket(BUCKET)
            .send()
            .await
            .unwrap()
            .policy()
            .unwrap()
            .contains("2012-10-17")
    );
    let block = PublicAccessBlockConfiguration::builder().block_public_policy(true).build();
    client
        .put_public_access_block()
        .bucket(BUCKET)
        .public_access_block_configuration(block)
        .send()
        .await
        .unwrap();
    assert_eq!(code(put(public).await), "AccessDenied");
    client.delete_bucket_policy().bucket(BUCKET).send().await.unwrap();
    assert_eq!(code(client.get_bucket_policy().bucket(BUCKET).send().await), "NoSuchBucketPolicy");
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let (served, client) = start().await;
    let object =
        client.put_object().bucket(BUCKET).key("a/b c+d.txt").content_type("text/plain").metadata("x", "y");
    object.body(ByteStream::from_static(b"two")).send().await.unwrap();
    assert_eq!(body(&client, "a/b c+d.txt").await, b"two");
    let head = client.head_object().bucket(BUCKET).key("a/b c+d.txt").send().await.unwrap();
    assert_eq!((head.content_length(), head.content_type()), (Some(3), Some("text/plain")));
    assert_eq!(head.metadata().unwrap()["x"], "y");
    let range =
        client.get_object().bucket(BUCKET).key("a/b c+d.txt").range("bytes=1-1").send().await.unwrap();
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"w");
    assert_eq!(code(client.get_object().bucket(BUCKET).key("none").send().await), "NoSuchKey");
    let beside = client.put_object().bucket(BUCKET).key("a/b c+d.txt").if_none_match("*").send().await;
    assert_eq!(code(beside), "PreconditionFailed");
    let odd = client.put_object().bucket(BUCKET).key("é").body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(code(odd), "InvalidArgument");
    let s3 = served.cloud.s3();
    assert_eq!(&s3.get(BUCKET, "a/b c+d.txt").await.unwrap().body[..], b"two");
    assert_eq!(s3.objects(BUCKET).await[0].size, 3);
}

#[tokio::test]
async fn a_copy_takes_the_version_it_is_asked_for() {
    let (_served, client) = start().await;
    version(&client).await;
    let first =
        client.put_object().bucket(BUCKET).key("a b+c.txt").content_type("text/plain").metadata("x", "y");
    let first = first.body(ByteStream::from_static(b"one")).send().await.unwrap();
    put(&client, "a b+c.txt", "two").await;
    let copy = async |from: &str| {
        client
            .copy_object()
            .bucket(BUCKET)
            .key("copy.txt")
            .copy_source(format!("{BUCKET}/{from}"))
            .send()
            .await
    };
    copy("a%20b%2Bc.txt").await.unwrap();
    assert_eq!(body(&client, "copy.txt").await, b"two");
    let version = first.version_id().unwrap();
    let copied = copy(&format!("a%20b%2Bc.txt?versionId={version}")).await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), first.e_tag());
    assert_eq!(body(&client, "copy.txt").await, b"one");
    let head = client.head_object().bucket(BUCKET).key("copy.txt").send().await.unwrap();
    assert_eq!((head.content_type(), head.metadata().unwrap()["x"].as_str()), (Some("text/plain"), "y"));
    assert_eq!(code(copy("a%20b%2Bc.txt?versionId=none").await), "NoSuchVersion");
}

#[tokio::test]
async fn listings_have_prefixes_and_pages() {
    let (served, client) = start().await;
    for key in ["a/1", "a/2", "b/1", "c"] {
        put(&client, key, "x").await;
    }
    let listed = client.list_objects_v2().bucket(BUCKET).delimiter("/").send().await.unwrap();
    assert_eq!((listed.common_prefixes().len(), listed.contents().len()), (2, 1));
    let (mut keys, mut token) = (Vec::new(), None);
    loop {
        let page = client
            .list_objects_v2()
            .bucket(BUCKET)
            .max_keys(1)
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(keys, ["a/1", "a/2", "b/1", "c"]);
    assert_eq!(served.cloud.s3().objects(BUCKET).await.len(), 4);
}

#[tokio::test]
async fn a_versioned_bucket_is_empty_only_without_versions() {
    let (_served, client) = start().await;
    version(&client).await;
    put(&client, "k", "one").await;
    put(&client, "k", "two").await;
    client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").send().await), "NoSuchKey");
    assert_eq!(code(client.delete_bucket().bucket(BUCKET).send().await), "BucketNotEmpty");
    let listed = client.list_object_versions().bucket(BUCKET).send().await.unwrap();
    assert_eq!((listed.versions().len(), listed.delete_markers().len()), (2, 1));
    let versions = listed.versions().iter().map(|version| version.version_id());
    let markers = listed.delete_markers().iter().map(|marker| marker.version_id());
    let objects = versions.chain(markers).map(|version| {
        ObjectIdentifier::builder().key("k").set_version_id(version.map(str::to_owned)).build().unwrap()
    });
    let delete = Delete::builder().set_objects(Some(objects.collect())).quiet(true).build().unwrap();
    let deleted = client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert!(deleted.errors().is_empty());
    client.delete_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(code(client.list_objects_v2().bucket(BUCKET).send().await), "NoSuchBucket");
}

#[tokio::test]
async fn a_large_object_goes_up_in_parts() {
    let (_served, client) = start().await;
    let upload =
        client.create_multipart_upload().bucket(BUCKET).key("large").send().await.unwrap().upload_id.unwrap();
    let mut parts = Vec::new();
    for number in 1..=2 {
        let content = ByteStream::from(vec![b'x'; 5 << 20]);
        let part = client.upload_part().bucket(BUCKET).key("large").upload_id(&upload).part_number(number);
        let tag = part.body(content).send().await.unwrap().e_tag.unwrap();
        parts.push(CompletedPart::builder().part_number(number).e_tag(tag).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("large").upload_id(&upload);
    complete.multipart_upload(parts).send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("large").send().await.unwrap();
    assert_eq!(head.content_length(), Some(10 << 20));
    let uploads = client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    assert!(uploads.uploads().is_empty());
}

#[tokio::test]
async fn a_link_ends_by_the_stacks_clock_and_nothing_goes_without_a_signature() {
    let (served, client) = start().await;
    put(&client, "k", "v").await;
    let link = client.get_object().bucket(BUCKET).key("k");
    let link = link.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    let http = http_client();
    let status = async |uri: &str| http.get(uri).send().await.unwrap().status().as_u16();
    assert_eq!(status(link.uri()).await, 200);
    assert_eq!(status(&format!("{}/{BUCKET}/k", served.url)).await, 403);
    served.advance(61);
    assert_eq!(status(link.uri()).await, 403);
}
