//! What an organisation may use: told by billing, kept by accounts, heeded by products.

use local::Stack;
use serde_json::json;

use crate::{DAY, HOUR, after, audit, back, held, refused, verified_for};

#[tokio::test]
async fn what_an_organisation_may_use_reaches_every_call() {
    let stack = Stack::start().await;
    stack.deliver_twice("apply_entitlements");
    let anna = stack.verified("anna@example.com").await;
    let told = anna.get("/v1/entitlements").await.ok();
    assert_eq!(told["products"]["hosting"]["plan"], "trial");
    assert_eq!(told["products"]["costs"]["limits"]["scans_per_hour"], 5, "what is free needs no trial");
    assert_eq!((&held(&stack, &anna)["version"], &told["version"]), (&json!(2), &json!(2)));
    assert_eq!(anna.get("/v1/me").await.ok()["organisation"]["entitlements"]["version"], 2);
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_older_version_takes_no_newer_ones_place() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let before = held(&stack, &anna);
    for (version, plan) in [(1, "scale"), (2, "growth")] {
        let products =
            json!({"hosting": {"plan": plan, "access": "full", "mode": "shared", "limits": {"sites": 99}}});
        stack
            .queue("accounts-entitlements")
            .send(json!({
                "id": "evt_00000000000000000000000001", "type": "billing.entitlements_changed", "v": 1, "org": anna.org(),
                "at": stack.now(), "actor": "system:test", "request_id": "late",
                "data": {"version": version, "products": products},
            }))
            .await;
    }
    stack.settle().await;
    assert_eq!(held(&stack, &anna), before);

    let unknown = json!({
        "id": "evt_00000000000000000000000002", "type": "billing.entitlements_changed", "v": 1,
        "org": "org_00000000000000000000000007", "at": stack.now(), "actor": "system:test", "request_id": "lost",
        "data": {"version": 3, "products": {}},
    });
    stack.queue("accounts-entitlements").send(unknown).await;
    let letters = stack.expect_dead_letters(1).await;
    assert!(letters[0].0.ends_with("accounts-entitlements-dead-letters"));
    audit::check(&stack).await;
}

#[tokio::test]
async fn products_heed_the_end_of_a_trial_at_once_and_its_expiry_in_full() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let sites = "/v1/hosting/sites";

    // The sweep is still to come: the clock alone ends the trial.
    let ends: domain::Timestamp =
        anna.get("/v1/trials/hosting").await.ok()["ends_at"].as_str().unwrap().parse().unwrap();
    let rest = ends.since(stack.now());
    stack.core().clock.advance(rest).unwrap();
    let anna = back(&stack, &anna).await;
    let restricted = refused(anna.post(sites, json!({"label": "late"}))).await;
    assert_eq!(restricted, (402, "plan_restricted".to_owned()));
    assert_eq!(anna.get(sites).await.status, 200, "what there is may be seen");

    after(&stack, HOUR).await;
    after(&stack, 3 * DAY).await;
    let anna = back(&stack, &anna).await;
    assert_eq!(refused(anna.post(sites, json!({"label": "late"}))).await, (402, "plan_required".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_paid_plan_that_was_asked_for_is_no_trial() {
    let stack = Stack::start().await;
    let anna = verified_for(&stack, "anna@example.com", "launch").await;
    assert_eq!(refused(anna.get("/v1/trials/hosting")).await, (404, "not_found".to_owned()));
    assert_eq!(held(&stack, &anna)["products"].get("hosting"), None);
    anna.post_empty("/v1/trials/hosting").await.expect(201);
    stack.settle().await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "trial");
    audit::check(&stack).await;
}
