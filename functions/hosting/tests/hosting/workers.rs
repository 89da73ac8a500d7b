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
async fn e47_a_launch_that_was_not_answered_makes_one_machine() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("scale_pool", "ec2", "RunInstances").times(4).lose_answer();
    deployed(&stack, &anna, "acme").await;
    assert_eq!(stack.cloud().ec2().instances().len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e47_an_instance_that_is_not_described_yet_is_waited_for() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let answer = stack.faults().on("scale_pool", "ec2", "DescribeInstances");
    answer.times(6).fail(400, "InvalidInstanceID.NotFound");
    deployed(&stack, &anna, "acme").await;
    assert_eq!(stack.cloud().ec2().instances().len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e47_where_there_is_no_capacity_the_next_option_is_taken() {
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
async fn e49_a_bucket_name_that_others_have_is_passed_over() {
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
async fn e49_a_bucket_of_ours_is_taken_only_if_it_is_this_sites() {
    let tag = |site: &str| -> &'static str {
        let text = format!(
            "<Tagging><TagSet><Tag><Key>tenantry:site</Key><Value>{site}</Value></Tag></TagSet></Tagging>"
        );
        text.leak()
    };
    let elsewhere = "site_00000000000000000000000001";
    for owner in [None, Some(elsewhere)] {
        let stack = Stack::start().await;
        let anna = stack.verified("anna@example.com").await;
        let asked = deploy(&anna, "acme").await;
        let name = format!("tenantry-local-site-{}", asked.site.trim_start_matches("site_").to_lowercase());
        stack.cloud().s3().create_bucket(&name).await.unwrap();
        crate::s3(&stack, "PUT", &format!("/{name}?tagging"), tag(owner.unwrap_or(&asked.site))).await;
        until_operation(&stack, &asked.operation, "succeeded").await;
        let taken = if owner.is_some() { format!("{name}-1") } else { name };
        assert_eq!(item(&stack, "site", &asked.site)["bucket"], taken);
    }
}

#[tokio::test]
async fn e49_a_bucket_that_is_busy_is_waited_for() {
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
    let operator = crate::staff(&stack).await;
    operator.post_empty(&asked.operation("cancel")).await.expect(202);
    until_operation(&stack, &asked.operation, "rolled_back").await;
    assert_eq!(item(&stack, "site", &asked.site)["state"], json!("rolled_back"));
    audit::check(&stack).await;
}

/// The host items, by state.
fn hosts(stack: &Stack, state: &str) -> Vec<serde_json::Value> {
    let hosts = stack.table("hosting").of_kind("host").into_iter();
    hosts.filter(|host| host["state"] == state).collect()
}

#[tokio::test]
async fn a_host_that_nobody_needs_goes_after_an_hour_and_its_address_with_it() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    assert_eq!(stack.cloud().ec2().addresses().len(), 1);
    anna.delete(&asked.path()).await.expect(202);
    let deleted = stack.now();
    let gone = async || hosts(&stack, "terminated").len() == 1;
    stack.run_until("the host is gone", Duration::from_secs(70 * 60), gone).await;
    assert!(stack.now() >= deleted + Duration::from_secs(60 * 60), "somebody might have come back");
    assert!(stack.cloud().ec2().running().is_empty() && stack.cloud().ec2().addresses().is_empty());
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_lost_host_goes_when_it_carries_nothing() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let machine = stack.cloud().ec2().running()[0].id.clone();
    stack.core().instances.mute(&machine);
    let later = stack.now() + Duration::from_secs(20 * 60);
    stack.run_until("it is lost", Duration::from_secs(22 * 60), async || stack.now() >= later).await;
    assert_eq!(hosts(&stack, "unhealthy").len(), 1, "it carries a site");
    let anna = crate::kills::signed_in(&stack, &anna).await;
    let deletion = anna.delete(&asked.path()).await.expect(202);
    until_operation(&stack, deletion["operation"]["id"].as_str().unwrap(), "succeeded").await;
    let gone = async || hosts(&stack, "terminated").len() == 1;
    stack.run_until("the host is gone", Duration::from_secs(120), gone).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_address_whose_allocation_was_not_answered_is_found_again() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("scale_pool", "ec2", "AllocateAddress").times(1).lose_answer();
    stack.faults().on("scale_pool", "ec2", "AssociateAddress").times(4).lose_answer();
    deployed(&stack, &anna, "acme").await;
    assert_eq!(stack.cloud().ec2().addresses().len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_account_without_addresses_says_so_and_leaves_nothing() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("scale_pool", "ec2", "AllocateAddress").always().fail(400, "AddressLimitExceeded");
    let asked = deploy(&anna, "acme").await;
    until_operation(&stack, &asked.operation, "needs_attention").await;
    assert_eq!(item(&stack, "operation", &asked.operation)["error"]["code"], "AddressLimitExceeded");
    let gone = async || stack.cloud().ec2().running().is_empty();
    stack.run_until("nothing runs", Duration::from_secs(120), gone).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_launch_under_other_settings_is_given_up_and_another_made() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("scale_pool", "ec2", "RunInstances").times(1).fail(400, "IdempotentParameterMismatch");
    deployed(&stack, &anna, "acme").await;
    let gone = async || hosts(&stack, "terminated").len() == 1;
    stack.run_until("it is not looked for any more", Duration::from_secs(10 * 60), gone).await;
    assert_eq!(hosts(&stack, "ready").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn one_hosts_trouble_holds_no_other_up() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let first = deploy(&anna, "acme").await;
    let known = async || !hosts(&stack, "launching").is_empty() || !hosts(&stack, "bootstrapping").is_empty();
    stack.run_until("a host is launched", crate::PATIENCE, known).await;
    let mut broken = stack.table("hosting").of_kind("host").remove(0);
    broken["state"] = json!("failed");
    let id = broken["id"].as_str().unwrap().to_owned();
    stack.put_item("hosting", &broken).await.unwrap();
    stack.faults().on("scale_pool", "ec2", "TerminateInstances").times(3).fail(403, "UnauthorizedOperation");
    until_operation(&stack, &first.operation, "succeeded").await;
    stack.faults().clear();
    let gone = async || item(&stack, "host", &id)["state"] == "terminated";
    stack.run_until("the broken one is gone", Duration::from_secs(180), gone).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_bucket_that_cannot_be_seen_is_not_taken_for_gone() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let made = async || item(&stack, "site", &asked.site)["bucket"].is_string();
    stack.run_until("its bucket is there", crate::PATIENCE, made).await;
    stack.faults().on("run_operation", "s3", "HeadBucket").times(2).fail(403, "AccessDenied");
    anna.post_empty(&asked.operation("cancel")).await.expect(202);
    until_operation(&stack, &asked.operation, "rolled_back").await;
    assert!(crate::buckets(&stack).await.is_empty());
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_bucket_that_is_gone_needs_no_shutting() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    stack.faults().on("run_operation", "s3", "PutBucketPolicy").always().fail(404, "NoSuchBucket");
    let deletion = anna.delete(&asked.path()).await.expect(202);
    until_operation(&stack, deletion["operation"]["id"].as_str().unwrap(), "succeeded").await;
}
