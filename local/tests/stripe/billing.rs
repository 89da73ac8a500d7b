//! How subscriptions begin, and the payment methods and intents behind them.

use serde_json::json;

use crate::served::{DAY, Served, id, visa};
use local::stripe::PaidBy;

#[tokio::test]
async fn a_first_payment_waits_for_its_payer() {
    let served = Served::start().await;
    let (price, customer) = (served.price(29_900, "month").await, served.customer(None).await);
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
        ("payment_behavior", "default_incomplete"),
        ("payment_settings[save_default_payment_method]", "on_subscription"),
        ("expand[]", "latest_invoice.confirmation_secret"),
    ];
    let made = served.post("/v1/subscriptions", &form).await;
    assert_eq!(made["status"], "incomplete");
    let secret = made["latest_invoice"]["confirmation_secret"]["client_secret"].as_str().unwrap();
    let intent = secret.split("_secret").next().unwrap().to_owned();
    let error = served.stripe.confirm_payment(&intent, &PaidBy::card("4000000000009995")).unwrap_err();
    assert_eq!(error["decline_code"], "insufficient_funds");
    assert_eq!(served.object(&id(&made))["status"], "incomplete");
    assert_eq!(served.object(&intent)["last_payment_error"]["decline_code"], "insufficient_funds");
    served.stripe.confirm_payment(&intent, &visa()).unwrap();
    let now = served.object(&id(&made));
    assert_eq!(now["status"], "active");
    assert!(now["default_payment_method"].is_string());
    assert_eq!(served.latest_invoice(&id(&made))["status"], "paid");
}

#[tokio::test]
async fn who_never_pays_has_no_subscription() {
    let served = Served::start().await;
    let (price, customer) = (served.price(29_900, "month").await, served.customer(None).await);
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
        ("payment_behavior", "default_incomplete"),
    ];
    let made = id(&served.post("/v1/subscriptions", &form).await);
    served.advance(22 * 3_600).await;
    assert_eq!(served.object(&made)["status"], "incomplete");
    served.advance(3_700).await;
    assert_eq!(served.object(&made)["status"], "incomplete_expired");
    assert_eq!(served.latest_invoice(&made)["status"], "void");
}

#[tokio::test]
async fn a_declined_first_payment_is_told_as_asked_for() {
    let served = Served::start().await;
    let price = served.price(29_900, "month").await;
    let customer = served.customer(Some("pm_card_chargeCustomerFail")).await;
    let base = [("customer", customer.as_str()), ("items[0][price]", price.as_str())];
    let made = served.post("/v1/subscriptions", &base).await;
    assert_eq!(made["status"], "incomplete");
    let form: Vec<_> = base.into_iter().chain([("payment_behavior", "error_if_incomplete")]).collect();
    let refused = served.try_post("/v1/subscriptions", &form).await;
    assert_eq!((refused.status, refused.code()), (402, "card_declined"));
    assert_eq!(served.stripe.objects("subscription").len(), 1);
    let nobody = served.customer(None).await;
    let form = [("customer", nobody.as_str()), ("items[0][price]", price.as_str())];
    let refused = served.try_post("/v1/subscriptions", &form).await;
    assert_eq!((refused.status, refused.code()), (400, "resource_missing"));
    assert_eq!(served.stripe.objects("subscription").len(), 1);
}

#[tokio::test]
async fn periods_stand_on_the_items() {
    let served = Served::start().await;
    let (subscription, _) = served.subscription("pm_card_visa", 2_900).await;
    let made = served.object(&subscription);
    assert_eq!(made["status"], "active");
    assert!(made.get("current_period_end").is_none());
    let item = &made["items"]["data"][0];
    assert!(item["current_period_end"].as_i64().unwrap() > served.now() + 27 * 86_400);
    let invoice = served.latest_invoice(&subscription);
    assert_eq!(invoice["parent"]["subscription_details"]["subscription"], subscription.as_str());
    assert!(invoice.get("payment_intent").is_none() && invoice.get("subscription").is_none());
    let payments = served.get("/v1/invoice_payments", &[("invoice", &id(&invoice))]).await;
    assert_eq!(payments["data"][0]["status"], "paid");
    assert_eq!(payments["data"][0]["amount_paid"], 2_900);
}

#[tokio::test]
async fn methods_are_saved_and_taken_away() {
    let served = Served::start().await;
    let customer = served.customer(None).await;
    let setup = served
        .post("/v1/setup_intents", &[("customer", &customer), ("automatic_payment_methods[enabled]", "true")])
        .await;
    served.stripe.confirm_setup(&id(&setup), &visa()).unwrap();
    let asked = served.post("/v1/setup_intents", &[("customer", &customer)]).await;
    let open = served.stripe.confirm_setup(&id(&asked), &PaidBy::card("4000002500003155")).unwrap();
    assert_eq!(open["status"], "requires_action");
    served.stripe.approve_action(&id(&asked)).unwrap();
    let path = format!("/v1/customers/{customer}/payment_methods");
    let methods = served.get(&path, &[("type", "card")]).await;
    assert_eq!(methods["data"].as_array().unwrap().len(), 2);
    let method = id(&methods["data"][0]);
    let price = served.price(2_900, "month").await;
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
        ("default_payment_method", method.as_str()),
    ];
    // It was set up, so the bank does not ask again.
    assert_eq!(served.post("/v1/subscriptions", &form).await["status"], "active");
    served.post(&format!("/v1/payment_methods/{method}/detach"), &[]).await;
    assert_eq!(served.get(&path, &[]).await["data"].as_array().unwrap().len(), 1);
    let again =
        served.try_post(&format!("/v1/payment_methods/{method}/attach"), &[("customer", &customer)]).await;
    assert_eq!(again.code(), "payment_method_unexpected_state");
    let declined = served
        .try_post("/v1/payment_methods/pm_card_chargeDeclined/attach", &[("customer", &customer)])
        .await;
    assert_eq!((declined.status, declined.code()), (402, "card_declined"));
}

#[tokio::test]
async fn a_payment_can_be_held_captured_and_cancelled() {
    let served = Served::start().await;
    let hold = async |capture: &str| {
        let form = [
            ("amount", "5000"),
            ("currency", "eur"),
            ("payment_method", "pm_card_visa"),
            ("confirm", "true"),
            ("capture_method", capture),
        ];
        served.post("/v1/payment_intents", &form).await
    };
    let held = hold("manual").await;
    assert_eq!((&held["status"], &held["amount_capturable"]), (&json!("requires_capture"), &json!(5_000)));
    let path = format!("/v1/payment_intents/{}/capture", id(&held));
    let taken = served.post(&path, &[("amount_to_capture", "3000")]).await;
    assert_eq!((&taken["status"], &taken["amount_received"]), (&json!("succeeded"), &json!(3_000)));
    let other = hold("manual").await;
    let cancelled = served.post(&format!("/v1/payment_intents/{}/cancel", id(&other)), &[]).await;
    assert_eq!(cancelled["status"], "canceled");
    let third = hold("manual").await;
    served.advance(7 * DAY + 1).await;
    assert_eq!(served.object(&id(&third))["status"], "canceled");
    let form = [
        ("amount", "5000"),
        ("currency", "eur"),
        ("payment_method", "pm_success_de"),
        ("confirm", "true"),
        ("capture_method", "manual"),
    ];
    assert_eq!(served.try_post("/v1/payment_intents", &form).await.status, 400);
    let asked = [
        ("amount", "5000"),
        ("currency", "eur"),
        ("payment_method", "pm_card_authenticationRequired"),
        ("confirm", "true"),
        ("off_session", "true"),
    ];
    let refused = served.try_post("/v1/payment_intents", &asked).await;
    assert_eq!((refused.status, refused.code()), (402, "authentication_required"));
}

#[tokio::test]
async fn tax_needs_a_place_and_heeds_ids() {
    let served = Served::start().await;
    let price = served.price(10_000, "month").await;
    let nowhere = id(&served.post("/v1/customers", &[("email", "a@example.com")]).await);
    let form = [
        ("customer", nowhere.as_str()),
        ("items[0][price]", price.as_str()),
        ("automatic_tax[enabled]", "true"),
        ("payment_behavior", "default_incomplete"),
    ];
    let refused = served.try_post("/v1/subscriptions", &form).await;
    assert_eq!(refused.code(), "customer_tax_location_invalid");
    served.post(&format!("/v1/customers/{nowhere}"), &[("address[country]", "DE")]).await;
    let invoice = async |served: &Served| {
        let made = served.post("/v1/subscriptions", &form).await;
        served.latest_invoice(&id(&made))
    };
    let taxed = invoice(&served).await;
    assert_eq!((&taxed["subtotal"], &taxed["total"]), (&json!(10_000), &json!(11_900)));
    assert_eq!(taxed["lines"]["data"][0]["taxes"][0]["taxability_reason"], "standard_rated");
    let tax_id = served
        .post(&format!("/v1/customers/{nowhere}/tax_ids"), &[("type", "eu_vat"), ("value", "DE000000000")])
        .await;
    assert_eq!(tax_id["verification"]["status"], "pending");
    assert_eq!(served.stripe.events_of("customer.tax_id.updated").len(), 1);
    let reversed = invoice(&served).await;
    assert_eq!(reversed["total"], 10_000);
    assert_eq!(reversed["total_taxes"][0]["taxability_reason"], "reverse_charge");
    assert_eq!(reversed["customer_tax_ids"][0]["value"], "DE000000000");
    let path = format!("/v1/customers/{nowhere}/tax_ids/{}", id(&tax_id));
    served.delete(&path).await.ok();
    assert_eq!(invoice(&served).await["total"], 11_900);
}

#[tokio::test]
async fn what_is_too_little_to_charge_is_taken_along() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 30).await;
    assert_eq!(served.object(&subscription)["status"], "active");
    let first = served.latest_invoice(&subscription);
    assert_eq!(
        (&first["status"], &first["total"], &first["amount_due"]),
        (&json!("paid"), &json!(30), &json!(0))
    );
    assert_eq!(served.object(&customer)["balance"], 30);
    served.advance(31 * DAY + 7_200).await;
    assert_eq!(served.latest_invoice(&subscription)["amount_paid"], 60);
    assert_eq!(served.object(&customer)["balance"], 0);
}

#[tokio::test]
async fn authorities_and_banks_change_their_minds() {
    let served = Served::start().await;
    let customer = served.customer(None).await;
    let form = [("type", "eu_vat"), ("value", "DE000000000")];
    let tax_id = id(&served.post(&format!("/v1/customers/{customer}/tax_ids"), &form).await);
    served.stripe.verify_tax_id(&tax_id, "unverified").unwrap();
    assert_eq!(served.stripe.events_of("customer.tax_id.updated").len(), 2);
    let setup = id(&served.post("/v1/setup_intents", &[("customer", &customer)]).await);
    let done = served.stripe.confirm_setup(&setup, &visa().expires(1, 2_027)).unwrap();
    let card = done["payment_method"].as_str().unwrap();
    assert_eq!(served.object(card)["card"]["exp_year"], 2_027);
    served.stripe.renew_card(card, 1, 2_031).unwrap();
    let event = &served.stripe.events_of("payment_method.automatically_updated")[0];
    assert_eq!(event["data"]["previous_attributes"]["card"]["exp_year"], 2_027);
}
