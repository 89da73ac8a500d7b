//! Renewals, trials that end, payments that fail, and everything that only time does.

use serde_json::json;

use crate::served::{DAY, Served, id};

#[tokio::test]
async fn a_year_passes_in_one_step() {
    let served = Served::start().await;
    let (subscription, _) = served.subscription("pm_card_visa", 2_900).await;
    served.advance(366 * DAY + 7_200).await;
    let invoices = served.stripe.objects("invoice");
    assert_eq!(invoices.len(), 13);
    assert!(invoices.iter().all(|invoice| invoice["status"] == "paid"));
    assert_eq!(served.object(&subscription)["status"], "active");
    // Each thing happened at its own moment.
    let days: Vec<i64> = invoices.iter().map(|invoice| invoice["created"].as_i64().unwrap()).collect();
    assert!(days.windows(2).all(|pair| (27 * 86_400..=32 * 86_400).contains(&(pair[1] - pair[0]))));
    let paid = invoices[5]["status_transitions"]["paid_at"].as_i64().unwrap();
    assert_eq!(paid - days[5], 3_600, "a renewal's draft is open for an hour");
    assert_eq!(served.stripe.events_of("invoice.upcoming").len(), 12);
}

#[tokio::test]
async fn an_unpaid_renewal_is_tried_again_and_stays_past_due() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    served.pay_with(&customer, "pm_card_chargeCustomerFail").await;
    served.past_renewal(&subscription).await;
    let invoice = served.latest_invoice(&subscription);
    assert_eq!((&invoice["status"], &invoice["attempt_count"]), (&json!("open"), &json!(1)));
    assert_eq!(served.object(&subscription)["status"], "past_due");
    assert_eq!(served.object(&customer)["delinquent"], true);
    let first = invoice["next_payment_attempt"].as_i64().unwrap();
    served.advance(3 * DAY).await;
    let invoice = served.latest_invoice(&subscription);
    assert_eq!(invoice["attempt_count"], 2);
    assert_eq!(invoice["next_payment_attempt"].as_i64().unwrap() - first, 5 * 86_400);
    served.advance(12 * DAY).await;
    let invoice = served.latest_invoice(&subscription);
    assert_eq!((&invoice["attempt_count"], &invoice["next_payment_attempt"]), (&json!(4), &json!(null)));
    assert_eq!(served.object(&subscription)["status"], "past_due");
    assert_eq!(served.stripe.events_of("invoice.payment_failed").len(), 4);

    served.pay_with(&customer, "pm_card_visa").await;
    let paid = served.post(&format!("/v1/invoices/{}/pay", id(&invoice)), &[]).await;
    assert_eq!(paid["status"], "paid");
    assert_eq!(served.object(&subscription)["status"], "active");
    assert_eq!(served.object(&customer)["delinquent"], false);
    let again = served.try_post(&format!("/v1/invoices/{}/pay", id(&invoice)), &[]).await;
    assert_eq!(again.code(), "invoice_already_paid");
}

#[tokio::test]
async fn the_account_may_cancel_after_the_last_try() {
    let served = Served::start().await;
    served.stripe.after_retries("cancel");
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    served.pay_with(&customer, "pm_card_chargeCustomerFail").await;
    served.advance(50 * DAY).await;
    let ended = served.object(&subscription);
    assert_eq!(ended["status"], "canceled");
    assert_eq!(ended["cancellation_details"]["reason"], "payment_failed");
}

#[tokio::test]
async fn a_bank_that_asks_at_a_renewal_is_told_of() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    served.pay_with(&customer, "pm_card_authenticationRequired").await;
    served.past_renewal(&subscription).await;
    assert_eq!(served.object(&subscription)["status"], "past_due");
    assert_eq!(served.stripe.events_of("invoice.payment_action_required").len(), 1);
    let intents = served.stripe.objects("payment_intent");
    let intent = intents.iter().find(|intent| intent["status"] == "requires_action").unwrap();
    served.stripe.approve_action(&id(intent)).unwrap();
    assert_eq!(served.object(&subscription)["status"], "active");
    assert_eq!(served.latest_invoice(&subscription)["status"], "paid");
}

#[tokio::test]
async fn a_trial_ends_as_its_settings_say() {
    let served = Served::start().await;
    let price = served.price(2_900, "month").await;
    let trial = async |behavior: &str, card: Option<&str>| {
        let customer = served.customer(card).await;
        let form = [
            ("customer", customer.as_str()),
            ("items[0][price]", price.as_str()),
            ("trial_period_days", "14"),
            ("trial_settings[end_behavior][missing_payment_method]", behavior),
        ];
        id(&served.post("/v1/subscriptions", &form).await)
    };
    let cancelled = trial("cancel", None).await;
    let paused = trial("pause", None).await;
    let paid = trial("cancel", Some("pm_card_visa")).await;
    assert_eq!(served.object(&paid)["status"], "trialing");
    served.advance(14 * DAY + 7_200).await;
    assert_eq!(served.object(&cancelled)["status"], "canceled");
    assert_eq!(served.object(&paused)["status"], "paused");
    assert_eq!(served.object(&paid)["status"], "active");
    assert_eq!(served.latest_invoice(&paid)["amount_paid"], 2_900);
}

#[tokio::test]
async fn a_trial_can_be_ended_now() {
    let served = Served::start().await;
    let price = served.price(2_900, "month").await;
    let customer = served.customer(Some("pm_card_visa")).await;
    let form =
        [("customer", customer.as_str()), ("items[0][price]", price.as_str()), ("trial_period_days", "14")];
    let made = id(&served.post("/v1/subscriptions", &form).await);
    served.advance(DAY).await;
    let ended = served.post(&format!("/v1/subscriptions/{made}"), &[("trial_end", "now")]).await;
    assert_eq!(ended["status"], "active");
    assert_eq!(served.latest_invoice(&made)["amount_paid"], 2_900);
}

#[tokio::test]
async fn a_lost_location_is_told_at_the_renewal() {
    let served = Served::start().await;
    let price = served.price(10_000, "month").await;
    let customer = served.customer(Some("pm_card_visa")).await;
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
        ("automatic_tax[enabled]", "true"),
    ];
    let made = id(&served.post("/v1/subscriptions", &form).await);
    assert_eq!(served.latest_invoice(&made)["total"], 12_000);
    served.post(&format!("/v1/customers/{customer}"), &[("address", "")]).await;
    served.advance(31 * DAY + 7_200).await;
    let failed = served.latest_invoice(&made);
    assert_eq!(failed["status"], "draft");
    assert_eq!(failed["last_finalization_error"]["code"], "customer_tax_location_invalid");
    assert_eq!(served.stripe.events_of("invoice.finalization_failed").len(), 1);
    served.post(&format!("/v1/customers/{customer}"), &[("address[country]", "FR")]).await;
    served.post(&format!("/v1/invoices/{}/finalize", id(&failed)), &[]).await;
    assert_eq!(served.post(&format!("/v1/invoices/{}/pay", id(&failed)), &[]).await["status"], "paid");
}

#[tokio::test]
async fn a_debit_that_comes_back_is_tried_again() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    served.pay_with(&customer, "pm_failed_de").await;
    served.advance(31 * DAY + 7_200).await;
    assert_eq!(served.object(&subscription)["status"], "active");
    served.advance(5 * DAY).await;
    assert_eq!(served.object(&subscription)["status"], "past_due");
    assert!(served.latest_invoice(&subscription)["next_payment_attempt"].is_i64());
}

#[tokio::test]
async fn nothing_costs_nothing() {
    let served = Served::start().await;
    let price = served.price(0, "month").await;
    let customer = served.customer(None).await;
    let form = [("customer", customer.as_str()), ("items[0][price]", price.as_str())];
    let made = id(&served.post("/v1/subscriptions", &form).await);
    assert_eq!(served.object(&made)["status"], "active");
    served.advance(32 * DAY).await;
    assert_eq!(served.object(&made)["status"], "active");
    assert!(served.stripe.objects("payment_intent").is_empty());
    assert_eq!(served.stripe.events_of("invoice.paid").len(), 2);
}
