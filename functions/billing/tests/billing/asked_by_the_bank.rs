//! Upgrades that a bank wants confirmed, or declines: the old plan stays until they are paid, and 23 hours later they are dropped.

use std::time::Duration;

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{ASKS, GROWTH, HOSTING, LAUNCH, MASTERCARD, NEVER_PAYS, buyer, pay_with, quoted, take};
use crate::{HOUR, after, audit, back, held, items, refused, told};

fn plan(stack: &Stack, person: &Client) -> Value {
    held(stack, person)["products"]["hosting"]["plan"].clone()
}

/// Somebody on Launch who has taken an upgrade that is not paid.
async fn waiting(stack: &Stack, card: &str) -> (Client, Value) {
    let anna = buyer(stack, "anna@example.com", LAUNCH).await;
    pay_with(stack, &anna, card).await;
    // Invoices are listed by the second they are of: the upgrade's is not of the purchase's.
    stack.advance(Duration::from_secs(60)).await;
    let quote = quoted(&anna, GROWTH, 1).await;
    let answer = take(&anna, &quote).await.ok();
    assert_eq!((&answer["plan"], &answer["status"]), (&json!("launch"), &json!("active")), "{answer}");
    assert_eq!(
        (&answer["pending"]["waits_for"], &answer["pending"]["price"]),
        (&json!("payment"), &json!(GROWTH)),
        "{answer}"
    );
    stack.settle().await;
    assert_eq!(plan(stack, &anna), "launch");
    (anna, quote)
}

/// The payment that the newest invoice waits for.
fn payment(stack: &Stack) -> String {
    stack.stripe().objects("payment_intent").pop().unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn e25_an_upgrade_takes_place_when_the_bank_has_its_answer() {
    let stack = Stack::start().await;
    let (anna, quote) = waiting(&stack, ASKS).await;
    assert_eq!(refused(take(&anna, &quote)).await, (409, "quote_used".to_owned()));
    let preview = format!("{HOSTING}/preview");
    let another = anna.post(&preview, json!({"price": GROWTH, "quantity": 2}));
    assert_eq!(refused(another).await, (409, "change_pending".to_owned()));
    // Whoever must answer the bank finds the place on the open invoice.
    let invoices = anna.get("/v1/billing/invoices").await.ok();
    let open = &invoices["items"][0];
    assert!(open["status"] == "open" && open["hosted_url"].is_string(), "{open}");
    let seen = anna.get(HOSTING).await.ok();
    assert_eq!((&seen["unpaid"][0]["invoice"], &seen["access"]), (&open["id"], &json!("full")));
    assert_eq!(seen["unpaid"][0]["action_url"], open["hosted_url"], "and on the subscription");

    stack.stripe().approve_action(&payment(&stack)).unwrap();
    stack.settle().await;
    assert_eq!(plan(&stack, &anna), "growth");
    let seen = anna.get(HOSTING).await.ok();
    assert_eq!((&seen["plan"], &seen["pending"], seen.get("unpaid")), (&json!("growth"), &Value::Null, None));
    let promised = &quote["preview"]["due_now"];
    assert_eq!(anna.get("/v1/billing/invoices").await.ok()["items"][0]["paid"], *promised);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e25_what_nobody_pays_is_dropped_after_23_hours() {
    for card in [ASKS, NEVER_PAYS] {
        let stack = Stack::start().await;
        let (anna, quote) = waiting(&stack, card).await;
        after(&stack, 22 * HOUR).await;
        assert_eq!(
            told(&stack, &anna, "billing.payment_failed"),
            0,
            "nothing is owed for a change that is not made"
        );
        assert_eq!(told(&stack, &anna, "billing.payment_action_required"), usize::from(card == ASKS));
        assert!(!items(&stack, &anna, "subscription")[0]["pending"].is_null(), "it can still be paid");
        after(&stack, HOUR + 60).await;
        assert!(items(&stack, &anna, "subscription")[0]["pending"].is_null());
        let anna = back(&stack, &anna).await;
        assert_eq!(plan(&stack, &anna), "launch");
        let invoices = anna.get("/v1/billing/invoices").await.ok();
        assert_eq!(invoices["items"][0]["status"], "void", "nothing of it is owed");
        assert_eq!(refused(take(&anna, &quote)).await, (409, "quote_used".to_owned()));

        // With another card, and another quote, it is made.
        pay_with(&stack, &anna, MASTERCARD).await;
        let quote = quoted(&anna, GROWTH, 1).await;
        assert_eq!(take(&anna, &quote).await.ok()["plan"], "growth");
        stack.settle().await;
        assert_eq!(plan(&stack, &anna), "growth");
        audit::check(&stack).await;
    }
}

#[tokio::test]
async fn e25_a_payer_who_refuses_to_confirm_keeps_the_old_plan() {
    let stack = Stack::start().await;
    let (anna, _) = waiting(&stack, ASKS).await;
    stack.stripe().reject_action(&payment(&stack)).unwrap();
    stack.settle().await;
    assert_eq!(plan(&stack, &anna), "launch");
    after(&stack, 23 * HOUR + 60).await;
    assert!(items(&stack, &anna, "subscription")[0]["pending"].is_null());
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "full");
    audit::check(&stack).await;
}
