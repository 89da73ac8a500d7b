//! What billing tells of an organisation's plan, and what its sites do about it.

use std::time::Duration;

use local::Stack;
use serde_json::{Value, json};

use crate::{Asked, audit, deploy, deployed, item, until_operation};

/// Tells what an organisation may use of hosting, as billing does.
pub(crate) async fn tell(stack: &Stack, org: &str, version: u64, hosting: Value) {
    let detail = json!({
        "id": format!("evt_000000000000000000000{version:05}"), "type": "billing.entitlements_changed", "v": 1,
        "org": org, "at": stack.now(), "actor": "system:test", "request_id": "test",
        "data": {"version": version, "products": {"hosting": hosting}},
    });
    let events = stack.cloud().events();
    let kind = "billing.entitlements_changed";
    events.put_event("tenantry-local", "tenantry.billing", kind, &detail, &[]).await.unwrap();
    stack.settle().await;
}

pub(crate) fn plan(name: &str, access: &str, mode: &str) -> Value {
    let limits =
        json!({"sites": 3, "units": 2, "storage_bytes": 1_000_000, "mails_per_month": 100, "users": 3});
    json!({"plan": name, "access": access, "mode": mode, "limits": limits})
}

async fn until_state(stack: &Stack, asked: &Asked, state: &str) {
    let there = async || {
        let site = item(stack, "site", &asked.site);
        site["state"] == state && site["current_op"].is_null()
    };
    stack.run_until(&format!("the site is {state}"), Duration::from_secs(90 * 60), there).await;
}

#[tokio::test]
async fn who_pays_moves_and_who_does_not_is_suspended_and_comes_back() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    tell(&stack, anna.org(), 100, plan("launch", "full", "dedicated")).await;
    assert!(item(&stack, "site", &asked.site)["current_op"].is_string(), "the move begins by itself");
    until_state(&stack, &asked, "active").await;
    assert_eq!(item(&stack, "site", &asked.site)["mode"], "dedicated");

    tell(&stack, anna.org(), 101, plan("launch", "read_only", "dedicated")).await;
    assert_eq!(
        stack.browse("http://acme.sites.localhost/").await.status,
        200,
        "restricted, and still served"
    );
    tell(&stack, anna.org(), 102, plan("launch", "none", "dedicated")).await;
    until_state(&stack, &asked, "suspended").await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 503);
    tell(&stack, anna.org(), 103, plan("launch", "full", "dedicated")).await;
    until_state(&stack, &asked, "active").await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e63_news_that_come_late_or_twice_change_nothing() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    stack.deliver_twice("on_billing_event");
    tell(&stack, anna.org(), 107, plan("trial", "none", "shared")).await;
    tell(&stack, anna.org(), 106, plan("launch", "full", "dedicated")).await;
    until_state(&stack, &asked, "suspended").await;
    tell(&stack, anna.org(), 107, plan("launch", "full", "shared")).await;
    stack.advance(Duration::from_secs(120)).await;
    let site = item(&stack, "site", &asked.site);
    assert_eq!((&site["state"], &site["desired"]["version"]), (&json!("suspended"), &json!(107)));
    let operations = stack.table("hosting").of_kind("operation");
    assert_eq!(operations.len(), 2, "one was built, one suspended: {operations:?}");
    audit::check(&stack).await;
}

#[tokio::test]
async fn e23_what_is_not_paid_during_a_move_is_suspended_after_it() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    tell(&stack, anna.org(), 100, plan("launch", "full", "dedicated")).await;
    let operation = item(&stack, "site", &asked.site)["current_op"].as_str().unwrap().to_owned();
    let moving = async || item(&stack, "site", &asked.site)["state"] == "migrating";
    stack.run_until("it moves", crate::PATIENCE, moving).await;
    tell(&stack, anna.org(), 101, plan("launch", "none", "dedicated")).await;
    until_state(&stack, &asked, "suspended").await;
    let state = item(&stack, "operation", &operation)["state"].clone();
    assert!(state == "succeeded" || state == "rolled_back", "{state}");
    audit::check(&stack).await;
}

#[tokio::test]
async fn e22_a_trial_that_ends_during_a_move_waits_for_its_commit_or_rollback() {
    for (cancelled, end) in [(false, "succeeded"), (true, "rolled_back")] {
        let stack = Stack::start().await;
        let operator = crate::staff(&stack).await;
        let anna = stack.verified("anna@example.com").await;
        let asked = deployed(&stack, &anna, "acme").await;
        let host = item(&stack, "site", &asked.site)["host"].as_str().unwrap().to_owned();
        operator.post_empty(&format!("/v1/admin/hosting/hosts/{host}/drain")).await.expect(202);
        let operation = item(&stack, "site", &asked.site)["current_op"].as_str().unwrap().to_owned();
        let moving = async || item(&stack, "site", &asked.site)["state"] == "migrating";
        stack.run_until("it moves", crate::PATIENCE, moving).await;
        tell(&stack, anna.org(), 100, plan("trial", "none", "shared")).await;
        let site = item(&stack, "site", &asked.site);
        assert_eq!((&site["state"], &site["desired"]["run"]), (&json!("migrating"), &json!("suspended")));
        if cancelled {
            anna.post_empty(&format!("/v1/hosting/operations/{operation}/cancel")).await.expect(202);
        }
        until_state(&stack, &asked, "suspended").await;
        assert_eq!(item(&stack, "operation", &operation)["state"], end);
        assert_eq!(item(&stack, "site", &asked.site)["host"] == host, cancelled);
        assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 503);
        audit::check(&stack).await;
    }
}

#[tokio::test]
async fn e24_a_late_payment_brings_the_site_back_with_bucket_and_label() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let before = item(&stack, "site", &asked.site);
    let bucket = before["bucket"].as_str().unwrap();
    stack.cloud().s3().put(bucket, "index.html", "text/html", "kept".into()).await.unwrap();
    tell(&stack, anna.org(), 100, plan("trial", "none", "shared")).await;
    until_state(&stack, &asked, "suspended").await;
    stack.travel(29).await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 503);
    tell(&stack, anna.org(), 101, plan("launch", "full", "shared")).await;
    until_state(&stack, &asked, "active").await;
    let site = item(&stack, "site", &asked.site);
    assert_eq!((&site["bucket"], &site["label"]), (&before["bucket"], &before["label"]));
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.text(), "kept");
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_nobody_pays_for_goes_with_its_data_after_thirty_days() {
    let stack = Stack::start().await;
    stack.deliver_twice("run_operation");
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    tell(&stack, anna.org(), 100, plan("trial", "none", "shared")).await;
    until_state(&stack, &asked, "suspended").await;
    stack.travel(29).await;
    assert_eq!(item(&stack, "site", &asked.site)["state"], "suspended");
    // A day's look finds that the thirty days are over, a later one that nothing is to be kept any more.
    for after in ["retained", "purged"] {
        let mut days = 0;
        let rests = |site: Value| site["current_op"].is_null() && site["state"] != after;
        while rests(item(&stack, "site", &asked.site)) {
            assert!(days < 2, "nothing begins for a site that is not yet {after}");
            stack.travel(1).await;
            days += 1;
        }
        until_state(&stack, &asked, after).await;
    }
    assert!(item(&stack, "site", &asked.site)["bucket"].is_null());
    assert!(
        crate::buckets(&stack).await.is_empty() && stack.table("hosting").of_kind("reservation").is_empty()
    );
    let rests = |host: &Value| host["state"] == "ready" || host["state"] == "terminated";
    let there = async || stack.table("hosting").of_kind("host").iter().all(rests);
    stack.run_until("its host is up or gone", crate::PATIENCE, there).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_plan_that_ends_while_a_site_is_built_suspends_it_once_it_is() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let building = async || item(&stack, "operation", &asked.operation)["cursor"].as_u64() >= Some(4);
    stack.run_until("it is being built", crate::PATIENCE, building).await;
    tell(&stack, anna.org(), 100, plan("trial", "none", "shared")).await;
    until_operation(&stack, &asked.operation, "succeeded").await;
    until_state(&stack, &asked, "suspended").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_site_is_made_by_the_newest_plan_that_was_heard() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    // Accounts has not heard of it yet.
    tell(&stack, anna.org(), 100, plan("launch", "full", "dedicated")).await;
    tell(&stack, anna.org(), 99, plan("trial", "none", "shared")).await;
    let asked = deployed(&stack, &anna, "acme").await;
    let site = item(&stack, "site", &asked.site);
    assert_eq!((&site["mode"], &site["desired"]["version"]), (&json!("dedicated"), &json!(100)));
    tell(&stack, boris.org(), 100, plan("trial", "none", "shared")).await;
    let late = boris.post("/v1/hosting/sites", json!({"label": "other"})).await;
    assert_eq!((late.status, late.code().as_str()), (402, "plan_required"));
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_is_paused_is_kept_for_as_long_as_it_is() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let mut paused = plan("launch", "none", "shared");
    paused["paused"] = json!(true);
    tell(&stack, anna.org(), 100, paused).await;
    until_state(&stack, &asked, "suspended").await;
    stack.travel(40).await;
    assert_eq!(item(&stack, "site", &asked.site)["state"], "suspended");
    tell(&stack, anna.org(), 101, plan("launch", "full", "shared")).await;
    until_state(&stack, &asked, "active").await;
}

#[tokio::test]
async fn a_payment_that_the_site_alone_did_not_hear_of_saves_it() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    tell(&stack, anna.org(), 100, plan("trial", "none", "shared")).await;
    until_state(&stack, &asked, "suspended").await;
    let mut heard =
        stack.table("hosting").of_kind("plan").into_iter().find(|heard| heard["version"] == 100).unwrap();
    (heard["version"], heard["hosting"]) = (json!(101), plan("launch", "full", "shared"));
    stack.put_item("hosting", &heard).await.unwrap();
    stack.travel(29).await;
    // Day by day, so that the machine hears of it before its time is over.
    let is_wanted = || item(&stack, "site", &asked.site)["desired"]["run"] == "on";
    for _ in 0..3 {
        if !is_wanted() {
            stack.travel(1).await;
        }
    }
    until_state(&stack, &asked, "active").await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_site_whose_building_stopped_goes_too_when_nobody_pays() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("run_operation", "ses", "VerifyDomainIdentity").always().fail(403, "AccessDenied");
    let asked = deploy(&anna, "acme").await;
    until_operation(&stack, &asked.operation, "needs_attention").await;
    stack.faults().clear();
    tell(&stack, anna.org(), 100, plan("trial", "none", "shared")).await;
    assert_eq!(item(&stack, "site", &asked.site)["state"], "failed");
    stack.travel(32).await;
    until_state(&stack, &asked, "purged").await;
    assert!(crate::buckets(&stack).await.is_empty());
    audit::check(&stack).await;
}
