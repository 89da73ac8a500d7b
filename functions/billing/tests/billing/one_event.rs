//! One event of Stripe's: it has one effect, however often, however late and however large it comes.

use futures_util::future::join_all;
use local::Stack;
use local::aws::faults::When;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{
    COSTS, HOSTING, LAUNCH, at_stripe, bill_by_hand, buyer, calls, card, open, pay_with, subscription,
};
use crate::{after, audit, items, told};

/// Longer than a message waits that was not worked on.
const SEEN_AGAIN: u64 = 200;

fn event_of(stack: &Stack, kind: &str) -> Value {
    stack.stripe().events_of(kind).remove(0)
}

/// Delivers an event so many times, all at once; answers the statuses.
async fn deliver(stack: &Stack, event: &Value, times: usize) -> Vec<u16> {
    let body = event.to_string();
    let signature = stack.stripe().signature(&body);
    let answers = join_all((0..times).map(|_| {
        let client = stack.client().with_header("stripe-signature", &signature);
        let body = body.clone();
        async move {
            let path = "/v1/webhooks/stripe";
            client.send_bytes(http::Method::POST, path, "application/json; charset=utf-8", body).await.status
        }
    }));
    answers.await
}

fn inbox(stack: &Stack, event: &Value) -> Vec<Value> {
    let all = stack.table("billing").of_kind("stripe_event");
    all.into_iter().filter(|item| item["id"] == event["id"]).collect()
}

/// Somebody who has paid, of which no word has come.
async fn paid_in_silence(stack: &Stack) -> (Client, Value) {
    stack.stripe().webhooks().drop_all();
    let anna = stack.verified("anna@example.com").await;
    let checkout = open(&anna, LAUNCH).await;
    stack.stripe().pay_checkout(&checkout, &card("4242424242424242")).unwrap();
    (anna, event_of(stack, "checkout.session.completed"))
}

fn bought_once(stack: &Stack, anna: &Client) {
    assert_eq!(items(stack, anna, "subscription")[0]["status"], "active");
    for kind in ["checkout_completed", "subscription_activated", "trial_converted"] {
        assert_eq!(told(stack, anna, &format!("billing.{kind}")), 1, "{kind}");
    }
}

#[tokio::test]
async fn e7_an_event_that_comes_fifty_times_at_once_has_one_effect() {
    let stack = Stack::start().await;
    let (anna, event) = paid_in_silence(&stack).await;
    let statuses = deliver(&stack, &event, 50).await;
    assert_eq!(statuses, [200; 50]);
    stack.settle().await;
    assert_eq!(inbox(&stack, &event).len(), 1);
    assert_eq!(inbox(&stack, &event)[0]["state"], "done");
    assert_eq!(calls(&stack, "project_stripe", "GET /v1/checkout/sessions/{id}"), 1, "looked at once");
    bought_once(&stack, &anna);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e7_whoever_takes_it_in_may_die_and_it_is_worked_on_once() {
    for (nth, when) in (1..).flat_map(|nth| [(nth, When::Before), (nth, When::After)]) {
        let stack = Stack::start().await;
        let (anna, event) = paid_in_silence(&stack).await;
        stack.faults().kill("receive_stripe", nth, when);
        deliver(&stack, &event, 1).await;
        let is_over = stack.faults().kills_left() > 0;
        stack.faults().clear();
        stack.settle().await;
        // Stripe got no answer, and tells again.
        assert_eq!(deliver(&stack, &event, 1).await, [200]);
        stack.settle().await;
        assert_eq!(inbox(&stack, &event)[0]["state"], "done", "call {nth}");
        bought_once(&stack, &anna);
        audit::check(&stack).await;
        if is_over {
            assert!(nth > 1, "it died nowhere");
            break;
        }
    }
}

#[tokio::test]
async fn e7_the_effect_of_a_worker_that_died_comes_later_and_once() {
    let stack = Stack::start().await;
    let (anna, event) = paid_in_silence(&stack).await;
    stack.faults().on("project_stripe", "stripe", "GET /v1/checkout/sessions/{id}").kill_at(1, When::After);
    deliver(&stack, &event, 1).await;
    stack.settle().await;
    assert_eq!(stack.faults().kills_left(), 0);
    assert_eq!(inbox(&stack, &event)[0]["state"], "received");
    assert_eq!(items(&stack, &anna, "subscription"), Vec::<Value>::new());
    after(&stack, SEEN_AGAIN).await;
    assert_eq!(inbox(&stack, &event)[0]["state"], "done");
    bought_once(&stack, &anna);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e9_an_older_look_does_not_take_the_place_of_a_newer_one() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let id = subscription(&stack, &anna);
    stack.stripe().webhooks().drop_all();
    at_stripe(&stack, &format!("/v1/subscriptions/{id}"), "cancel_at_period_end=true");
    let event = stack.stripe().events_of("customer.subscription.updated").pop().unwrap();

    // The worker has been told that it ends, and is slow to hear it.
    let slow = stack.faults().on("project_stripe", "stripe", "GET /v1/subscriptions/{id}").hold();
    let looks = || calls(&stack, "project_stripe", "GET /v1/subscriptions/{id}");
    let before = looks();
    assert_eq!(deliver(&stack, &event, 1).await, [200]);
    slow.reached().await;
    // Meanwhile its owner ends it too and takes that back, and what comes of it is stored.
    assert!(anna.delete(HOSTING).await.ok()["ends_at"].is_string());
    assert!(anna.post_empty(&format!("{HOSTING}/resume")).await.ok()["ends_at"].is_null());
    slow.let_go();
    stack.settle().await;
    assert_eq!(looks() - before, 2, "what was seen first was refused, and looked at anew");
    assert_eq!(items(&stack, &anna, "subscription")[0]["cancel_at_period_end"], false);
    assert_eq!(inbox(&stack, &event)[0]["state"], "done");
    audit::check(&stack).await;
}

#[tokio::test]
async fn e12_an_event_larger_than_an_item_has_its_effect() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", COSTS).await;
    pay_with(&stack, &anna, crate::buyers::NEVER_PAYS).await;
    stack.stripe().webhooks().drop_all();
    let invoice = bill_by_hand(&stack, &anna, 4_200);
    let mut event = stack.stripe().events_of("invoice.payment_failed").pop().unwrap();
    assert_eq!(event["data"]["object"]["id"], invoice.as_str());
    // An item holds 400 KB, and what is stored beside the object needs room too.
    event["data"]["object"]["lines"]["data"][0]["description"] = "x".repeat(500_000).into();
    assert_eq!(deliver(&stack, &event, 2).await, [200, 200]);
    stack.settle().await;
    let kept = &inbox(&stack, &event)[0];
    assert!(kept.to_string().len() < 20_000, "{} bytes are kept", kept.to_string().len());
    assert_eq!(kept["state"], "done");
    let stored = items(&stack, &anna, "invoice").into_iter().find(|stored| stored["id"] == invoice.as_str());
    assert_eq!(stored.unwrap()["status"], "open");
    assert_eq!(items(&stack, &anna, "dunning")[0]["invoice"], json!(invoice));
    assert_eq!(told(&stack, &anna, "billing.payment_failed"), 1);
    audit::check(&stack).await;
}

/// Whatever an event is about, its object may be large: what it says of whose it is must not be lost with the rest.
#[tokio::test]
async fn e12_no_kind_of_event_loses_its_owner() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    stack.stripe().webhooks().drop_all();
    let charge = items(&stack, &anna, "charge")[0]["id"].as_str().unwrap().to_owned();
    let refund = at_stripe(&stack, "/v1/refunds", &format!("charge={charge}&amount=700"));
    let mut event = stack.stripe().events_of("refund.created").pop().unwrap();
    event["data"]["object"]["metadata"] = json!({"note": "x".repeat(500_000)});
    assert_eq!(deliver(&stack, &event, 1).await, [200]);
    stack.settle().await;
    assert_eq!(items(&stack, &anna, "refund")[0]["id"], refund["id"]);
    audit::check(&stack).await;
}
