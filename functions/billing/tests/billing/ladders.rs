//! Invoices that stay unpaid, beside what else happens: their end by two hands at once, and two of them at a time.

use std::time::Duration;

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{
    GROWTH, HOSTING, LAUNCH, MASTERCARD, NEVER_PAYS, at_stripe, bill_by_hand, buyer, pay_with, quoted,
    subscription, take,
};
use crate::{DAY, HOUR, after, audit, back, held, items, refused, told};

fn access(stack: &Stack, person: &Client) -> Value {
    held(stack, person)["products"]["hosting"]["access"].clone()
}

fn ladder(stack: &Stack, person: &Client, invoice: &str) -> Value {
    let all = items(stack, person, "dunning");
    all.into_iter().find(|ladder| ladder["invoice"] == invoice).unwrap()
}

/// Somebody whose ladder ends within the next hour.
async fn at_the_foot(stack: &Stack) -> Client {
    let anna = buyer(stack, "anna@example.com", LAUNCH).await;
    pay_with(stack, &anna, NEVER_PAYS).await;
    let invoice = bill_by_hand(stack, &anna, 4_200);
    stack.settle().await;
    stack.travel(7).await;
    stack.travel(7).await;
    after(stack, 7 * DAY - HOUR).await;
    assert_eq!(ladder(stack, &anna, &invoice)["state"], "suspended");
    anna
}

fn ended_once(stack: &Stack, anna: &Client) {
    assert_eq!(items(stack, anna, "subscription")[0]["status"], "canceled");
    assert_eq!(items(stack, anna, "dunning")[0]["state"], "canceled");
    assert_eq!(told(stack, anna, "billing.subscription_canceled"), 1);
    assert_eq!(access(stack, anna), "none");
}

#[tokio::test]
async fn a_pause_that_ends_with_a_card_that_does_not_pay_begins_a_ladder() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    pay_with(&stack, &anna, NEVER_PAYS).await;
    // What was paid ahead and not used is not enough for the new period.
    stack.travel(20).await;
    let anna = back(&stack, &anna).await;
    anna.post_empty(&format!("{HOSTING}/pause")).await.expect(200);
    stack.travel(5).await;
    let anna = back(&stack, &anna).await;
    anna.post_empty(&format!("{HOSTING}/resume")).await;
    stack.settle().await;
    let ladders = items(&stack, &anna, "dunning");
    assert_eq!((ladders.len(), &ladders[0]["state"]), (1, &json!("retrying")));
    assert_eq!(told(&stack, &anna, "billing.payment_failed"), 1);
    stack.travel(8).await;
    assert_ne!(access(&stack, &anna), "full", "what is not paid is not used for long");
    audit::check(&stack).await;
}

#[tokio::test]
async fn e31_stripe_ends_it_while_the_timer_looks() {
    let stack = Stack::start().await;
    let anna = at_the_foot(&stack).await;
    let path = format!("/v1/subscriptions/{}", subscription(&stack, &anna));
    let looking = stack.faults().on("advance_dunning", "stripe", "GET /v1/invoices/{id}").hold();
    let ((), ()) = tokio::join!(stack.advance(Duration::from_secs(2 * HOUR)), async {
        looking.reached().await;
        let (status, _) = stack.stripe().request(&http::Method::DELETE, &path, "");
        assert_eq!(status, 200);
        looking.let_go();
    });
    ended_once(&stack, &anna);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e31_the_word_of_its_end_comes_before_the_timer_hears_it() {
    let stack = Stack::start().await;
    let anna = at_the_foot(&stack).await;
    let ending = stack.faults().on("advance_dunning", "stripe", "DELETE /v1/subscriptions/{id}").hold();
    let ((), ()) = tokio::join!(stack.advance(Duration::from_secs(2 * HOUR)), async {
        ending.reached().await;
        // Its webhooks are on their way, and the worker of the inbox with them.
        let word = stack.stripe().events_of("customer.subscription.deleted").pop().unwrap();
        let body = word.to_string();
        let client = stack.client().with_header("stripe-signature", &stack.stripe().signature(&body));
        let sent =
            client.send_bytes(http::Method::POST, "/v1/webhooks/stripe", "application/json", body).await;
        assert_eq!(sent.status, 200);
        ending.let_go();
    });
    ended_once(&stack, &anna);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e31_stripe_gives_up_before_the_ladder_does() {
    let stack = Stack::start().await;
    stack.stripe().after_retries("cancel");
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    pay_with(&stack, &anna, NEVER_PAYS).await;
    bill_by_hand(&stack, &anna, 4_200);
    stack.settle().await;
    stack.travel(24).await;
    ended_once(&stack, &anna);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e32_of_two_open_invoices_one_paid_is_not_enough() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    pay_with(&stack, &anna, NEVER_PAYS).await;
    let first = bill_by_hand(&stack, &anna, 4_200);
    stack.travel(8).await;
    assert_eq!(
        (access(&stack, &anna), &ladder(&stack, &anna, &first)["state"]),
        (json!("read_only"), &json!("restricted"))
    );
    let second = bill_by_hand(&stack, &anna, 700);
    stack.settle().await;
    assert_eq!(ladder(&stack, &anna, &second)["state"], "retrying");

    let anna = back(&stack, &anna).await;
    assert_eq!(anna.get(HOSTING).await.ok()["unpaid"].as_array().unwrap().len(), 2);
    pay_with(&stack, &anna, MASTERCARD).await;
    let pay = |invoice: &str| format!("/v1/billing/invoices/{invoice}/pay");
    anna.post_empty(&pay(&second)).await.expect(200);
    stack.settle().await;
    let seen = anna.get(HOSTING).await.ok();
    assert_eq!((&seen["access"], access(&stack, &anna)), (&json!("read_only"), json!("read_only")), "{seen}");
    assert_eq!(seen["unpaid"][0]["invoice"], first.as_str(), "the older one is still owed");

    anna.post_empty(&pay(&first)).await.expect(200);
    stack.settle().await;
    let seen = anna.get(HOSTING).await.ok();
    assert_eq!(
        (&seen["status"], &seen["access"], seen.get("unpaid")),
        (&json!("active"), &json!("full"), None)
    );
    assert_eq!(access(&stack, &anna), "full");
    for invoice in [&first, &second] {
        assert_eq!(ladder(&stack, &anna, invoice)["state"], "resolved");
    }
    audit::check(&stack).await;
}

#[tokio::test]
async fn e32_the_older_of_two_paid_leaves_it_past_due() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    pay_with(&stack, &anna, NEVER_PAYS).await;
    let first = bill_by_hand(&stack, &anna, 4_200);
    let second = bill_by_hand(&stack, &anna, 700);
    stack.settle().await;
    at_stripe(&stack, &format!("/v1/invoices/{first}/pay"), "payment_method=pm_card_visa");
    stack.settle().await;
    let seen = anna.get(HOSTING).await.ok();
    assert_eq!(
        (&seen["status"], &seen["unpaid"][0]["invoice"]),
        (&json!("past_due"), &json!(second)),
        "{seen}"
    );
    // What is owed decides, and not what is new.
    let preview = format!("{HOSTING}/preview");
    let quote = anna.post(&preview, json!({"price": GROWTH, "quantity": 1}));
    assert_eq!(refused(quote).await, (409, "not_changeable".to_owned()));
    at_stripe(&stack, &format!("/v1/invoices/{second}/pay"), "payment_method=pm_card_visa");
    stack.settle().await;
    assert_eq!(anna.get(HOSTING).await.ok()["status"], "active");
    pay_with(&stack, &anna, MASTERCARD).await;
    let quote = quoted(&anna, GROWTH, 1).await;
    assert_eq!(take(&anna, &quote).await.ok()["plan"], "growth");
    audit::check(&stack).await;
}
