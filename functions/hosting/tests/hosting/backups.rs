//! Backups: a day's files can be had again, and what is kept of a deleted site goes when its time is over.

use std::time::Duration;

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{Asked, audit, deployed, item, refused, until_operation};

async fn start(client: &Client, path: &str) -> String {
    client.post_empty(path).await.expect(202)["id"].as_str().unwrap().to_owned()
}

fn path(asked: &Asked) -> String {
    format!("{}/backups", asked.path())
}

async fn files(stack: &Stack, bucket: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for object in stack.cloud().s3().objects(bucket).await {
        let content = stack.cloud().s3().get(bucket, &object.key).await.unwrap().body;
        files.push((object.key, String::from_utf8_lossy(&content).into_owned()));
    }
    files
}

#[tokio::test]
async fn a_restore_brings_back_what_was_deleted_and_changed() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let bucket = item(&stack, "site", &asked.site)["bucket"].as_str().unwrap().to_owned();
    let s3 = stack.cloud().s3();
    for (key, text) in [("index.html", "one"), ("a b/c+d.txt", "two"), ("gone.txt", "three")] {
        s3.put(&bucket, key, "text/plain", text.into()).await.unwrap();
    }
    let before = files(&stack, &bucket).await;
    let operation = start(&anna, &path(&asked)).await;
    until_operation(&stack, &operation, "succeeded").await;
    let listed = anna.get(&path(&asked)).await.ok();
    let backup = &listed["items"][0];
    assert_eq!((&backup["files"], &backup["by_request"]), (&json!(3), &json!(true)));

    s3.put(&bucket, "index.html", "text/plain", "changed".into()).await.unwrap();
    s3.put(&bucket, "gone.txt", "text/plain", "overwritten".into()).await.unwrap();
    s3.put(&bucket, "new.txt", "text/plain", "came later".into()).await.unwrap();
    stack.deliver_twice("run_operation");
    let restore = format!("{}/{}/restore", path(&asked), backup["id"].as_str().unwrap());
    let operation = start(&anna, &restore).await;
    until_operation(&stack, &operation, "succeeded").await;
    assert_eq!(files(&stack, &bucket).await, before);

    let boris = stack.verified("boris@example.com").await;
    assert_eq!(refused(boris.post_empty(&restore)).await, (404, "not_found".to_owned()));
    assert_eq!(refused(boris.get(&path(&asked))).await, (404, "not_found".to_owned()));
    let unknown = format!("{}/bkp_00000000000000000000000001/restore", path(&asked));
    assert_eq!(refused(anna.post_empty(&unknown)).await, (404, "not_found".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn each_site_is_backed_up_every_day_and_the_plan_says_how_many_are_kept() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let backups = || stack.table("hosting").of_kind("backup");
    assert!(backups().is_empty());
    stack.advance(Duration::from_secs(26 * 3_600)).await;
    let first = backups();
    assert_eq!((first.len(), &first[0]["site"]), (1, &json!(asked.site)));
    stack.advance(Duration::from_secs(25 * 3_600)).await;
    let second = backups();
    assert_eq!(second.len(), 1, "a trial keeps one");
    assert_ne!(second[0]["id"], first[0]["id"]);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_deleted_sites_data_go_after_thirty_days() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    anna.delete(&asked.path()).await.expect(202);
    let retained = async || item(&stack, "site", &asked.site)["state"] == "retained";
    stack.run_until("it is down", crate::PATIENCE, retained).await;
    stack.travel(29).await;
    assert_eq!(
        (crate::buckets(&stack).await.len(), item(&stack, "site", &asked.site)["state"].clone()),
        (1, json!("retained"))
    );
    stack.travel(3).await;
    let site = item(&stack, "site", &asked.site);
    assert_eq!((&site["state"], &site["bucket"]), (&json!("purged"), &Value::Null));
    assert!(crate::buckets(&stack).await.is_empty());
    audit::check(&stack).await;
}
