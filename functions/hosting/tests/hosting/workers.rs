//! Hosts and launches: what goes wrong with machines, and who notices.

use std::time::Duration;

use local::Stack;
use serde_json::json;

use crate::{audit, deploy, deployed, item, until_operation};

fn events(stack: &Stack, kind: &str) -> usize {
    let items = stack.table("hosting").items();
    items.iter().filter(|item| item["event"]["type"] == kind).count()
}

#[tokio::test]
async fn a_silent_host_is_told_once_takes_no_more_sites_and_comes_back() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    deployed(&stack, &anna, "acme").await;
    let machine = stack.cloud().ec2().instances()[0].id.clone();
    stack.core().instances.mute(&machine);
    let state = || stack.table("hosting").of_kind("host")[0]["state"].clone();
    stack.run_until("it is missed", Duration::from_secs(240), async || state() == "unhealthy").await;
    let told = stack.table("hosting").of_kind("host")[0]["event"]["id"].clone();
    assert_eq!(events(&stack, "hosting.host_unhealthy"), 1);
    stack.advance(Duration::from_secs(600)).await;
    assert_eq!(stack.table("hosting").of_kind("host")[0]["event"]["id"], told, "told once");

    let boris = stack.verified("boris@example.com").await;
    let asked = deploy(&boris, "elsewhere").await;
    until_operation(&stack, &asked.operation, "succeeded").await;
    assert_eq!(stack.cloud().ec2().instances().len(), 2, "nothing is placed on a silent host");

    stack.core().instances.unmute(&machine);
    let ready = async || stack.table("hosting").of_kind("host").iter().all(|host| host["state"] == "ready");
    stack.run_until("it is back", Duration::from_secs(120), ready).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_instance_that_never_reports_is_replaced() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    stack.run_until("a machine", crate::PATIENCE, async || !stack.cloud().ec2().instances().is_empty()).await;
    let machine = stack.cloud().ec2().instances()[0].id.clone();
    stack.core().instances.mute(&machine);
    until_operation(&stack, &asked.operation, "succeeded").await;
    let failed =
        stack.table("hosting").of_kind("host").into_iter().find(|host| host["instance_id"] == machine);
    assert_eq!(failed.unwrap()["state"], "terminated");
    stack.advance(Duration::from_secs(60)).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_launch_that_was_not_answered_makes_one_machine() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("scale_pool", "ec2", "RunInstances").times(4).lose_answer();
    deployed(&stack, &anna, "acme").await;
    assert_eq!(stack.cloud().ec2().instances().len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn where_there_is_no_capacity_the_next_option_is_taken() {
    let stack = Stack::start().await;
    let options = json!([{"instance_type": "t3.medium"}, {"instance_type": "t3.large"}]);
    let settings = json!({"units_per_host": 10, "max_hosts": 5, "target_free": 0, "options": options});
    crate::kills::set_pool(&stack, settings).await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("scale_pool", "ec2", "RunInstances").times(3).fail(500, "InsufficientInstanceCapacity");
    deployed(&stack, &anna, "acme").await;
    let machines = stack.cloud().ec2().instances();
    assert_eq!(machines.len(), 1);
    assert_eq!(machines[0].instance_type, "t3.large", "the second of the two options");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_bucket_name_that_others_have_is_passed_over() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let ulid = asked.site.trim_start_matches("site_").to_lowercase();
    stack.cloud().s3().take_name(&format!("tenantry-local-site-{ulid}"));
    until_operation(&stack, &asked.operation, "succeeded").await;
    assert_eq!(item(&stack, "site", &asked.site)["bucket"], format!("tenantry-local-site-{ulid}-1"));
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_bucket_that_is_busy_is_waited_for() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let faults = stack.faults();
    faults.on("run_operation", "s3", "CreateBucket").times(2).fail(409, "OperationAborted");
    faults.on("run_operation", "s3", "PutBucketPolicy").times(2).fail(409, "OperationAborted");
    deployed(&stack, &anna, "acme").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn ten_failures_in_a_row_are_for_people_with_a_remedy_and_a_mail() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("run_operation", "ses", "VerifyDomainIdentity").always().fail(403, "AccessDenied");
    let asked = deploy(&anna, "acme").await;
    until_operation(&stack, &asked.operation, "needs_attention").await;
    let step = stack
        .table("hosting")
        .of_kind("step")
        .into_iter()
        .find(|step| step["name"] == "create_identity")
        .unwrap();
    assert_eq!(step["state"], "failed");
    let operation = item(&stack, "operation", &asked.operation);
    assert!(operation["error"]["remedy"].as_str().unwrap().contains("AccessDenied"), "{operation}");
    assert_eq!(item(&stack, "site", &asked.site)["state"], "failed");
    assert_eq!(events(&stack, "hosting.operation_failed"), 1);
    stack.faults().clear();
    anna.post_empty(&asked.operation("cancel")).await.expect(202);
    until_operation(&stack, &asked.operation, "rolled_back").await;
    assert_eq!(item(&stack, "site", &asked.site)["state"], json!("rolled_back"));
    audit::check(&stack).await;
}
