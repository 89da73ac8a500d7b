//! Ways into buckets: each opens its own site's alone, and not for long.

use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use local::Stack;
use local::harness::{Answer, Client, Web};
use serde_json::{Value, json};

use crate::{Asked, deployed, refused};

async fn access(client: &Client, asked: &Asked, body: Value) -> Answer {
    client.post(&format!("{}/access", asked.path()), body).await
}

/// An S3 client with the credentials of a session.
fn s3(stack: &Stack, answer: &Value) -> aws_sdk_s3::Client {
    let text = |field: &str| answer["session"][field].as_str().unwrap().to_owned();
    let token = Some(text("session_token"));
    let credentials = Credentials::new(text("access_key_id"), text("secret_access_key"), token, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(answer["region"].as_str().unwrap().to_owned()))
        .endpoint_url(format!("http://{}", stack.core().settings.address))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Uses a link as any HTTP client would.
async fn follow(stack: &Stack, link: &Value, content: &'static str) -> Answer {
    let uri: Uri = link["url"].as_str().unwrap().parse().unwrap();
    let method: Method = link["method"].as_str().unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    if let Some(kind) = link["content_type"].as_str() {
        headers.insert("content-type", kind.parse().unwrap());
    }
    let web = Web::new(format!("http://{}", stack.core().settings.address));
    let path = uri.path_and_query().unwrap().as_str();
    web.send(method, path, &headers, Bytes::from_static(content.as_bytes())).await.unwrap()
}

fn denied<T, E: ProvideErrorMetadata, R>(result: Result<T, aws_sdk_s3::error::SdkError<E, R>>) -> String {
    let Err(error) = result else { return "allowed".to_owned() };
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or("no code").to_owned()
}

#[tokio::test]
async fn a_file_is_put_by_link_and_served() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let upload = json!({"kind": "upload", "key": "index.html", "content_type": "text/html", "expires_in_seconds": 600});
    let answer = access(&anna, &asked, upload).await.expect(200);
    assert_eq!(answer["links"].as_array().unwrap().len(), 1);
    assert!(answer.get("session").is_none());
    assert_eq!(follow(&stack, &answer["links"][0], "<h1>Hello</h1>").await.status, 200);
    let page = stack.browse("http://acme.sites.localhost/").await;
    assert_eq!((page.status, page.text().as_str()), (200, "<h1>Hello</h1>"));
    assert_eq!(page.header("content-type"), "text/html");

    let download =
        json!({"kind": "download", "keys": ["index.html", "nothing.html"], "expires_in_seconds": 600});
    let answer = access(&anna, &asked, download).await.expect(200);
    assert_eq!(follow(&stack, &answer["links"][0], "").await.text(), "<h1>Hello</h1>");
    assert_eq!(follow(&stack, &answer["links"][1], "").await.status, 404);

    // A link opens its own file, with its own method, for its own time.
    let mut other = answer["links"][0].clone();
    other["method"] = json!("PUT");
    assert_eq!(follow(&stack, &other, "mine now").await.status, 403);
    stack.advance(Duration::from_secs(300)).await;
    assert_eq!(follow(&stack, &answer["links"][0], "").await.status, 200);
    stack.advance(Duration::from_secs(301)).await;
    assert_eq!(follow(&stack, &answer["links"][0], "").await.status, 403, "it has ended");
}

#[tokio::test]
async fn a_session_opens_one_bucket() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let hers = deployed(&stack, &anna, "anna").await;
    let his = deployed(&stack, &boris, "boris").await;
    let session = json!({"kind": "session", "expires_in_seconds": 900});
    let hers = access(&anna, &hers, session.clone()).await.expect(200);
    let his = access(&boris, &his, session).await.expect(200);
    assert_eq!(hers["session"]["writable"], true);
    let (her_bucket, his_bucket) = (hers["bucket"].as_str().unwrap(), his["bucket"].as_str().unwrap());
    assert_ne!(her_bucket, his_bucket);

    let client = s3(&stack, &hers);
    let put = |bucket: &str| {
        client.put_object().bucket(bucket).key("a.txt").body(ByteStream::from_static(b"hello")).send()
    };
    put(her_bucket).await.unwrap();
    assert_eq!(
        client.list_objects_v2().bucket(her_bucket).send().await.unwrap().key_count(),
        Some(2),
        "the welcome page is there"
    );
    assert_eq!(denied(put(his_bucket).await), "AccessDenied");
    assert_eq!(denied(client.get_object().bucket(his_bucket).key("a.txt").send().await), "AccessDenied");
    assert_eq!(denied(client.list_objects_v2().bucket(his_bucket).send().await), "AccessDenied");
    assert_eq!(denied(client.delete_object().bucket(his_bucket).key("a.txt").send().await), "AccessDenied");
    assert_eq!(denied(client.delete_bucket().bucket(her_bucket).send().await), "AccessDenied");
    assert_eq!(
        denied(client.put_bucket_policy().bucket(her_bucket).policy("{}").send().await),
        "AccessDenied"
    );

    stack.advance(Duration::from_secs(901)).await;
    assert_eq!(denied(put(her_bucket).await), "ExpiredToken");
}

#[tokio::test]
async fn access_keeps_the_plans_and_the_requests_rules() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let early = crate::deploy(&anna, "acme").await;
    let session = json!({"kind": "session"});
    let answer = refused(access(&anna, &early, session.clone())).await;
    assert_eq!(answer, (409, "site_not_active".to_owned()));
    crate::until_operation(&stack, &early.operation, "succeeded").await;

    for (body, pointer) in [
        (json!({"kind": "upload"}), "/key"),
        (json!({"kind": "upload", "key": "../a"}), "/key"),
        (json!({"kind": "download", "keys": ["a", "/b"]}), "/keys/1"),
        (json!({"kind": "session", "key": "a"}), "/keys"),
        (json!({"kind": "session", "expires_in_seconds": 3601}), "/expires_in_seconds"),
        (json!({"kind": "upload", "key": "a", "expires_in_seconds": 0}), "/expires_in_seconds"),
        (json!({"kind": "steal"}), "/kind"),
        (json!({"kind": "session", "bucket": "other"}), "/bucket"),
    ] {
        let answer = access(&anna, &early, body.clone()).await;
        assert_eq!(
            (answer.status, &answer.json()["problems"][0]["pointer"]),
            (422, &json!(pointer)),
            "{body}"
        );
    }

    // The key replays no credentials: nothing of them is stored.
    let once = anna.with_key("session");
    let first = access(&once, &early, session.clone()).await.expect(200);
    let second = access(&once, &early, session.clone()).await.expect(200);
    assert_ne!(first["session"]["access_key_id"], second["session"]["access_key_id"]);
    let secret = first["session"]["secret_access_key"].as_str().unwrap();
    assert!(stack.table("hosting").items().iter().all(|item| !item.to_string().contains(secret)));

    let (client, bucket) = (s3(&stack, &first), first["bucket"].as_str().unwrap());
    client.delete_object().bucket(bucket).key("index.html").send().await.unwrap();
    let mut organisation = stack.table("accounts").of_kind("organisation").remove(0);
    organisation["entitlements"]["products"]["hosting"]["limits"]["storage_bytes"] = json!(10);
    stack.put_item("accounts", &organisation).await.unwrap();
    let upload = json!({"kind": "upload", "key": "a.txt", "bytes": 10});
    let answer = access(&anna, &early, upload).await.expect(200);
    assert_eq!(follow(&stack, &answer["links"][0], "0123456789").await.status, 200);
    let full = access(&anna, &early, json!({"kind": "upload", "key": "b.txt"})).await;
    assert_eq!((full.status, full.code().as_str()), (402, "limit_reached"));
    let full = full.json();
    assert_eq!((&full["limit"], &full["upgrade"]), (&json!("storage_bytes"), &json!("launch")));

    let emptying = access(&anna, &early, session).await.expect(200);
    assert_eq!(emptying["session"]["writable"], false);
    let client = s3(&stack, &emptying);
    let put =
        client.put_object().bucket(bucket).key("b.txt").body(ByteStream::from_static(b"b")).send().await;
    assert_eq!(denied(put), "AccessDenied");
    client.delete_object().bucket(bucket).key("a.txt").send().await.unwrap();
    let room = access(&anna, &early, json!({"kind": "upload", "key": "b.txt"})).await;
    assert_eq!(room.status, 200);
}
