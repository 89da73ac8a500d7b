//! Money that goes back: refunds, credit notes, disputes; and that the balance tells all of it.

use serde_json::{Value, json};

use crate::served::{DAY, Served, id};

async fn paid(served: &Served, card: &str) -> (String, String) {
    let (subscription, _) = served.subscription(card, 10_000).await;
    let invoice = id(&served.latest_invoice(&subscription));
    let payments = served.get("/v1/invoice_payments", &[("invoice", &invoice)]).await;
    let intent = served.object(payments["data"][0]["payment"]["payment_intent"].as_str().unwrap());
    (invoice, intent["latest_charge"].as_str().unwrap().to_owned())
}

fn net(served: &Served) -> i64 {
    let entries = served.stripe.objects("balance_transaction");
    entries.iter().map(|entry| entry["net"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn refunds_never_exceed_the_charge() {
    let served = Served::start().await;
    let (_, charge) = paid(&served, "pm_card_visa").await;
    let refund =
        async |amount: &str| served.try_post("/v1/refunds", &[("charge", &charge), ("amount", amount)]).await;
    assert_eq!(refund("4000").await.ok()["status"], "succeeded");
    assert_eq!(refund("6001").await.status, 400);
    refund("6000").await.ok();
    assert_eq!(refund("1").await.code(), "charge_already_refunded");
    let charged = served.object(&charge);
    assert_eq!((&charged["refunded"], &charged["amount_refunded"]), (&json!(true), &json!(10_000)));
    assert_eq!(served.stripe.events_of("charge.refunded").len(), 2);
    // The fee of the charge is not given back.
    assert_eq!(net(&served), -(150 + 25));
}

#[tokio::test]
async fn a_refund_can_fail_later() {
    let served = Served::start().await;
    let (_, charge) = paid(&served, "pm_card_refundFail").await;
    let refund = id(&served.post("/v1/refunds", &[("charge", &charge)]).await);
    served.advance(4 * DAY).await;
    assert_eq!(served.object(&refund)["status"], "failed");
    assert_eq!(served.object(&charge)["refunded"], false);
    assert_eq!(served.stripe.events_of("refund.failed").len(), 1);
    assert_eq!(net(&served), 10_000 - 175);
}

#[tokio::test]
async fn a_credit_note_refunds_and_credits() {
    let served = Served::start().await;
    let (invoice, _) = paid(&served, "pm_card_visa").await;
    let customer = served.object(&invoice)["customer"].as_str().unwrap().to_owned();
    let form = [
        ("invoice", invoice.as_str()),
        ("amount", "5000"),
        ("refund_amount", "3000"),
        ("credit_amount", "2000"),
        ("reason", "order_change"),
    ];
    let note = served.post("/v1/credit_notes", &form).await;
    assert_eq!(note["refunds"][0]["amount_refunded"], 3_000);
    assert_eq!(served.object(&customer)["balance"], -2_000);
    assert_eq!(served.object(&invoice)["post_payment_credit_notes_amount"], 5_000);
    let much = [("invoice", invoice.as_str()), ("amount", "5001"), ("credit_amount", "5001")];
    assert_eq!(served.try_post("/v1/credit_notes", &much).await.status, 400);
    let uneven = [("invoice", invoice.as_str()), ("amount", "100"), ("credit_amount", "99")];
    assert_eq!(served.try_post("/v1/credit_notes", &uneven).await.status, 400);
}

#[tokio::test]
async fn a_credit_note_may_settle_what_is_open() {
    let served = Served::start().await;
    let price = served.price(10_000, "month").await;
    let customer = served.customer(None).await;
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
        ("payment_behavior", "default_incomplete"),
    ];
    let made = id(&served.post("/v1/subscriptions", &form).await);
    let invoice = id(&served.latest_invoice(&made));
    served.post("/v1/credit_notes", &[("invoice", &invoice), ("amount", "4000")]).await;
    assert_eq!(served.object(&invoice)["amount_due"], 6_000);
    served.post("/v1/credit_notes", &[("invoice", &invoice), ("amount", "6000")]).await;
    assert_eq!(served.object(&invoice)["status"], "paid");
    assert_eq!(served.object(&made)["status"], "active");
}

#[tokio::test]
async fn a_dispute_takes_the_money_until_it_is_won() {
    let served = Served::start().await;
    let (_, charge) = paid(&served, "pm_card_visa").await;
    let dispute = id(&served.stripe.open_dispute(&charge).unwrap());
    assert_eq!(net(&served), -175 - 2_000);
    let refused = served.try_post("/v1/refunds", &[("charge", &charge)]).await;
    assert_eq!(refused.code(), "charge_disputed");
    let form = [("evidence[uncategorized_text]", "winning_evidence"), ("submit", "true")];
    let closed = served.post(&format!("/v1/disputes/{dispute}"), &form).await;
    assert_eq!(closed["status"], "won");
    assert_eq!(net(&served), 10_000 - 175);
    let types: Vec<Value> = served.stripe.events().iter().map(|event| event["type"].clone()).collect();
    for kind in ["created", "funds_withdrawn", "updated", "closed", "funds_reinstated"] {
        assert!(types.contains(&json!(format!("charge.dispute.{kind}"))), "{kind}");
    }
    assert_eq!(served.try_post(&format!("/v1/disputes/{dispute}/close"), &[]).await.status, 400);
}

#[tokio::test]
async fn who_does_not_answer_a_dispute_has_lost_it() {
    let served = Served::start().await;
    let (_, charge) = paid(&served, "pm_card_createDispute").await;
    let dispute = served.get("/v1/disputes", &[("charge", &charge)]).await["data"][0].clone();
    assert_eq!((&dispute["status"], &dispute["reason"]), (&json!("needs_response"), &json!("fraudulent")));
    served.advance(9 * DAY + 1).await;
    assert_eq!(served.object(&id(&dispute))["status"], "lost");
}

#[tokio::test]
async fn the_bank_may_warn_of_fraud() {
    let served = Served::start().await;
    let (_, charge) = paid(&served, "pm_card_createIssuerFraudRecord").await;
    let warnings = served.get("/v1/radar/early_fraud_warnings", &[("charge", &charge)]).await;
    assert_eq!(warnings["data"][0]["actionable"], true);
}
