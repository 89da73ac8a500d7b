//! What Stripe tells: signed, taken in once, worked on until it is.

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{COSTS, LAUNCH, buy, buyer};
use crate::{audit, items, refused, staff};

const PATH: &str = "/v1/webhooks/stripe";

fn secret(stack: &Stack) -> String {
    let secret = &stack.core().secrets[&local::keys::billing_secret()];
    secret["webhook_secrets"][0].as_str().unwrap().to_owned()
}

fn event(id: &str, livemode: bool) -> Value {
    json!({
        "id": id, "object": "event", "type": "customer.subscription.updated", "created": 1_795_232_640,
        "livemode": livemode, "api_version": "2026-10-28.endive", "pending_webhooks": 1, "request": null,
        "data": {"object": {"id": "sub_unknown", "object": "subscription", "metadata": {}}},
    })
}

/// Somebody's subscription, after somebody wrote into the table that it is not paid.
async fn tampered_with(stack: &Stack, whose: &Client) -> Value {
    let mut tampered = items(stack, whose, "subscription")[0].clone();
    tampered["status"] = "past_due".into();
    tampered.as_object_mut().unwrap().remove("event");
    stack.put_item("billing", &tampered).await.unwrap();
    tampered
}

/// Tells of a subscription of somebody's until its message is a dead letter.
async fn tell_in_vain(stack: &Stack, id: &str, whose: &Client) {
    let mut event = event(id, false);
    event["data"]["object"]["metadata"] = json!({"org": whose.org(), "product": "hosting"});
    stack.stripe().webhooks().forge(event);
    stack.settle().await;
    // A message that was not worked on is seen again three minutes later.
    for _ in 0..5 {
        stack.advance(std::time::Duration::from_secs(200)).await;
    }
}

async fn send(stack: &Stack, body: &str, signature: &str) -> u16 {
    let client = stack.client().with_header("stripe-signature", signature);
    client
        .send_bytes(http::Method::POST, PATH, "application/json; charset=utf-8", body.to_owned())
        .await
        .status
}

fn inbox(stack: &Stack) -> Vec<Value> {
    stack.table("billing").of_kind("stripe_event")
}

#[tokio::test]
async fn only_what_stripe_signed_just_now_is_taken_in() {
    let stack = Stack::start().await;
    let body = event("evt_1", false).to_string();
    let sign = |at| platform::stripe::webhook::sign(body.as_bytes(), &secret(&stack), at);
    let now = stack.now();
    let old = now - std::time::Duration::from_secs(301);
    for (name, signature) in [
        ("none", String::new()),
        ("garbage", "t=1,v1=00".to_owned()),
        ("of another secret", platform::stripe::webhook::sign(body.as_bytes(), "whsec_other", now)),
        ("too old", sign(old)),
    ] {
        assert_eq!(send(&stack, &body, &signature).await, 400, "{name}");
    }
    assert_eq!(send(&stack, &body.replace("evt_1", "evt_2"), &sign(now)).await, 400, "another body");
    assert_eq!(stack.client().post(PATH, event("evt_1", false)).await.status, 400);
    assert!(inbox(&stack).is_empty());

    assert_eq!(send(&stack, &body, &sign(now)).await, 200);
    assert_eq!(send(&stack, &body, &format!("{},v1=00", sign(now))).await, 200, "any good signature will do");
    stack.settle().await;
    assert_eq!(inbox(&stack).len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_event_of_the_other_mode_changes_nothing() {
    let stack = Stack::start().await;
    let body = event("evt_live", true).to_string();
    let signature = platform::stripe::webhook::sign(body.as_bytes(), &secret(&stack), stack.now());
    assert_eq!(send(&stack, &body, &signature).await, 200);
    stack.settle().await;
    assert_eq!(inbox(&stack)[0]["state"], "skipped");
    assert!(stack.calls_of("project_stripe").is_empty());
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_is_unknown_is_kept_and_passed_over() {
    let stack = Stack::start().await;
    let mut unknown = event("evt_new", false);
    unknown["type"] = "rocket.launched".into();
    stack.stripe().webhooks().forge(unknown);
    stack.settle().await;
    assert_eq!(inbox(&stack)[0]["state"], "skipped");
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_event_that_cannot_be_worked_on_waits_for_people_and_others_pass() {
    let stack = Stack::start().await;
    let staff = staff(&stack).await;
    assert_eq!(staff.get("/v1/entitlements").await.status, 200);
    stack.faults().on("project_stripe", "stripe", "*").always().fail(400, "parameter_unknown");
    tell_in_vain(&stack, "evt_poison", &staff).await;
    let letters = stack.expect_dead_letters(1).await;
    assert!(letters[0].0.ends_with("billing-inbox-dead-letters"));
    stack.faults().clear();
    let state = || inbox(&stack).iter().find(|event| event["id"] == "evt_poison").unwrap()["state"].clone();
    assert_eq!(state(), "failed");

    // Staff see it, and have it looked into once more when its cause is mended.
    let staff = crate::back(&stack, &staff).await;
    let failed = staff.get("/v1/admin/webhooks").await.ok();
    assert_eq!(
        (&failed["items"][0]["id"], &failed["items"][0]["attempts"]),
        (&json!("evt_poison"), &json!(5))
    );
    staff.post_empty("/v1/admin/webhooks/evt_poison/replay").await.expect(202);
    stack.settle().await;
    assert_eq!(state(), "done");
    assert_eq!(staff.get("/v1/admin/webhooks").await.ok()["items"], json!([]));
    assert_eq!(staff.post_empty("/v1/admin/webhooks/evt_other/replay").await.status, 404);
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_was_changed_by_hand_is_found_and_mended_at_night() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", COSTS).await;
    let tampered = tampered_with(&stack, &anna).await;
    stack.advance(std::time::Duration::from_secs(24 * 3_600)).await;
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "active");
    let found = &stack.table("billing").of_kind("difference")[0];
    assert_eq!((&found["object"], &found["org"]), (&tampered["stripe_id"], &json!(anna.org())));
    assert!(found["kept"].as_str().unwrap().starts_with("past_due"), "{found}");
    assert_eq!(stack.table("billing").of_kind("reconciliation")[0]["differing"], 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e66_what_no_webhook_tells_is_found_within_a_quarter_of_an_hour() {
    let stack = Stack::start().await;
    stack.stripe().webhooks().drop_all();
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    assert_eq!(items(&stack, &anna, "trial")[0]["state"], "active");
    crate::after(&stack, 16 * 60).await;
    assert_eq!(items(&stack, &anna, "trial")[0]["state"], "converted");
    assert_eq!(crate::held(&stack, &anna)["products"]["hosting"]["plan"], "launch");
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_event_that_no_worker_could_try_is_seen_after_an_hour() {
    let stack = Stack::start().await;
    let staff = staff(&stack).await;
    stack.faults().on("project_stripe", "secretsmanager", "*").always().fail(400, "AccessDeniedException");
    tell_in_vain(&stack, "evt_unseen", &staff).await;
    stack.expect_dead_letters(1).await;
    let found = || inbox(&stack).into_iter().find(|event| event["id"] == "evt_unseen").unwrap();
    assert_eq!((&found()["state"], &found()["attempts"]), (&json!("received"), &json!(0)));
    let again = "/v1/admin/webhooks/evt_unseen/replay";
    let staff = crate::back(&stack, &staff).await;
    assert_eq!(refused(staff.post_empty(again)).await, (409, "in_progress".to_owned()));
    stack.faults().clear();
    crate::after(&stack, 3_600).await;
    let staff = crate::back(&stack, &staff).await;
    assert_eq!(staff.get("/v1/admin/webhooks").await.ok()["items"][0]["id"], "evt_unseen");
    staff.post_empty("/v1/admin/webhooks/redrive").await.expect(202);
    stack.settle().await;
    assert_eq!(found()["state"], "done");
    assert_eq!(staff.get("/v1/admin/webhooks").await.ok()["items"], json!([]));
    audit::check(&stack).await;
}

#[tokio::test]
async fn reading_the_list_goes_on_where_it_was_ended() {
    let stack = Stack::start().await;
    stack.stripe().webhooks().drop_all();
    let anna = stack.verified("anna@example.com").await;
    crate::after(&stack, 16 * 60).await;
    let cursor = || stack.table("billing").of_kind("cursor")[0]["read_until"].as_str().unwrap().to_owned();
    let before = cursor();
    // For two days Stripe answers with half a day of events at most.
    stack.faults().on("catch_up_events", "stripe", "GET /v1/events").always().fail(400, "testing");
    crate::after(&stack, 2 * crate::DAY).await;
    assert_eq!(cursor(), before);
    let anna = crate::back(&stack, &anna).await;
    buy(&stack, &anna, COSTS).await;
    stack.faults().clear();
    stack.faults().on("catch_up_events", "stripe", "GET /v1/events").after(2).times(1).fail(400, "testing");
    crate::after(&stack, 16 * 60).await;
    let halfway = cursor();
    assert!(before < halfway, "{halfway}");
    crate::after(&stack, 16 * 60).await;
    assert!(halfway < cursor());
    assert_eq!(crate::held(&stack, &anna)["products"]["costs"]["plan"], "pro");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_time_of_many_events_is_read_in_parts() {
    const MANY: usize = 520;
    let stack = Stack::start().await;
    stack.stripe().webhooks().drop_all();
    for _ in 0..MANY {
        crate::buyers::at_stripe(&stack, "/v1/products", "name=Mug");
    }
    crate::after(&stack, 16 * 60).await;
    let known = inbox(&stack);
    assert_eq!(known.iter().filter(|event| event["event_type"] == "product.created").count(), MANY);
}

#[tokio::test]
async fn what_cannot_be_compared_keeps_nothing_else_from_being() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", COSTS).await;
    tampered_with(&stack, &anna).await;

    let faults = stack.faults();
    faults.on("reconcile_stripe", "stripe", "GET /v1/subscriptions/{id}").always().fail(400, "testing");
    crate::after(&stack, crate::DAY).await;
    let runs = || stack.table("billing").of_kind("reconciliation");
    assert_eq!(
        (&runs()[0]["failed"], &runs()[0]["checked"]),
        (&json!(1), &json!(1)),
        "the charge was compared"
    );
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "past_due");
    faults.clear();
    crate::after(&stack, crate::DAY).await;
    assert_eq!((&runs()[1]["failed"], &runs()[1]["differing"]), (&json!(0), &json!(1)));
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "active");
    audit::check(&stack).await;
}

#[tokio::test]
async fn evidence_of_which_stripe_tells_before_it_answers_is_kept() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    let charge = items(&stack, &anna, "charge")[0]["id"].as_str().unwrap().to_owned();
    let dispute = stack.stripe().open_dispute(&charge).unwrap()["id"].as_str().unwrap().to_owned();
    stack.settle().await;
    let answer = stack.faults().on("submit_evidence", "stripe", "POST /v1/disputes/{id}").hold();
    let path = format!("/v1/admin/disputes/{dispute}/evidence");
    let (sent, ()) = tokio::join!(staff.post(&path, json!({"explanation": "Used each day."})), async {
        answer.reached().await;
        let mut asked = 0;
        while items(&stack, &anna, "dispute")[0]["status"] != "under_review" {
            staff.get("/v1/admin/disputes").await;
            asked += 1;
            assert!(asked < 10_000, "nobody heard of it");
        }
        answer.let_go();
    });
    assert_eq!(sent.ok()["status"], "under_review");
    assert!(items(&stack, &anna, "dispute")[0]["evidence_at"].is_string());
    audit::check(&stack).await;
}
