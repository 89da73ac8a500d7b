//! Checkout: what a person can do on the page, and what comes of it.

use http::Method;
use local::stripe::PaidBy;
use serde_json::{Value, json};

use crate::served::{DAY, Served, id, visa};

async fn session(served: &Served, amount: i64, more: &[(&str, &str)]) -> Value {
    let price = served.price(amount, "month").await;
    let mut form = vec![
        ("mode", "subscription"),
        ("success_url", "http://localhost/done?session={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "http://localhost/plans"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("client_reference_id", "org_1"),
        ("subscription_data[metadata][org]", "org_1"),
    ];
    form.extend_from_slice(more);
    served.post("/v1/checkout/sessions", &form).await
}

#[tokio::test]
async fn a_paid_session_is_an_active_subscription() {
    let served = Served::start().await;
    let made = session(&served, 29_900, &[("automatic_tax[enabled]", "true")]).await;
    assert_eq!((&made["status"], &made["payment_status"]), (&json!("open"), &json!("unpaid")));
    let done = served.stripe.pay_checkout(&id(&made), &visa().country("DE").email("b@example.com")).unwrap();
    assert_eq!((&done["status"], &done["payment_status"]), (&json!("complete"), &json!("paid")));
    assert_eq!(done["amount_total"], 29_900 * 119 / 100);
    let subscription = served.object(done["subscription"].as_str().unwrap());
    assert_eq!(subscription["status"], "active");
    assert_eq!(subscription["metadata"], json!({ "org": "org_1" }));
    assert!(subscription["default_payment_method"].is_string(), "it pays the next invoice too");
    let types = served.event_types();
    let place = |kind: &str| {
        types.iter().position(|known| known == kind).unwrap_or_else(|| panic!("no {kind} in {types:?}"))
    };
    assert!(place("customer.subscription.created") < place("invoice.paid"));
    assert!(place("invoice.paid") < place("checkout.session.completed"));
    assert!(served.stripe.pay_checkout(&id(&made), &visa()).is_err(), "it can be paid once");
}

#[tokio::test]
async fn a_declined_card_leaves_nothing_behind() {
    let served = Served::start().await;
    let made = session(&served, 29_900, &[]).await;
    let error = served.stripe.pay_checkout(&id(&made), &PaidBy::card("4000000000000002")).unwrap_err();
    assert_eq!(error["decline_code"], "generic_decline");
    assert!(served.stripe.objects("subscription").is_empty());
    assert_eq!(served.object(&id(&made))["status"], "open");
    served.stripe.pay_checkout(&id(&made), &visa()).unwrap();
    assert_eq!(served.stripe.objects("subscription").len(), 1);
}

#[tokio::test]
async fn a_bank_that_asks_is_answered() {
    let served = Served::start().await;
    let made = id(&session(&served, 29_900, &[]).await);
    let open = served.stripe.pay_checkout(&made, &PaidBy::card("4000002760003184")).unwrap();
    assert_eq!(open["status"], "open");
    let intent = served.stripe.pending_action(&made).unwrap();
    served.stripe.reject_action(&intent).unwrap();
    assert_eq!(served.object(&made)["status"], "open");
    served.stripe.pay_checkout(&made, &PaidBy::card("4000002760003184")).unwrap();
    let intent = served.stripe.pending_action(&made).unwrap();
    served.stripe.approve_action(&intent).unwrap();
    assert_eq!(served.object(&made)["status"], "complete");
    assert_eq!(served.stripe.objects("subscription").len(), 1);
    assert_eq!(served.stripe.objects("subscription")[0]["status"], "active");
}

#[tokio::test]
async fn a_question_left_open_for_a_day_does_not_spoil_the_session() {
    let served = Served::start().await;
    let made = id(&session(&served, 29_900, &[]).await);
    served.stripe.pay_checkout(&made, &PaidBy::card("4000002760003184")).unwrap();
    served.advance(23 * 3_600 + 60).await;
    assert_eq!(served.stripe.objects("subscription")[0]["status"], "incomplete_expired");
    let done = served.stripe.pay_checkout(&made, &visa()).unwrap();
    assert_eq!(done["status"], "complete");
    assert_eq!(served.object(done["subscription"].as_str().unwrap())["status"], "active");
}

#[tokio::test]
async fn a_debit_comes_days_later_or_not() {
    let served = Served::start().await;
    for (iban, paid) in [("DE89370400440532013000", true), ("DE62370400440532013001", false)] {
        let made = id(&session(&served, 4_900, &[]).await);
        let done = served.stripe.pay_checkout(&made, &PaidBy::sepa(iban)).unwrap();
        assert_eq!((&done["status"], &done["payment_status"]), (&json!("complete"), &json!("unpaid")));
        let subscription = done["subscription"].as_str().unwrap().to_owned();
        assert_eq!(served.object(&subscription)["status"], "active");
        served.advance(5 * DAY + 1).await;
        let last = served.event_types();
        if paid {
            assert_eq!(served.object(&made)["payment_status"], "paid");
            assert!(last.iter().any(|kind| kind == "checkout.session.async_payment_succeeded"));
        } else {
            assert_eq!(served.object(&made)["payment_status"], "unpaid");
            assert_eq!(served.object(&subscription)["status"], "past_due");
            assert!(last.iter().any(|kind| kind == "checkout.session.async_payment_failed"));
        }
    }
}

#[tokio::test]
async fn banks_of_one_country_leave_a_debit_behind() {
    let served = Served::start().await;
    let made = id(&session(&served, 4_900, &[]).await);
    let done = served.stripe.pay_checkout(&made, &PaidBy::ideal()).unwrap();
    assert_eq!(done["payment_status"], "paid");
    let subscription = served.object(done["subscription"].as_str().unwrap());
    let method = served.object(subscription["default_payment_method"].as_str().unwrap());
    assert_eq!(method["type"], "sepa_debit");
}

#[tokio::test]
async fn business_in_another_country_pays_no_tax() {
    let served = Served::start().await;
    let taxed = [("automatic_tax[enabled]", "true"), ("tax_id_collection[enabled]", "true")];
    for (paid, total) in [
        (visa().country("DE"), 11_900),
        (visa().country("DE").vat_id("DE000000000"), 10_000),
        (visa().country("DE").vat_id("DE111111111"), 11_900),
        (visa().country("FR").vat_id("FR00000000000"), 12_000),
        (visa().country("US"), 10_000),
    ] {
        let made = session(&served, 10_000, &taxed).await;
        let done = served.stripe.pay_checkout(&id(&made), &paid).unwrap();
        assert_eq!(done["amount_total"], total, "{paid:?}");
    }
    let made = session(&served, 10_000, &taxed).await;
    let error = served.stripe.pay_checkout(&id(&made), &visa().country("DE").vat_id("DE1")).unwrap_err();
    assert_eq!(error["code"], "tax_id_invalid");
}

#[tokio::test]
async fn a_session_expires() {
    let served = Served::start().await;
    let expires = (served.now() + 1_860).to_string();
    let made = id(&session(&served, 4_900, &[("expires_at", &expires)]).await);
    served.advance(1_861).await;
    assert_eq!(served.object(&made)["status"], "expired");
    assert!(served.stripe.pay_checkout(&made, &visa()).is_err());
    assert_eq!(served.try_post(&format!("/v1/checkout/sessions/{made}/expire"), &[]).await.status, 400);
    let other = id(&session(&served, 4_900, &[]).await);
    assert_eq!(served.post(&format!("/v1/checkout/sessions/{other}/expire"), &[]).await["status"], "expired");
    assert_eq!(served.stripe.events_of("checkout.session.expired").len(), 2);
}

#[tokio::test]
async fn a_trial_is_sold_for_nothing_now() {
    let served = Served::start().await;
    let made = session(&served, 4_900, &[("subscription_data[trial_period_days]", "14")]).await;
    assert_eq!(made["amount_total"], 0);
    let done = served.stripe.pay_checkout(&id(&made), &visa()).unwrap();
    assert_eq!(done["payment_status"], "no_payment_required");
    let subscription = done["subscription"].as_str().unwrap().to_owned();
    assert_eq!(served.object(&subscription)["status"], "trialing");
    served.advance(14 * DAY + 7_200).await;
    assert_eq!(served.object(&subscription)["status"], "active");
    assert_eq!(served.latest_invoice(&subscription)["amount_paid"], 4_900);
    assert_eq!(served.stripe.events_of("customer.subscription.trial_will_end").len(), 1);
}

#[tokio::test]
async fn wrong_sessions_are_refused() {
    let served = Served::start().await;
    let price = served.price(4_900, "month").await;
    let customer = id(&served.post("/v1/customers", &[]).await);
    let base = [("mode", "subscription"), ("line_items[0][price]", price.as_str())];
    let far = (served.now() + 2 * 86_400).to_string();
    let soon = (served.now() + 86_400).to_string();
    let url = ("success_url", "http://localhost/");
    for more in [
        vec![],
        vec![("success_url", "nowhere")],
        vec![url, ("expires_at", far.as_str())],
        vec![url, ("subscription_data[trial_end]", soon.as_str())],
        vec![url, ("customer", customer.as_str()), ("automatic_tax[enabled]", "true")],
        vec![url, ("customer", customer.as_str()), ("tax_id_collection[enabled]", "true")],
        vec![url, ("customer", customer.as_str()), ("customer_email", "a@example.com")],
        vec![url, ("customer_update[name]", "auto")],
    ] {
        let form: Vec<_> = base.into_iter().chain(more).collect();
        assert_eq!(served.try_post("/v1/checkout/sessions", &form).await.status, 400, "{form:?}");
    }
}

#[tokio::test]
async fn a_person_clicks_through_the_pages() {
    let served = Served::start().await;
    let made = session(&served, 4_900, &[]).await;
    let url = made["url"].as_str().unwrap();
    let (status, page) = served.page(Method::GET, url, &[]).await;
    assert!(status == 200 && page.contains("€49.00"), "{page}");
    let (_, page) = served.page(Method::POST, url, &[("number", "4000 0000 0000 0002")]).await;
    assert!(page.contains("Your card was declined."), "{page}");
    let (_, page) = served.page(Method::POST, url, &[("number", "4000 0027 6000 3184")]).await;
    let action = format!("{}/action/", local::stripe::PATH);
    let start = page.find(&action).unwrap();
    let link = page[start..].split('"').next().unwrap().to_owned();
    let (_, page) = served.page(Method::GET, &link, &[]).await;
    assert!(page.contains("Confirm"), "{page}");
    let (_, page) = served.page(Method::POST, &link, &[("answer", "approve")]).await;
    assert!(page.contains(&format!("http://localhost/done?session={}", id(&made))), "{page}");
    let subscription = &served.stripe.objects("subscription")[0];
    let invoice = served.latest_invoice(&id(subscription));
    let (_, page) = served.page(Method::GET, invoice["hosted_invoice_url"].as_str().unwrap(), &[]).await;
    assert!(page.contains("paid"), "{page}");
    let (_, pdf) = served.page(Method::GET, invoice["invoice_pdf"].as_str().unwrap(), &[]).await;
    assert!(pdf.starts_with("%PDF-1.4") && pdf.contains("Launch"));
    let customer = subscription["customer"].as_str().unwrap();
    let portal = served.post("/v1/billing_portal/sessions", &[("customer", customer)]).await;
    let portal = portal["url"].as_str().unwrap().to_owned();
    let (_, page) = served.page(Method::GET, &portal, &[]).await;
    assert!(page.contains("Cancel at the period"), "{page}");
    served.page(Method::POST, &format!("{portal}/cancel"), &[("id", &id(subscription))]).await;
    assert_eq!(served.object(&id(subscription))["cancel_at_period_end"], true);
    served.page(Method::POST, &format!("{portal}/keep"), &[("id", &id(subscription))]).await;
    assert_eq!(served.object(&id(subscription))["cancel_at_period_end"], false);
    let (_, page) =
        served.page(Method::POST, &format!("{portal}/add"), &[("number", "5555555555554444")]).await;
    assert!(page.contains("mastercard"), "{page}");
    let (status, page) = served.page(Method::GET, local::stripe::PATH, &[]).await;
    assert!(status == 200 && page.contains("checkout.session.completed"));
}
