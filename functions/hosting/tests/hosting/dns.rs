//! Names: batches that Route 53 takes, throttles, refuses.

use std::time::Duration;

use local::Stack;
use serde_json::json;

use crate::kills::Ground;
use crate::{audit, deploy, deployed, item, until_operation};

#[tokio::test]
async fn e51_a_throttled_zone_is_left_alone_for_a_while_and_then_served() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let faults = stack.faults();
    faults.on("apply_dns_changes", "route53", "ChangeResourceRecordSets").times(9).fail(400, "Throttling");
    faults.on("apply_dns_changes", "route53", "GetChange").times(6).fail(400, "PriorRequestNotComplete");
    let asked = deployed(&stack, &anna, "acme").await;
    assert_eq!(item(&stack, "site", &asked.site)["state"], "active");
    audit::check(&stack).await;
}

#[tokio::test]
async fn e52_one_bad_record_among_many_holds_nobody_else_up() {
    let stack = Stack::start().await;
    let ground = Ground::prepare(&stack).await;
    // Somebody made an alias by hand where a site's key record must go: Route 53 refuses the site's alone.
    stack.faults().on("apply_dns_changes", "route53", "ChangeResourceRecordSets").always().throttle();
    let mut asked = Vec::new();
    for number in 0..12 {
        asked.push(ground.deploy(&stack, &format!("site-{number}")).await);
    }
    let queued = async || stack.table("hosting").of_kind("dns_change").len() == 12 * 8;
    stack.run_until("all changes are queued", crate::PATIENCE, queued).await;
    let mut change = stack.table("hosting").of_kind("dns_change").remove(40);
    change["record"]["values"] = json!(["not an address"]);
    change["record"]["type"] = json!("A");
    let site = change["site"].as_str().unwrap().to_owned();
    stack.put_item("hosting", &change).await.unwrap();
    stack.faults().clear();

    for asked in asked.iter().filter(|asked| asked.site != site) {
        until_operation(&stack, &asked.operation, "succeeded").await;
    }
    assert_eq!(stack.table("hosting").of_kind("dns_change").len(), 0);
}

#[tokio::test]
async fn a_refused_record_stops_its_own_operation_with_the_reason() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("apply_dns_changes", "route53", "ChangeResourceRecordSets").always().throttle();
    let asked = deploy(&anna, "acme").await;
    let queued = async || stack.table("hosting").of_kind("dns_change").len() == 8;
    stack.run_until("its changes are queued", crate::PATIENCE, queued).await;
    for mut change in stack.table("hosting").of_kind("dns_change") {
        if change["record"]["type"] == "MX" {
            change["record"]["values"] = json!(["no preference"]);
            stack.put_item("hosting", &change).await.unwrap();
        }
    }
    stack.faults().clear();
    until_operation(&stack, &asked.operation, "needs_attention").await;
    let operation = item(&stack, "operation", &asked.operation);
    assert_eq!(
        (&operation["error"]["step"], &operation["error"]["code"]),
        (&json!("await_dns"), &json!("dns_rejected"))
    );
    assert!(operation["error"]["remedy"].as_str().unwrap().contains("MX"), "{operation}");
    anna.post_empty(&asked.operation("cancel")).await.expect(202);
    until_operation(&stack, &asked.operation, "rolled_back").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn e51_name_servers_that_take_twenty_minutes_are_waited_for() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("apply_dns_changes", "route53", "GetChange").always().fail(503, "ServiceUnavailable");
    let asked = deploy(&anna, "acme").await;
    let waits = async || item(&stack, "operation", &asked.operation)["cursor"] == 9;
    stack.run_until("it waits for the names", crate::PATIENCE, waits).await;
    let later = stack.now() + Duration::from_secs(20 * 60);
    stack
        .run_until("twenty minutes are over", Duration::from_secs(22 * 60), async || stack.now() >= later)
        .await;
    assert_eq!(item(&stack, "operation", &asked.operation)["state"], "waiting");
    stack.faults().clear();
    until_operation(&stack, &asked.operation, "succeeded").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_refused_record_is_wished_again_when_people_have_looked() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    refuse_once(&stack, &asked.operation, 8).await;
    anna.post_empty(&asked.operation("retry")).await.expect(202);
    until_operation(&stack, &asked.operation, "succeeded").await;
    audit::check(&stack).await;

    let deletion = anna.delete(&asked.path()).await.expect(202);
    let operation = deletion["operation"]["id"].as_str().unwrap().to_owned();
    break_change(&stack, 8).await;
    // A deletion takes away what is there, whatever was thought to be.
    until_operation(&stack, &operation, "succeeded").await;
    audit::check(&stack).await;
}

/// Lets Route 53 refuse a site's MX record, until the operation stops.
async fn refuse_once(stack: &Stack, operation: &str, changes: usize) {
    break_change(stack, changes).await;
    until_operation(stack, operation, "needs_attention").await;
    assert_eq!(item(stack, "operation", operation)["error"]["code"], "dns_rejected");
}

/// Makes the change of a site's MX record one that Route 53 refuses.
async fn break_change(stack: &Stack, changes: usize) {
    stack.faults().on("apply_dns_changes", "route53", "ChangeResourceRecordSets").always().throttle();
    let queued = async || stack.table("hosting").of_kind("dns_change").len() == changes;
    stack.run_until("the changes are queued", crate::PATIENCE, queued).await;
    for mut change in stack.table("hosting").of_kind("dns_change") {
        if change["record"]["type"] == "MX" {
            change["record"]["values"] = json!(["no preference"]);
            stack.put_item("hosting", &change).await.unwrap();
        }
    }
    stack.faults().clear();
}
