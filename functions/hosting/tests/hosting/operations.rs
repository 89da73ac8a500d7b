//! Operations that people turn back or send on, and sites that they take down.

use std::time::Duration;

use local::Stack;
use serde_json::json;

use crate::{deploy, deployed, item, refused, until_operation};

/// Waits until a step of an operation has begun.
async fn until_step(stack: &Stack, operation: &str, name: &str) {
    let begun = async || {
        let steps = stack.table("hosting").of_kind("step");
        steps.iter().any(|step| step["operation"] == operation && step["name"] == name)
    };
    stack.run_until(&format!("{name} has begun"), crate::PATIENCE, begun).await;
}

#[tokio::test]
async fn what_is_cancelled_in_time_leaves_nothing() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let once = anna.with_key("deploy");
    let asked = deploy(&once, "acme").await;
    until_step(&stack, &asked.operation, "await_dns").await;

    let turned = anna.with_key("cancel").post_empty(&asked.operation("cancel")).await.expect(202);
    assert_eq!((&turned["state"], &turned["id"]), (&json!("compensating"), &json!(asked.operation)));
    let again = anna.with_key("cancel").post_empty(&asked.operation("cancel")).await.expect(202);
    assert_eq!(again, turned);
    assert_eq!(
        anna.post_empty(&asked.operation("cancel")).await.status,
        202,
        "cancelling twice is no second thing"
    );
    until_operation(&stack, &asked.operation, "rolled_back").await;

    let status = anna.get(&asked.deployment()).await.ok();
    assert_eq!((&status["percent"], &status["cancellable"]), (&json!(0), &json!(false)));
    let states = status["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap());
    assert!(states.clone().all(|state| state == "compensated" || state == "pending"), "{status}");
    assert_eq!(anna.get(&asked.path()).await.ok()["state"], "rolled_back");
    assert!(crate::buckets(&stack).await.is_empty());
    assert!(
        stack.table("hosting").of_kind("label_claim").is_empty(),
        "a name that was never served is free at once"
    );
    assert_eq!(
        refused(anna.post_empty(&asked.operation("cancel"))).await,
        (409, "operation_ended".to_owned())
    );
    assert_eq!(refused(anna.post_empty(&asked.operation("retry"))).await, (409, "not_retryable".to_owned()));

    // The request with that key has had its answer; without it, the trial's one site is free again.
    assert_eq!(deploy(&once, "acme").await.operation, asked.operation);
    deploy(&anna, "acme").await;
}

#[tokio::test]
async fn what_is_the_customers_is_not_taken_back() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let active = async || item(&stack, "site", &asked.site)["state"] == "active";
    stack.run_until("the site is active", crate::PATIENCE, active).await;
    let (status, code) = refused(anna.post_empty(&asked.operation("cancel"))).await;
    assert_eq!(status, 409);
    assert!(["point_of_no_return", "operation_ended"].contains(&code.as_str()), "{code}");
    until_operation(&stack, &asked.operation, "succeeded").await;
    assert_eq!(anna.get(&asked.path()).await.ok()["state"], "active");
}

#[tokio::test]
async fn a_site_is_taken_down_once_and_its_data_kept() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let bucket = anna.get(&asked.path()).await.ok()["bucket"].as_str().unwrap().to_owned();

    let first = anna.delete(&asked.path()).await.expect(202);
    assert_eq!(
        (&first["site"]["state"], &first["operation"]["kind"]),
        (&json!("deprovisioning"), &json!("deprovision"))
    );
    let second = anna.delete(&asked.path()).await.expect(202);
    assert_eq!(second["operation"]["id"], first["operation"]["id"]);
    let operation = first["operation"]["id"].as_str().unwrap();
    let no_way_back = refused(anna.post_empty(&format!("/v1/hosting/operations/{operation}/cancel"))).await;
    assert_eq!(no_way_back, (409, "point_of_no_return".to_owned()));
    until_operation(&stack, operation, "succeeded").await;

    let site = anna.get(&asked.path()).await.ok();
    assert_eq!(site["state"], "retained");
    assert!(site["retained_until"].as_str().unwrap() > site["created_at"].as_str().unwrap());
    assert!(crate::buckets(&stack).await.contains(&bucket));
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 502, "the name is gone");
    assert_eq!(refused(anna.delete(&asked.path())).await, (410, "site_gone".to_owned()));
}

/// A worker whose lease ran out while it waited for an answer: the one that has the lease now is the only one that counts.
#[tokio::test]
async fn e58_a_slow_worker_changes_nothing_once_another_has_the_lease() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("run_operation", "s3", "CreateBucket").times(1).delay(Duration::from_secs(2));
    let asked = deploy(&anna, "acme").await;
    let other = async {
        while crate::buckets(&stack).await.is_empty() {
            tokio::task::yield_now().await;
        }
        // The bucket is there, its maker has not heard of it: another worker takes the lease.
        let mut operation = item(&stack, "operation", &asked.operation);
        let fence = operation["fence"].as_u64().unwrap();
        operation["fence"] = json!(fence + 1);
        operation["lease_owner"] = json!("another worker");
        stack.put_item("hosting", &operation).await.unwrap();
        operation
    };
    let made = async || !crate::buckets(&stack).await.is_empty();
    let (operation, ()) =
        futures_util::future::join(other, stack.run_until("the bucket is made", crate::PATIENCE, made)).await;
    stack.settle().await;
    let now = item(&stack, "operation", &asked.operation);
    assert_eq!(
        (&now["cursor"], &now["fence"]),
        (&operation["cursor"], &operation["fence"]),
        "the slow one wrote"
    );
    assert!(item(&stack, "site", &asked.site)["bucket"].is_null());
    until_operation(&stack, &asked.operation, "succeeded").await;
    let steps = stack.table("hosting").of_kind("step");
    assert!(steps.len() == 14 && steps.iter().all(|step| step["state"] == "done"));
    crate::audit::check(&stack).await;
}

#[tokio::test]
async fn e62_deleting_what_is_being_built_turns_it_back() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    until_step(&stack, &asked.operation, "create_bucket").await;
    let deletion = anna.delete(&asked.path()).await.expect(202);
    assert_eq!(deletion["operation"]["id"], asked.operation);
    until_operation(&stack, &asked.operation, "rolled_back").await;
    assert_eq!(anna.get(&asked.path()).await.ok()["state"], "purged");
    assert!(crate::buckets(&stack).await.is_empty());
    assert_eq!(refused(anna.delete(&asked.path())).await, (410, "site_gone".to_owned()));
}

#[tokio::test]
async fn e47_a_quota_that_is_used_up_is_for_people_with_a_remedy() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("scale_pool", "ec2", "RunInstances").always().fail(400, "VcpuLimitExceeded");
    let asked = deploy(&anna, "acme").await;
    until_operation(&stack, &asked.operation, "needs_attention").await;

    let status = anna.get(&asked.deployment()).await.ok();
    assert_eq!(
        (&status["error"]["step"], &status["error"]["code"]),
        (&json!("reserve_slot"), &json!("VcpuLimitExceeded"))
    );
    assert!(status["error"].get("remedy").is_none(), "the remedy is for operators: {status}");
    let remedy = item(&stack, "operation", &asked.operation)["error"]["remedy"].clone();
    assert!(remedy.as_str().unwrap().contains("quota"), "{remedy}");
    assert_eq!(anna.get(&asked.path()).await.ok()["state"], "failed");

    stack.faults().clear();
    stack.advance(Duration::from_secs(60)).await;
    let boris = stack.verified("boris@example.com").await;
    for what in ["retry", "cancel"] {
        assert_eq!(refused(boris.post_empty(&asked.operation(what))).await, (404, "not_found".to_owned()));
    }
    // Whoever has done what the remedy says goes on with it, of whatever organisation it is.
    let operator = crate::staff(&stack).await;
    let resumed = operator.post_empty(&asked.operation("retry")).await.expect(202);
    assert_eq!(resumed["id"], asked.operation);
    assert_eq!(refused(anna.post_empty(&asked.operation("retry"))).await.0, 409, "it runs");
    until_operation(&stack, &asked.operation, "succeeded").await;
    assert_eq!(stack.cloud().ec2().instances().len(), 1);
    stack.settle().await;
}
