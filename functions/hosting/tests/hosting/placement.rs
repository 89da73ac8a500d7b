//! Room: every site gets it, no host gives more than it has, and no host is launched too many.

use futures_util::future::join_all;
use local::Stack;
use serde_json::json;

use crate::kills::{Ground, large, raised, set_pool};
use crate::{audit, deploy, until_operation};

fn of_twenty(target_free: u64) -> serde_json::Value {
    json!({"units_per_host": 20, "max_hosts": 50, "target_free": target_free, "options": [large()]})
}

/// Five hosts of twenty units, all ready.
async fn five_hosts(stack: &Stack) {
    set_pool(stack, of_twenty(100)).await;
    let ready = async || {
        let hosts = stack.table("hosting").of_kind("host");
        hosts.iter().filter(|host| host["state"] == "ready").count() == 5
    };
    stack.run_until("five hosts are ready", crate::PATIENCE, ready).await;
    set_pool(stack, of_twenty(0)).await;
}

#[tokio::test]
async fn e44_a_hundred_sites_at_once_fill_five_hosts_and_the_next_launches_exactly_one() {
    let stack = Stack::start().await;
    five_hosts(&stack).await;
    let mut owners = Vec::new();
    for number in 0..10 {
        let owner = stack.verified(&format!("owner{number}@example.com")).await;
        owners.push(raised(&stack, &owner).await);
    }
    let requests = (0..100).map(|number| {
        let owner = &owners[number % owners.len()];
        async move { deploy(owner, &format!("site-{number}")).await }
    });
    let asked = join_all(requests).await;
    let all = async || {
        let sites = stack.table("hosting").of_kind("site");
        sites.iter().filter(|site| site["state"] == "active").count() == asked.len()
    };
    stack.run_until("all hundred are served", crate::PATIENCE, all).await;
    for asked in &asked {
        until_operation(&stack, &asked.operation, "succeeded").await;
    }
    audit::check(&stack).await;
    assert_eq!(stack.cloud().ec2().instances().len(), 5, "nobody had to wait for a host");
    let hosts = stack.table("hosting").of_kind("host");
    assert!(hosts.iter().all(|host| host["free_units"] == 0), "{hosts:?}");

    let boris = stack.verified("boris@example.com").await;
    let next = deploy(&boris, "the-101st").await;
    until_operation(&stack, &next.operation, "succeeded").await;
    audit::check(&stack).await;
    assert_eq!(stack.cloud().ec2().instances().len(), 6, "exactly one more");
}

#[tokio::test]
async fn e45_release_repeated_leaves_free_units_exact() {
    let stack = Stack::start().await;
    let ground = Ground::prepare(&stack).await;
    for function in ["run_operation", "relay_events"] {
        stack.deliver_twice(function);
        stack.shuffle(function);
    }
    // A commit whose answer is lost is tried again although it happened; one that the network repeats happens once.
    stack.faults().on("run_operation", "dynamodb", "TransactWriteItems").after(3).times(20).lose_answer();
    stack.faults().on("run_operation", "dynamodb", "TransactWriteItems").after(30).always().duplicate();
    let mut asked = Vec::new();
    for number in 0..8 {
        asked.push(ground.deploy(&stack, &format!("site-{number}")).await);
    }
    // Half of them are not wanted any more while room is taken for them, the others once they are served.
    let client = ground.client(&stack).await;
    for asked in &asked[..4] {
        client.delete(&asked.path()).await.expect(202);
    }
    for asked in &asked[4..] {
        until_operation(&stack, &asked.operation, "succeeded").await;
    }
    let client = ground.client(&stack).await;
    for asked in &asked[4..] {
        client.delete(&asked.path()).await.expect(202);
    }
    let idle = |site: &serde_json::Value| site["current_op"].is_null();
    let over = async || stack.table("hosting").of_kind("site").iter().all(idle);
    stack.run_until("nothing is at work", crate::PATIENCE, over).await;
    stack.faults().clear();
    audit::check(&stack).await;
    assert!(stack.table("hosting").of_kind("reservation").is_empty());
    let hosts = stack.table("hosting").of_kind("host");
    assert!(hosts.iter().all(|host| host["free_units"] == host["cap_units"]), "{hosts:?}");
}

#[tokio::test]
async fn e46_a_host_that_drains_between_look_and_placement_takes_nothing() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    crate::deployed(&stack, &anna, "acme").await;
    // The index still offers the host, as it may for a moment; the host itself says that it drains.
    let mut host = stack.table("hosting").of_kind("host").remove(0);
    host["state"] = json!("draining");
    stack.put_item("hosting", &host).await.unwrap();
    let asked = deploy(&boris, "other").await;
    until_operation(&stack, &asked.operation, "succeeded").await;
    assert_ne!(crate::item(&stack, "site", &asked.site)["host"], host["id"]);
    let id = host["id"].as_str().unwrap();
    assert_eq!(crate::item(&stack, "host", id)["free_units"], host["free_units"]);
    assert_eq!(stack.cloud().ec2().instances().len(), 2);
    audit::check(&stack).await;
}

#[tokio::test]
async fn twenty_sites_on_hosts_of_ten_take_exactly_two() {
    let stack = Stack::start().await;
    let owner = stack.verified("anna@example.com").await;
    let owner = raised(&stack, &owner).await;
    let mut asked = Vec::new();
    for number in 0..20 {
        asked.push(deploy(&owner, &format!("site-{number}")).await);
    }
    for asked in &asked {
        until_operation(&stack, &asked.operation, "succeeded").await;
    }
    audit::check(&stack).await;
    assert_eq!(stack.cloud().ec2().instances().len(), 2);
}

#[tokio::test]
async fn room_that_is_given_back_is_taken_again() {
    let stack = Stack::start().await;
    set_pool(&stack, json!({"units_per_host": 1, "max_hosts": 1, "target_free": 0, "options": [large()]}))
        .await;
    let owner = stack.verified("anna@example.com").await;
    let owner = raised(&stack, &owner).await;
    let first = crate::deployed(&stack, &owner, "first").await;
    let second = deploy(&owner, "second").await;
    let waits = async || !stack.table("hosting").of_kind("waiter").is_empty();
    stack.run_until("the second waits: the pool may not grow", crate::PATIENCE, waits).await;
    owner.delete(&first.path()).await.expect(202);
    until_operation(&stack, &second.operation, "succeeded").await;
    audit::check(&stack).await;
    assert_eq!(stack.cloud().ec2().instances().len(), 1);
}

#[tokio::test]
async fn a_site_that_finds_no_room_says_so_in_time_and_waits_no_more() {
    let stack = Stack::start().await;
    set_pool(&stack, json!({"units_per_host": 1, "max_hosts": 0, "target_free": 0, "options": [large()]}))
        .await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let stopped = async || crate::item(&stack, "operation", &asked.operation)["state"] == "needs_attention";
    stack.run_until("it stops", std::time::Duration::from_secs(16 * 60), stopped).await;
    let operation = crate::item(&stack, "operation", &asked.operation);
    assert_eq!(operation["error"]["code"], "no_capacity");
    assert!(stack.table("hosting").of_kind("waiter").is_empty());
    assert!(stack.cloud().ec2().instances().is_empty());
    audit::check(&stack).await;
}
