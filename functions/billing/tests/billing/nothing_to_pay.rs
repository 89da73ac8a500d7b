//! Invoices that come to nothing: whoever owes nothing has paid.

use http::Method;
use local::Stack;
use serde_json::{Value, json};

use crate::buyers::{LAUNCH, METHODS, at_stripe, buy, customer, open};
use crate::{audit, held, items, told};

/// Somebody whom Stripe owes so much.
async fn with_credit(stack: &Stack, minor: u32) -> local::harness::Client {
    let anna = stack.verified("anna@example.com").await;
    anna.post_empty(METHODS).await.expect(201);
    stack.settle().await;
    at_stripe(stack, &format!("/v1/customers/{}", customer(stack, &anna)), &format!("balance=-{minor}"));
    stack.settle().await;
    anna
}

fn is_bought(stack: &Stack, anna: &local::harness::Client) {
    assert_eq!(items(stack, anna, "subscription")[0]["status"], "active");
    assert_eq!(items(stack, anna, "trial")[0]["state"], "converted");
    assert_eq!(items(stack, anna, "checkout")[0]["state"], "done");
    assert_eq!(held(stack, anna)["products"]["hosting"]["plan"], "launch");
    assert_eq!(told(stack, anna, "billing.subscription_activated"), 1);
}

#[tokio::test]
async fn e37_what_credit_covers_is_active_without_a_payment() {
    let stack = Stack::start().await;
    let anna = with_credit(&stack, 40_000).await;
    buy(&stack, &anna, LAUNCH).await;
    stack.settle().await;
    is_bought(&stack, &anna);
    assert_eq!(stack.stripe().events_of("payment_intent.succeeded"), Vec::<Value>::new());
    assert_eq!(items(&stack, &anna, "charge"), Vec::<Value>::new());
    let invoice = &items(&stack, &anna, "invoice")[0];
    assert_eq!((&invoice["status"], &invoice["paid"]["minor"]), (&json!("paid"), &json!(0)), "{invoice}");
    assert_eq!(anna.get("/v1/billing/account").await.ok()["balance"]["minor"], -10_100);

    // The renewal takes what is left, and the card the rest.
    stack.travel(32).await;
    let charges = items(&stack, &anna, "charge");
    assert_eq!((charges.len(), &charges[0]["amount"]["minor"]), (1, &json!(19_800)));
    assert_eq!(items(&stack, &anna, "dunning"), Vec::<Value>::new());
    audit::check(&stack).await;
}

#[tokio::test]
async fn e37_what_is_too_little_to_charge_is_taken_along() {
    let stack = Stack::start().await;
    let anna = with_credit(&stack, 29_880).await;
    buy(&stack, &anna, LAUNCH).await;
    stack.settle().await;
    is_bought(&stack, &anna);
    assert_eq!(items(&stack, &anna, "charge"), Vec::<Value>::new(), "20 cents cannot be charged");
    assert_eq!(anna.get("/v1/billing/account").await.ok()["balance"]["minor"], 20);
    stack.travel(32).await;
    assert_eq!(items(&stack, &anna, "charge")[0]["amount"]["minor"], 29_920);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e37_a_trial_that_stripe_gives_costs_nothing_and_is_active() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let ours = open(&anna, LAUNCH).await;
    let asked = stack.stripe().calls();
    let asked = asked.iter().find(|call| call.operation == "POST /v1/checkout/sessions").unwrap();
    // Support gives two weeks more, by a page of Stripe's that they made in the dashboard.
    let given = format!("{}&subscription_data[trial_period_days]=14", asked.request);
    let session = at_stripe(&stack, "/v1/checkout/sessions", &given)["id"].as_str().unwrap().to_owned();
    let expire = format!("/v1/checkout/sessions/{ours}/expire");
    assert_eq!(stack.stripe().request(&Method::POST, &expire, "").0, 200);
    stack.stripe().pay_checkout(&session, &crate::buyers::card("4242424242424242")).unwrap();
    stack.settle().await;
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "trialing");
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "launch");
    assert_eq!(items(&stack, &anna, "charge"), Vec::<Value>::new());
    stack.travel(16).await;
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "active");
    assert_eq!(items(&stack, &anna, "charge")[0]["amount"]["minor"], 29_900);
    assert_eq!(told(&stack, &anna, "billing.subscription_activated"), 1);
    audit::check(&stack).await;
}
