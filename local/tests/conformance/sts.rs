//! STS: sessions with less than their role's rights, until they end.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sts::Client;
use aws_sdk_sts::types::Tag;
use bytes::Bytes;
use local::aws::Statement;
use serde_json::{Value, json};

use crate::served::{Served, code, http_client};

const ROLE: &str = "arn:aws:iam::000000000000:role/site-access";

async fn start() -> (Served, Client) {
    let served = Served::start().await;
    let policy = json!({"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::site-*/*"});
    served.cloud.sts().put_role(ROLE, &Statement::parse_policy(&policy).unwrap());
    for bucket in ["site-a", "site-b", "other"] {
        served.cloud.s3().create_bucket(bucket).await.unwrap();
        served.cloud.s3().put(bucket, "k", "text/plain", Bytes::from_static(b"v")).await.unwrap();
    }
    let client = Client::new(&served.config());
    (served, client)
}

/// What a session of the role signs with.
async fn session(client: &Client, policy: Option<Value>, tag: Option<&str>) -> Credentials {
    let assume = client.assume_role().role_arn(ROLE).role_session_name("usr_1").duration_seconds(900);
    let tags = tag.map(|site| vec![Tag::builder().key("site").value(site).build().unwrap()]);
    let assumed =
        assume.set_policy(policy.map(|policy| policy.to_string())).set_tags(tags).send().await.unwrap();
    assert_eq!(
        assumed.assumed_role_user().unwrap().arn(),
        "arn:aws:sts::000000000000:assumed-role/site-access/usr_1"
    );
    let made = assumed.credentials.unwrap();
    Credentials::new(made.access_key_id, made.secret_access_key, Some(made.session_token), None, "session")
}

fn s3(served: &Served, credentials: Credentials) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::new(&served.config_of(credentials))
}

#[tokio::test]
async fn a_session_keeps_what_role_and_policy_both_allow() {
    let (served, client) = start().await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site-a/*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"},
    ]});
    let s3 = s3(&served, session(&client, Some(policy), None).await);
    let get = |bucket: &str| s3.get_object().bucket(bucket).key("k").send();
    get("site-a").await.unwrap();
    assert_eq!(code(get("site-b").await), "AccessDenied");
    assert_eq!(code(get("other").await), "AccessDenied");
    let put = s3.put_object().bucket("site-a").key("k").body(ByteStream::from_static(b"w")).send().await;
    assert_eq!(code(put), "AccessDenied");
    let dynamodb = aws_sdk_dynamodb::Client::new(&served.config_of(session(&client, None, None).await));
    assert_eq!(code(dynamodb.list_tables().send().await), "AccessDeniedException");
}

#[tokio::test]
async fn a_buckets_policy_opens_it_to_the_sessions_of_its_site() {
    let (served, client) = start().await;
    let open = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*",
            "Condition": {"StringEquals": {"aws:PrincipalTag/site": "site_1"}}},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::other", "arn:aws:s3:::other/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]});
    let owner = aws_sdk_s3::Client::new(&served.config());
    owner.put_bucket_policy().bucket("other").policy(open.to_string()).send().await.unwrap();
    let get = async |tag: &str| {
        let session = session(&client, None, Some(tag)).await;
        s3(&served, session).get_object().bucket("other").key("k").send().await
    };
    get("site_1").await.unwrap();
    assert_eq!(code(get("site_2").await), "AccessDenied");
    let retained = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::other/*"},
    ]});
    owner.put_bucket_policy().bucket("other").policy(retained.to_string()).send().await.unwrap();
    let put = owner.put_object().bucket("other").key("k").body(ByteStream::from_static(b"w")).send().await;
    assert_eq!(code(put), "AccessDenied");
    assert_eq!(code(get("site_1").await), "AccessDenied");
}

#[tokio::test]
async fn a_session_ends_by_the_stacks_clock() {
    let (served, client) = start().await;
    let s3 = s3(&served, session(&client, None, None).await);
    let get = || s3.get_object().bucket("site-a").key("k").send();
    served.advance(890);
    get().await.unwrap();
    served.advance(20);
    assert_eq!(code(get().await), "ExpiredToken");
}

#[tokio::test]
async fn only_the_secret_signs() {
    let (served, client) = start().await;
    let good = session(&client, None, None).await;
    let token = good.session_token().map(str::to_owned);
    let forged = Credentials::new(good.access_key_id(), "guessed", token, None, "forged");
    let get = async |credentials: Credentials| {
        s3(&served, credentials).get_object().bucket("site-a").key("k").send().await
    };
    assert_eq!(code(get(forged).await), "SignatureDoesNotMatch");
    let without =
        Credentials::new(good.access_key_id(), good.secret_access_key(), None, None, "without token");
    assert_eq!(code(get(without).await), "InvalidClientTokenId");
    get(good).await.unwrap();
}

#[tokio::test]
async fn a_link_of_a_session_reaches_one_object_as_it_was_signed() {
    let (served, client) = start().await;
    let s3 = s3(&served, session(&client, None, None).await);
    let put = s3.put_object().bucket("site-a").key("up.txt").content_type("text/plain").content_length(5);
    let link = put.presigned(PresigningConfig::expires_in(Duration::from_secs(600)).unwrap()).await.unwrap();
    let http = http_client();
    let send = async |uri: &str, body: &'static str| {
        let mut request = http.put(uri).body(body);
        for (name, value) in link.headers().filter(|(name, _)| *name != "content-length") {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(link.uri(), "hello").await, 200);
    assert_eq!(send(link.uri(), "hello, and more than was said").await, 403);
    assert_eq!(send(&link.uri().replace("up.txt", "k"), "hello").await, 403);
    served.advance(601);
    assert_eq!(send(link.uri(), "hello").await, 403);
}

#[tokio::test]
async fn what_cannot_be_assumed() {
    let (_served, client) = start().await;
    let assume = || client.assume_role().role_session_name("scan");
    assert_eq!(code(assume().role_arn("not-an-arn-at-all-not").send().await), "ValidationError");
    let unknown = assume().role_arn("arn:aws:iam::000000000000:role/none").send().await;
    assert_eq!(code(unknown), "AccessDenied");
    assert_eq!(code(assume().role_arn(ROLE).duration_seconds(3_601).send().await), "ValidationError");
    assert_eq!(code(assume().role_arn(ROLE).policy("{").send().await), "MalformedPolicyDocument");
    let identity = client.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("000000000000"));
}
