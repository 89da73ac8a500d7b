//! A product that is bought twice, past the slot: one purchase stays, the other is undone and given back, once.

use local::Stack;
use local::harness::Client;
use local::stripe::PaidBy;
use serde_json::{Value, json};

use super::{heard, start};
use crate::buyers::{LAUNCH, at_stripe, card, counted, open, subscription};
use crate::{audit, held, items, told};

/// Another session that sells what the first one does, opened at Stripe itself.
fn open_past_the_slot(stack: &Stack) -> String {
    let calls = stack.stripe().calls();
    let first = calls.iter().find(|call| call.operation == "POST /v1/checkout/sessions").unwrap();
    at_stripe(stack, "/v1/checkout/sessions", &first.request)["id"].as_str().unwrap().to_owned()
}

fn pay(stack: &Stack, session: &str) {
    stack.stripe().pay_checkout(session, &card("4242424242424242")).unwrap();
}

/// One of two purchases stands, and the money of the other has gone back.
fn one_stands(stack: &Stack, anna: &Client) {
    let sold = stack.stripe().objects("subscription");
    let of = |status: &str| sold.iter().filter(|one| one["status"] == status).collect::<Vec<&Value>>();
    assert_eq!((of("active").len(), of("canceled").len()), (1, 1), "{sold:#?}");
    assert_eq!(items(stack, anna, "subscription")[0]["stripe_id"], of("active")[0]["id"]);
    assert_eq!(items(stack, anna, "closed_subscription"), Vec::<Value>::new());

    let undone = stack.stripe().get(of("canceled")[0]["latest_invoice"].as_str().unwrap()).unwrap();
    let refunds = stack.stripe().objects("refund");
    assert_eq!(refunds.len(), 1, "{refunds:#?}");
    assert_eq!(refunds[0]["amount"], undone["amount_paid"]);
    let charge = items(stack, anna, "charge").into_iter().find(|charge| charge["id"] == refunds[0]["charge"]);
    assert_eq!(charge.unwrap()["invoice"], undone["id"], "the money of the purchase that is undone");

    assert_eq!(held(stack, anna)["products"]["hosting"]["plan"], "launch");
    assert_eq!(held(stack, anna)["products"]["hosting"]["access"], "full");
    for (kind, times) in [("subscription_activated", 1), ("subscription_canceled", 0), ("refund_made", 1)] {
        assert_eq!(told(stack, anna, &format!("billing.{kind}")), times, "{kind}");
    }
    assert_eq!(counted(stack, "project_stripe", "DoublePurchases"), 1, "what the alarm counts");
}

#[tokio::test]
async fn e3_the_second_of_two_sessions_is_undone_once_and_the_first_stays() {
    let stack = start().await;
    stack.deliver_twice("project_stripe");
    let anna = stack.verified("anna@example.com").await;
    let first = open(&anna, LAUNCH).await;
    let second = open_past_the_slot(&stack);
    pay(&stack, &first);
    heard(&stack).await;
    let kept = subscription(&stack, &anna);
    pay(&stack, &second);
    heard(&stack).await;
    // What follows of it is told as well.
    heard(&stack).await;
    one_stands(&stack, &anna);
    assert_eq!(subscription(&stack, &anna), kept);

    // The nightly comparison sees the second one once more.
    stack.travel(2).await;
    heard(&stack).await;
    assert_eq!(subscription(&stack, &anna), kept);
    assert_eq!(stack.stripe().objects("refund").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e3_of_two_that_are_paid_before_any_word_one_stays() {
    let stack = start().await;
    stack.stripe().webhooks().hold();
    let anna = stack.verified("anna@example.com").await;
    let first = open(&anna, LAUNCH).await;
    let second = open_past_the_slot(&stack);
    pay(&stack, &first);
    pay(&stack, &second);
    stack.stripe().webhooks().release();
    heard(&stack).await;
    heard(&stack).await;
    one_stands(&stack, &anna);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e3_a_second_purchase_by_debit_goes_back_when_it_arrives() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let first = open(&anna, "hosting_launch_month_eur").await;
    let second = open_past_the_slot(&stack);
    pay(&stack, &first);
    heard(&stack).await;
    let debit = PaidBy::sepa("DE89370400440532013000").country("US").postal_code("94103");
    stack.stripe().pay_checkout(&second, &debit).unwrap();
    heard(&stack).await;
    assert_eq!(stack.stripe().objects("refund"), Vec::<Value>::new(), "nothing has arrived yet");
    stack.travel(6).await;
    heard(&stack).await;
    one_stands(&stack, &anna);
    // The bank takes its days for this too.
    stack.travel(8).await;
    heard(&stack).await;
    one_stands(&stack, &anna);
    assert_eq!(items(&stack, &anna, "refund")[0]["status"], json!("succeeded"));
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_follows_one_that_ended_without_a_word_is_no_second_one() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let first = open(&anna, LAUNCH).await;
    let second = open_past_the_slot(&stack);
    pay(&stack, &first);
    heard(&stack).await;
    let left = subscription(&stack, &anna);
    // They end it in the portal, and buy it again on another page.
    stack.stripe().webhooks().drop_all();
    let (status, _) = stack.stripe().request(&http::Method::DELETE, &format!("/v1/subscriptions/{left}"), "");
    assert_eq!(status, 200);
    pay(&stack, &second);
    let bought = stack.stripe().events_of("checkout.session.completed").pop().unwrap();
    stack.stripe().replay(bought["id"].as_str().unwrap());
    stack.settle().await;
    assert_eq!(stack.stripe().objects("refund"), Vec::<Value>::new());
    assert_ne!(subscription(&stack, &anna), left);
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "active");
    assert_eq!(items(&stack, &anna, "closed_subscription")[0]["stripe_id"], left.as_str());
    assert_eq!(told(&stack, &anna, "billing.subscription_canceled"), 1);
    // Its end is told late. It may be of the same second as the other's beginning.
    let bought = subscription(&stack, &anna);
    let ended = stack.stripe().events_of("customer.subscription.deleted").pop().unwrap();
    stack.stripe().replay(ended["id"].as_str().unwrap());
    stack.settle().await;
    assert_eq!(subscription(&stack, &anna), bought);
    assert_eq!(stack.stripe().objects("refund"), Vec::<Value>::new(), "both were paid for");
    audit::check(&stack).await;
}
