//! Backups: a day's files can be had again, and what is kept of a deleted site goes when its time is over.

use std::time::Duration;

use local::Stack;
use local::aws::faults::When;
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
    assert!(stack.table("hosting").of_kind("measure").is_empty(), "what was counted of it goes too");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_backup_that_cannot_be_taken_is_given_up_and_leaves_the_site_alone() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let before = item(&stack, "site", &asked.site)["backup_at"].clone();
    stack.faults().on("run_operation", "s3", "ListObjectVersions").always().fail(403, "AccessDenied");
    let operation = start(&anna, &path(&asked)).await;
    // What is wished for meanwhile waits no longer than that.
    let operator = crate::staff(&stack).await;
    operator.post(&format!("{}/suspend", asked.path()), json!({"reason": "Phishing."})).await.expect(202);
    until_operation(&stack, &operation, "failed").await;
    let failed = item(&stack, "operation", &operation);
    assert!(failed["error"]["remedy"].as_str().unwrap().contains("AccessDenied"), "{failed}");
    assert_eq!(failed["event"]["type"], "hosting.operation_failed");
    assert_ne!(item(&stack, "site", &asked.site)["backup_at"], before, "the next one is a day later");
    let down = async || item(&stack, "site", &asked.site)["state"] == "suspended";
    stack.run_until("the site is suspended", crate::PATIENCE, down).await;
    let retry = format!("/v1/hosting/operations/{operation}/retry");
    assert_eq!(refused(operator.post_empty(&retry)).await, (409, "not_retryable".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn turns_whose_workers_die_are_counted() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    for nth in 1..=20 {
        stack.faults().on("run_operation", "s3", "PutObject").kill_at(nth, When::Before);
    }
    let operation = start(&anna, &path(&asked)).await;
    let over = async || item(&stack, "operation", &operation)["state"] == "failed";
    stack.run_until("it is given up", crate::PATIENCE * 4, over).await;
    assert_eq!(item(&stack, "operation", &operation)["error"]["code"], "turns_lost");
    assert_eq!(stack.faults().kills_left(), 10);
    assert!(item(&stack, "site", &asked.site)["current_op"].is_null());
    stack.faults().clear();
    audit::check(&stack).await;
}

#[tokio::test]
async fn many_files_are_put_back_some_a_turn() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let bucket = item(&stack, "site", &asked.site)["bucket"].as_str().unwrap().to_owned();
    let s3 = stack.cloud().s3();
    for number in 0..600 {
        s3.put(&bucket, &format!("f/{number:05}"), "text/plain", "x".into()).await.unwrap();
    }
    let keys = async || s3.objects(&bucket).await.into_iter().map(|object| object.key).collect::<Vec<_>>();
    let before = keys().await;
    let operation = start(&anna, &path(&asked)).await;
    until_operation(&stack, &operation, "succeeded").await;
    let backup = stack.table("hosting").of_kind("backup").remove(0);
    assert_eq!((&backup["files"], &backup["parts"]), (&json!(before.len()), &json!(1)));

    for number in 0..210 {
        s3.put(&bucket, &format!("f/{number:05}"), "text/plain", "changed".into()).await.unwrap();
        s3.put(&bucket, &format!("f/{number:05}-new"), "text/plain", "new".into()).await.unwrap();
    }
    let restore = format!("{}/{}/restore", path(&asked), backup["id"].as_str().unwrap());
    let operation = start(&anna, &restore).await;
    until_operation(&stack, &operation, "succeeded").await;
    assert_eq!(keys().await, before);
    for number in [0, 199, 200, 209] {
        assert_eq!(&*s3.get(&bucket, &format!("f/{number:05}")).await.unwrap().body, b"x");
    }
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_file_that_is_too_large_to_copy_is_named_and_the_others_are_put_back() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let bucket = item(&stack, "site", &asked.site)["bucket"].as_str().unwrap().to_owned();
    let s3 = stack.cloud().s3();
    for key in ["a.txt", "film.mp4", "z.txt"] {
        s3.put(&bucket, key, "text/plain", "one".into()).await.unwrap();
    }
    let operation = start(&anna, &path(&asked)).await;
    until_operation(&stack, &operation, "succeeded").await;
    let backup = stack.table("hosting").of_kind("backup").remove(0);
    // The list says that a file is larger than any that fits in here.
    let lists =
        s3.buckets().await.into_iter().find(|name| name.starts_with("tenantry-local-backups")).unwrap();
    let list = s3.objects(&lists).await.remove(0).key;
    let mut files: Value = serde_json::from_slice(&s3.get(&lists, &list).await.unwrap().body).unwrap();
    files.as_array_mut().unwrap().iter_mut().find(|file| file["key"] == "film.mp4").unwrap()["bytes"] =
        json!(6_u64 << 30);
    s3.put(&lists, &list, "application/json", files.to_string().into()).await.unwrap();
    for key in ["a.txt", "film.mp4", "z.txt"] {
        s3.put(&bucket, key, "text/plain", "two".into()).await.unwrap();
    }
    let restore = format!("{}/{}/restore", path(&asked), backup["id"].as_str().unwrap());
    let operation = start(&anna, &restore).await;
    until_operation(&stack, &operation, "failed").await;
    let error = item(&stack, "operation", &operation)["error"].clone();
    assert_eq!(error["code"], "files_too_large");
    assert!(error["message"].as_str().unwrap().contains("film.mp4"), "{error}");
    let contents: Vec<String> = files_of(&stack, &bucket).await;
    assert_eq!(contents, ["one", "two", "one"]);
    audit::check(&stack).await;
}

/// What the three files of the test above hold.
async fn files_of(stack: &Stack, bucket: &str) -> Vec<String> {
    let all = files(stack, bucket).await.into_iter();
    all.filter(|(key, _)| key != "index.html").map(|(_, text)| text).collect()
}
