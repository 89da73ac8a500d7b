//! People who buy, and what tests ask of them and of Stripe again and again.

use http::Method;
use local::Stack;
use local::harness::{Answer, Client};
use local::stripe::PaidBy;
use serde_json::{Value, json};

use crate::items;

pub(crate) const CHECKOUT: &str = "/v1/billing/checkout";
pub(crate) const METHODS: &str = "/v1/billing/payment-methods";
pub(crate) const HOSTING: &str = "/v1/billing/subscriptions/hosting";
pub(crate) const LAUNCH: &str = "hosting_launch_month_usd";
pub(crate) const GROWTH: &str = "hosting_growth_month_usd";
pub(crate) const COSTS: &str = "costs_pro_month_usd";

/// A card that can be kept and never charged.
pub(crate) const NEVER_PAYS: &str = "4000000000000341";
/// A card whose bank asks each time.
pub(crate) const ASKS: &str = "4000002760003184";
/// Another good card.
pub(crate) const MASTERCARD: &str = "5555555555554444";

/// A card of somebody who owes no tax.
pub(crate) fn card(number: &str) -> PaidBy {
    PaidBy::card(number).country("US").postal_code("94103")
}

/// Opens a checkout; answers its id.
pub(crate) async fn open(person: &Client, price: &str) -> String {
    let checkout = person.post(CHECKOUT, json!({ "price": price })).await.expect(201);
    checkout["id"].as_str().unwrap().to_owned()
}

/// Opens a checkout and pays it.
pub(crate) async fn buy(stack: &Stack, person: &Client, price: &str) {
    let checkout = open(person, price).await;
    stack.stripe().pay_checkout(&checkout, &card("4242424242424242")).unwrap();
}

/// Somebody who has bought that.
pub(crate) async fn buyer(stack: &Stack, email: &str, price: &str) -> Client {
    let person = stack.verified(email).await;
    buy(stack, &person, price).await;
    stack.settle().await;
    person
}

/// Adds a card, answering its bank if that asks; answers its id.
pub(crate) async fn add_card(stack: &Stack, person: &Client, number: &str) -> String {
    let setup = person.post_empty(METHODS).await.expect(201);
    let intent = setup["setup_intent"].as_str().unwrap();
    let confirmed = stack.stripe().confirm_setup(intent, &card(number)).unwrap();
    if confirmed["status"] == "requires_action" {
        stack.stripe().approve_action(intent).unwrap();
    }
    stack.settle().await;
    let listed = person.get(METHODS).await.ok();
    let last4 = &number[number.len() - 4..];
    let added = listed["items"].as_array().unwrap().iter().find(|method| method["last4"] == last4);
    added.unwrap()["id"].as_str().unwrap().to_owned()
}

/// Pays with another card from now on; answers its id.
pub(crate) async fn pay_with(stack: &Stack, person: &Client, number: &str) -> String {
    let added = add_card(stack, person, number).await;
    person.put(&format!("{METHODS}/{added}/default"), json!({})).await.expect(200);
    added
}

/// A quote for a change of the hosting plan.
pub(crate) async fn quoted(person: &Client, price: &str, quantity: u64) -> Value {
    let wanted = json!({"price": price, "quantity": quantity});
    person.post(&format!("{HOSTING}/preview"), wanted).await.expect(201)
}

/// Takes a quote.
pub(crate) async fn take(person: &Client, quote: &Value) -> Answer {
    person.patch(HOSTING, json!({"quote": quote["id"], "signature": quote["signature"]})).await
}

/// The organisation's customer at Stripe.
pub(crate) fn customer(stack: &Stack, person: &Client) -> String {
    items(stack, person, "account")[0]["stripe_customer"].as_str().unwrap().to_owned()
}

/// Stripe's id of an organisation's only subscription.
pub(crate) fn subscription(stack: &Stack, person: &Client) -> String {
    items(stack, person, "subscription")[0]["stripe_id"].as_str().unwrap().to_owned()
}

/// What somebody does in Stripe's dashboard.
pub(crate) fn at_stripe(stack: &Stack, path: &str, form: &str) -> Value {
    let (status, done) = stack.stripe().request(&Method::POST, path, form);
    assert_eq!(status, 200, "{path}: {done}");
    done
}

/// An invoice of a subscription that somebody writes in the dashboard; its payment is tried at once. Answers its id.
pub(crate) fn bill_by_hand(stack: &Stack, person: &Client, minor: u32) -> String {
    let (customer, subscription) = (customer(stack, person), subscription(stack, person));
    let item = format!("customer={customer}&amount={minor}&currency=usd&description=Work");
    at_stripe(stack, "/v1/invoiceitems", &item);
    let invoice =
        format!("customer={customer}&subscription={subscription}&pending_invoice_items_behavior=include");
    let id = at_stripe(stack, "/v1/invoices", &invoice)["id"].as_str().unwrap().to_owned();
    // A decline is an answer too.
    let _ = stack.stripe().request(&Method::POST, &format!("/v1/invoices/{id}/pay"), "");
    id
}

/// How often functions counted something in a metric, as far as the log's last lines tell.
pub(crate) fn counted(stack: &Stack, function: &str, metric: &str) -> usize {
    let lines = stack.logs(function);
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .flat_map(|line| line[metric].as_array().cloned().unwrap_or_default())
        .filter(|value| value.as_f64() > Some(0.0))
        .count()
}

/// How often a function called an operation of Stripe's.
pub(crate) fn calls(stack: &Stack, function: &str, operation: &str) -> usize {
    let calls = stack.stripe().calls();
    calls.iter().filter(|call| call.function == function && call.operation == operation).count()
}
