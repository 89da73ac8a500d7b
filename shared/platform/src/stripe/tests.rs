//! What the client makes of Stripe's answers.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::catalog::{Interval, Price, UsageType};
use super::checkout::{LineItem, Mode, NewSession, PaymentStatus, Session, SessionStatus, SubscriptionData};
use super::customer::{Customer, CustomerParams, DefaultMethod};
use super::dispute::{Dispute, DisputeStatus};
use super::invoice::{BillingReason, Invoice, InvoicePayment, InvoicePaymentStatus, InvoiceStatus};
use super::meter::{MeterSummary, NewMeterEvent};
use super::payment_method::{MethodKind, PaymentMethod};
use super::schedule::{PhaseItemParams, PhaseParams, Schedule, ScheduleUpdate};
use super::subscription::{
    Anchor, ItemParams, PauseSubscription, ProrationBehavior, Subscription, SubscriptionFilter,
    SubscriptionStatus, SubscriptionUpdate,
};
use super::value::{Created, Moment, Page};
use super::*;

const AT: i64 = 1_795_232_640;

fn parsed<T: DeserializeOwned>(body: Value) -> T {
    // As text, because that is how answers come.
    serde_json::from_str(&body.to_string()).unwrap()
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let headers =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Answer {
        name: "stripe",
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.collect::<HeaderMap>(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn refused(status: u16, error: Value) -> StripeError {
    StripeError::read(&answer(status, &[("request-id", "req_1")], &json!({ "error": error }).to_string()))
}

#[test]
fn a_refusal_says_what_it_means() {
    let declined = refused(
        402,
        json!({
            "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
            "message": "Your card has insufficient funds.", "charge": "ch_1",
            "payment_intent": { "id": "pi_1", "status": "requires_payment_method", "client_secret": "pi_1_secret" },
        }),
    );
    let decline_code = Some("insufficient_funds".to_owned());
    assert_eq!(declined.kind, StripeErrorKind::Card { code: "card_declined".to_owned(), decline_code });
    assert_eq!((declined.status, declined.request_id.as_deref()), (402, Some("req_1")));
    assert_eq!(declined.payment_intent.as_ref().unwrap().id, "pi_1");
    assert!(!declined.is_passing() && !declined.may_have_happened());

    let unknown = refused(
        400,
        json!({ "type": "invalid_request_error", "code": "parameter_unknown", "param": "items[0][colour]" }),
    );
    let param = Some("items[0][colour]".to_owned());
    assert_eq!(unknown.kind, StripeErrorKind::Invalid { code: "parameter_unknown".to_owned(), param });

    let kind = |status, kind: &str, code: &str| refused(status, json!({ "type": kind, "code": code })).kind;
    assert_eq!(kind(400, "idempotency_error", ""), StripeErrorKind::Idempotency);
    assert_eq!(kind(409, "idempotency_error", "idempotency_key_in_use"), StripeErrorKind::Unavailable);
    assert_eq!(kind(429, "invalid_request_error", "lock_timeout"), StripeErrorKind::RateLimited);
    assert_eq!(kind(429, "rate_limit_error", ""), StripeErrorKind::RateLimited);
    assert_eq!(kind(424, "api_error", ""), StripeErrorKind::Unavailable);
    assert_eq!(kind(500, "api_error", ""), StripeErrorKind::Unavailable);
    assert_eq!(kind(401, "invalid_request_error", ""), StripeErrorKind::Authentication);
    assert_eq!(kind(403, "invalid_request_error", ""), StripeErrorKind::Authentication);
    assert_eq!(kind(404, "invalid_request_error", "resource_missing"), StripeErrorKind::NotFound);
    // A thing that a parameter names is missing, not the one that the path names.
    let missing = refused(400, json!({ "type": "invalid_request_error", "code": "resource_missing" }));
    assert_eq!((missing.code(), missing.is_not_found()), ("resource_missing", false));
}

#[test]
fn an_answer_that_is_not_stripes_is_an_error_too() {
    let error = StripeError::read(&answer(502, &[], "<html>Bad gateway</html>"));
    assert_eq!((error.kind.clone(), error.message.as_str()), (StripeErrorKind::Unavailable, "answered 502"));
    assert!(error.is_passing() && error.may_have_happened());
    let unreadable = serde_json::from_str::<Customer>("{}").unwrap_err();
    let error = StripeError::unreadable(&answer(200, &[], "{}"), &unreadable);
    assert!(error.may_have_happened() && !error.is_passing());
    let error = StripeError::unsent(Error::partner("stripe", true, "connection reset"));
    assert_eq!((error.kind.clone(), error.status), (StripeErrorKind::Unavailable, 0));
    assert!(error.message.contains("connection reset"), "{error}");
}

#[test]
fn clients_are_told_what_they_can_act_on() {
    let told = |status, error| Error::from(refused(status, error));
    let busy = told(503, json!({ "type": "api_error" }));
    assert_eq!((busy.status(), busy.is_transient()), (503, true));
    let declined = told(
        402,
        json!({ "type": "card_error", "code": "card_declined", "decline_code": "expired_card", "message": "Expired." }),
    );
    assert_eq!(
        (declined.status(), declined.code(), declined.detail().as_str()),
        (402, "declined", "Expired.")
    );
    assert_eq!(declined.details()["reason"], "expired_card");
    let stolen =
        told(402, json!({ "type": "card_error", "code": "card_declined", "decline_code": "stolen_card" }));
    assert_eq!(stolen.details()["reason"], "card_declined");
    assert_eq!(told(400, json!({ "type": "invalid_request_error" })).code(), "internal");
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let again = |status, headers: &[_]| is_passing(&answer(status, headers, ""));
    for status in [409, 424, 429, 500, 502, 503] {
        assert!(again(status, &[]), "{status}");
    }
    for status in [200, 400, 401, 402, 404] {
        assert!(!again(status, &[]), "{status}");
    }
    assert!(!again(500, &[("stripe-should-retry", "false")]));
    assert!(again(400, &[("stripe-should-retry", "true")]));
    assert!(!again(500, &[("idempotent-replayed", "true"), ("stripe-should-retry", "true")]));
    let stored = StripeError::read(&answer(500, &[("idempotent-replayed", "true")], "{}"));
    assert!(stored.was_replayed);
}

#[test]
fn a_key_belongs_to_its_stage() {
    let secret = |key: &str| BillingSecret { stripe_key: key.to_owned(), webhook_secrets: Vec::new() };
    assert_eq!(key_of_stage(&secret("sk_test_local"), "local").ok(), Some(false));
    assert_eq!(key_of_stage(&secret("rk_live_1"), "production").ok(), Some(true));
    assert!(key_of_stage(&secret("sk_live_1"), "staging").is_err());
    assert!(key_of_stage(&secret("sk_test_1"), "production").is_err());
    let error = key_of_stage(&secret("pk_live_visible"), "production").unwrap_err();
    assert!(!error.to_string().contains("visible"));
    assert!(!format!("{:?}", secret("sk_test_hidden")).contains("hidden"));
}

#[test]
fn an_id_leads_nowhere_else() {
    for id in ["", "..", ".", "pm_1/detach", "../customers/cus_1", "pm_1?expand", "pm%2e", "pm_1#"] {
        assert!(!is_clean(&format!("/v1/payment_methods/{}", part(id))), "{id}");
        assert!(!is_clean(&format!("/v1/payment_methods/{}/attach", part(id))), "{id}");
    }
    assert!(is_clean("/v1/checkout/sessions/cs_test_a1B2"));
    assert!(is_clean(&format!("/v1/products/{}", part("hosting-launch"))));
}

#[test]
fn parameters_become_the_form_that_stripe_documents() {
    let session = NewSession {
        mode: Some(Mode::Subscription),
        customer: Some("cus_1".to_owned()),
        line_items: vec![LineItem { price: Some("price_1".to_owned()), quantity: Some(1) }],
        expires_at: Some(Timestamp::from_secs(AT)),
        subscription_data: Some(SubscriptionData {
            metadata: [("org".to_owned(), "org_1".to_owned())].into(),
            ..SubscriptionData::default()
        }),
        automatic_tax: Some(Enabled::YES),
        ..NewSession::default()
    };
    let form = "automatic_tax[enabled]=true&customer=cus_1&expires_at=1795232640&line_items[0][price]=price_1\
                &line_items[0][quantity]=1&mode=subscription&subscription_data[metadata][org]=org_1";
    assert_eq!(form::encode(&session).unwrap(), form);

    let update = SubscriptionUpdate {
        items: vec![ItemParams {
            id: Some("si_1".to_owned()),
            price: Some("price_2".to_owned()),
            ..ItemParams::default()
        }],
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        proration_date: Some(Timestamp::from_secs(AT)),
        billing_cycle_anchor: Some(Anchor::Unchanged),
        cancel_at_period_end: Some(false),
        trial_end: Some(Moment::Now),
        ..SubscriptionUpdate::default()
    };
    let form = "billing_cycle_anchor=unchanged&cancel_at_period_end=false&items[0][id]=si_1&items[0][price]=price_2\
                &proration_behavior=always_invoice&proration_date=1795232640&trial_end=now";
    assert_eq!(form::encode(&update).unwrap(), form);

    let schedule = ScheduleUpdate {
        phases: vec![PhaseParams {
            items: vec![PhaseItemParams { price: Some("price_1".to_owned()), quantity: Some(1) }],
            start_date: Some(Timestamp::from_secs(AT)),
            ..PhaseParams::default()
        }],
        ..ScheduleUpdate::default()
    };
    let form =
        "phases[0][items][0][price]=price_1&phases[0][items][0][quantity]=1&phases[0][start_date]=1795232640";
    assert_eq!(form::encode(&schedule).unwrap(), form);

    let filter = SubscriptionFilter {
        status: Some("all".to_owned()),
        created: Some(Created { gte: Some(Timestamp::from_secs(AT)), ..Created::default() }),
        page: Page { limit: Some(3), ..Page::default() },
        ..SubscriptionFilter::default()
    };
    assert_eq!(form::encode(&filter).unwrap(), "created[gte]=1795232640&limit=3&status=all");
    assert_eq!(form::encode(&PauseSubscription::default()).unwrap(), "type=subscription");
    let event = NewMeterEvent::new("agent_runs", "cus_1", "2.5", "roll-1", Timestamp::from_secs(AT));
    let form = "event_name=agent_runs&identifier=roll-1&payload[stripe_customer_id]=cus_1&payload[value]=2.5\
                &timestamp=1795232640";
    assert_eq!(form::encode(&event).unwrap(), form);
}

#[test]
fn parameters_survive_being_stored() {
    let params = CustomerParams {
        email: Some("a@example.com".to_owned()),
        name: Some(String::new()),
        address: Some(Address { country: Some("DE".to_owned()), ..Address::default() }),
        invoice_settings: Some(DefaultMethod { default_payment_method: Some("pm_1".to_owned()) }),
        metadata: [("org".to_owned(), "org_1".to_owned())].into(),
        ..CustomerParams::default()
    };
    let stored = serde_json::to_value(&params).unwrap();
    assert_eq!(form::encode(&stored).unwrap(), form::encode(&params).unwrap());
    assert_eq!(serde_json::from_value::<CustomerParams>(stored).unwrap(), params);
    let update = SubscriptionUpdate {
        trial_end: Some(Moment::At(Timestamp::from_secs(AT))),
        proration_date: Some(Timestamp::from_secs(AT)),
        ..SubscriptionUpdate::default()
    };
    let stored = serde_json::to_value(&update).unwrap();
    assert_eq!(serde_json::from_value::<SubscriptionUpdate>(stored).unwrap(), update);
}

fn price() -> Value {
    json!({
        "id": "price_1", "object": "price", "active": true, "billing_scheme": "per_unit", "created": AT,
        "currency": "usd", "custom_unit_amount": null, "livemode": false, "lookup_key": "hosting_launch_month_usd",
        "metadata": {}, "nickname": null, "product": "prod_1",
        "recurring": { "interval": "month", "interval_count": 1, "meter": null, "trial_period_days": null,
                       "usage_type": "licensed" },
        "tax_behavior": "exclusive", "tiers_mode": null, "transform_quantity": null, "type": "recurring",
        "unit_amount": 29900, "unit_amount_decimal": "29900",
    })
}

fn subscription() -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "application": null,
        "automatic_tax": { "disabled_reason": null, "enabled": true, "liability": { "type": "self" } },
        "billing_cycle_anchor": AT, "billing_mode": { "flexible": { "proration_discounts": "included" },
        "type": "flexible" }, "billing_schedules": [], "cancel_at": null, "cancel_at_period_end": false,
        "canceled_at": null, "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically", "created": AT, "currency": "usd", "customer": "cus_1",
        "default_payment_method": null, "discounts": [], "ended_at": null, "items": { "object": "list", "data": [{
            "id": "si_1", "object": "subscription_item", "created": AT, "current_period_start": AT,
            "current_period_end": AT + 2_592_000, "metadata": {}, "price": price(), "quantity": 1,
            "subscription": "sub_1", "tax_rates": [] }], "has_more": false,
            "url": "/v1/subscription_items?subscription=sub_1" },
        "latest_invoice": { "id": "in_1", "object": "invoice", "amount_due": 29900, "created": AT, "currency": "usd",
            "period_start": AT, "period_end": AT, "status": "open", "subtotal": 29900, "total": 29900,
            "confirmation_secret": { "client_secret": "pi_1_secret_2", "type": "payment_intent" } },
        "livemode": false, "metadata": { "org": "org_1" }, "pause_collection": null,
        "pending_setup_intent": null, "pending_update": null, "schedule": "sub_sched_1", "start_date": AT,
        "status": "incomplete", "status_details": null, "test_clock": null, "trial_end": null, "trial_start": null,
    })
}

#[test]
fn a_subscription_has_its_periods_on_its_items() {
    let subscription: Subscription = parsed(subscription());
    assert_eq!(subscription.status, SubscriptionStatus::Incomplete);
    let period = subscription.period().unwrap();
    assert_eq!(period.end.as_secs() - period.start.as_secs(), 2_592_000);
    assert_eq!(subscription.schedule.as_ref().unwrap().id(), "sub_sched_1");
    let invoice = subscription.latest_invoice.as_ref().unwrap();
    assert_eq!(invoice.id(), "in_1");
    let secret = invoice.object().unwrap().confirmation_secret.as_ref().unwrap();
    assert_eq!(secret.client_secret, "pi_1_secret_2");
    let price = &subscription.items.data[0].price;
    assert_eq!(
        (price.unit_amount, price.lookup_key.as_deref()),
        (Some(29_900), Some("hosting_launch_month_usd"))
    );
    assert!(subscription.is_live());
}

#[test]
fn words_of_a_later_version_are_kept() {
    let mut body = subscription();
    body["status"] = "hibernating".into();
    body["new_member"] = json!({ "a": [1] });
    let read: Subscription = parsed(body);
    assert_eq!(read.status, SubscriptionStatus::Other("hibernating".to_owned()));
    assert_eq!((read.status.as_str(), read.is_live()), ("hibernating", true));
    assert_eq!(serde_json::to_value(&read.status).unwrap(), "hibernating");
    assert_eq!(SubscriptionStatus::from("past_due"), SubscriptionStatus::PastDue);
    assert_eq!(SubscriptionStatus::PastDue.to_string(), "past_due");
}

// As text: macros cannot nest that deep.
const INVOICE: &str = r#"{
        "id": "in_1", "object": "invoice", "amount_due": 24054, "amount_paid": 0, "amount_remaining": 24054,
        "amount_overpaid": 0, "attempt_count": 1, "attempted": true, "auto_advance": true,
        "automatic_tax": { "enabled": true, "liability": { "type": "self" }, "provider": "stripe", "status": "complete" },
        "billing_reason": "subscription_update", "collection_method": "charge_automatically", "created": 1795232640,
        "currency": "eur", "customer": "cus_1", "customer_address": { "city": "Berlin", "country": "DE",
        "line1": "Weg 1", "line2": null, "postal_code": "10115", "state": null }, "customer_tax_exempt": "none",
        "customer_tax_ids": [{ "type": "eu_vat", "value": "DE123456789" }], "default_tax_rates": [],
        "ending_balance": 0, "lines": { "object": "list", "has_more": false, "data": [{
            "id": "il_1", "object": "line_item", "amount": -14950, "currency": "eur",
            "description": "Unused time on Launch", "discountable": false, "discounts": [], "livemode": false,
            "metadata": {}, "parent": { "type": "subscription_item_details", "invoice_item_details": null,
                "subscription_item_details": { "invoice_item": "ii_1", "proration": true,
                "proration_details": { "credited_items": null }, "subscription": "sub_1",
                "subscription_item": "si_1" } },
            "period": { "start": 1795232640, "end": 1795232700 }, "pricing": { "type": "price_details",
                "price_details": { "price": "price_1", "product": "prod_1" }, "unit_amount_decimal": "29900" },
            "quantity": 1, "quantity_decimal": "1", "subtotal": -14950, "taxes": [{ "amount": -2841,
                "tax_behavior": "exclusive", "tax_rate_details": { "tax_rate": "txr_1" },
                "taxability_reason": "standard_rated", "taxable_amount": -14950, "type": "tax_rate_details" }] }],
            "url": "/v1/invoices/in_1/lines" },
        "livemode": false, "metadata": null, "next_payment_attempt": 1795491840, "number": "ABC-0002",
        "parent": { "type": "subscription_details", "quote_details": null, "subscription_details": {
            "metadata": { "org": "org_1" }, "subscription": "sub_1", "subscription_proration_date": 1795232640 } },
        "period_start": 1795232640, "period_end": 1795232640, "starting_balance": 0, "status": "open",
        "status_transitions": { "finalized_at": 1795232640, "marked_uncollectible_at": null, "paid_at": null,
            "voided_at": null },
        "subtotal": 20213, "subtotal_excluding_tax": 20213, "total": 24054, "total_taxes": [{ "amount": 3841,
            "tax_behavior": "exclusive", "taxability_reason": "standard_rated", "taxable_amount": 20213,
            "type": "tax_rate_details" }]
}"#;

#[test]
fn an_invoice_names_its_subscription_in_its_parent() {
    let invoice: Invoice = serde_json::from_str(INVOICE).unwrap();
    assert_eq!(invoice.subscription(), Some("sub_1"));
    assert_eq!(invoice.status, Some(InvoiceStatus::Open));
    assert_eq!(invoice.billing_reason, Some(BillingReason::SubscriptionUpdate));
    assert_eq!(invoice.status_transitions.finalized_at, Some(Timestamp::from_secs(AT)));
    assert_eq!(invoice.next_payment_attempt.unwrap().as_secs(), AT + 259_200);
    let line = &invoice.lines.data[0];
    assert!(line.is_proration());
    assert_eq!((line.price(), line.subscription_item()), (Some("price_1"), Some("si_1")));
    assert_eq!((line.taxes[0].amount, invoice.total_taxes[0].amount), (-2_841, 3_841));

    let payment: InvoicePayment = parsed(json!({
        "id": "inpay_1", "object": "invoice_payment", "amount_paid": null, "amount_requested": 24_054,
        "created": AT, "currency": "eur", "invoice": "in_1", "is_default": true, "livemode": false,
        "payment": { "payment_intent": "pi_1", "type": "payment_intent" }, "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    }));
    assert_eq!((payment.invoice.id(), payment.status), ("in_1", InvoicePaymentStatus::Open));
    assert_eq!(payment.payment.payment_intent.unwrap().id(), "pi_1");
}

#[test]
fn a_customer_may_be_all_or_deleted() {
    let customer: Customer = parsed(json!({
        "id": "cus_1", "object": "customer", "address": null, "balance": -500, "created": AT, "currency": "usd",
        "default_source": null, "delinquent": false, "email": "a@example.com", "invoice_prefix": "ABC",
        "invoice_settings": { "custom_fields": null, "default_payment_method": "pm_1", "footer": null },
        "livemode": false, "metadata": { "org": "org_1" }, "name": "A", "next_invoice_sequence": 1,
        "preferred_locales": [], "tax_exempt": "none",
        "tax": { "automatic_tax": "unrecognized_location", "ip_address": null, "location": null, "provider": "stripe" },
    }));
    assert_eq!(customer.balance, -500);
    assert_eq!(customer.invoice_settings.default_payment_method.unwrap().id(), "pm_1");
    assert_eq!(customer.tax.unwrap().automatic_tax.as_str(), "unrecognized_location");
    let customer: Customer = parsed(json!({ "id": "cus_1", "object": "customer", "deleted": true }));
    assert!(customer.deleted && customer.metadata.is_empty());
}

#[test]
fn a_session_tells_whether_its_money_has_come() {
    let session: Session = parsed(json!({
        "id": "cs_test_1", "object": "checkout.session", "amount_subtotal": 1_900, "amount_total": 2_261,
        "automatic_tax": { "enabled": true, "liability": { "type": "self" }, "status": "complete" },
        "client_reference_id": "org_1", "created": AT, "currency": "eur", "customer": "cus_1",
        "custom_fields": [], "custom_text": {}, "expires_at": AT + 1_800, "invoice": "in_1", "livemode": false,
        "metadata": {}, "mode": "subscription", "payment_method_types": ["card", "sepa_debit"],
        "payment_status": "unpaid", "setup_intent": null, "status": "complete", "subscription": subscription(),
        "ui_mode": "hosted_page", "url": null,
    }));
    assert_eq!(
        (session.status, session.payment_status),
        (Some(SessionStatus::Complete), PaymentStatus::Unpaid)
    );
    assert_eq!(session.subscription.unwrap().into_object().unwrap().id, "sub_1");
}

#[test]
fn smaller_objects_are_read() {
    let method: PaymentMethod = parsed(json!({
        "id": "pm_1", "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": { "address": { "country": "US" }, "email": null, "name": "A", "phone": null, "tax_id": null },
        "card": { "brand": "visa", "checks": {}, "country": "US", "display_brand": "visa", "exp_month": 8,
            "exp_year": 2027, "fingerprint": "f", "funding": "credit", "last4": "4242" },
        "created": AT, "customer": null, "livemode": false, "metadata": {}, "type": "card",
    }));
    assert_eq!((method.kind, method.card.unwrap().exp_year), (MethodKind::Card, 2_027));
    let price: Price = parsed(price());
    let recurring = price.recurring.unwrap();
    assert_eq!((recurring.interval, recurring.usage_type), (Interval::Month, UsageType::Licensed));
    let schedule: Schedule = parsed(json!({
        "id": "sub_sched_1", "object": "subscription_schedule", "canceled_at": null, "completed_at": null,
        "created": AT, "current_phase": { "start_date": AT, "end_date": AT + 60 }, "customer": "cus_1",
        "end_behavior": "release", "livemode": false, "metadata": {}, "pause_schedules": [], "phases": [{
            "start_date": AT, "end_date": AT + 60, "items": [{ "price": "price_1", "plan": "price_1", "quantity": 1,
            "metadata": {}, "discounts": [] }], "metadata": {}, "proration_behavior": "none" }],
        "released_at": null, "released_subscription": null, "status": "active", "subscription": "sub_1",
    }));
    assert_eq!(schedule.phases[0].items[0].price.id(), "price_1");
    let dispute: Dispute = parsed(json!({
        "id": "du_1", "object": "dispute", "amount": 29_900, "balance_transactions": [{ "id": "txn_1",
            "amount": -29_900, "available_on": AT, "created": AT, "currency": "usd", "fee": 1_500, "net": -31_400,
            "reporting_category": "dispute", "source": "du_1", "status": "available", "type": "adjustment" }],
        "charge": "ch_1", "created": AT, "currency": "usd", "evidence": {}, "evidence_details": { "due_by": AT,
            "has_evidence": false, "past_due": false, "submission_count": 0 }, "is_charge_refundable": false,
        "livemode": false, "metadata": {}, "payment_intent": "pi_1", "reason": "fraudulent",
        "status": "appeal_needs_response",
    }));
    assert_eq!(dispute.status, DisputeStatus::AppealNeedsResponse);
    assert_eq!(dispute.balance_transactions[0].net, -31_400);
    let value = |number: &str| {
        let body = format!(
            r#"{{"id":"mtrusg_1","aggregated_value":{number},"start_time":{AT},"end_time":{AT},"meter":"mtr_1"}}"#
        );
        serde_json::from_str::<MeterSummary>(&body).unwrap().aggregated_value
    };
    assert_eq!(
        (value("10"), value("10.0"), value("0.000001")),
        ("10".into(), "10".into(), "0.000001".into())
    );
    assert_eq!(value("123456789.012345"), "123456789.012345");
}

#[test]
fn events_of_both_apis_are_read() {
    let event: Event = parsed(json!({
        "id": "evt_1", "object": "event", "api_version": VERSION, "created": AT, "data": { "object": subscription(),
            "previous_attributes": { "status": "trialing" } }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": "req_1", "idempotency_key": "create:org_1:hosting:1" },
        "type": "customer.subscription.updated",
    }));
    assert_eq!(
        (event.object_kind(), event.object_id(), event.is_thin),
        ("subscription", Some("sub_1"), false)
    );
    assert_eq!(event.request_key.as_deref(), Some("create:org_1:hosting:1"));
    assert_eq!(event.previous_attributes.as_ref().unwrap()["status"], "trialing");
    assert_eq!(event.parse::<Subscription>().unwrap().id, "sub_1");
    assert_eq!(event.parse::<Session>().unwrap_err().kind, StripeErrorKind::Unreadable);

    let thin: Event = parsed(json!({
        "id": "evt_test_1", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-11-21T03:44:00.000Z", "livemode": false, "context": null,
        "related_object": { "id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1" },
        "reason": null,
    }));
    assert_eq!((thin.object_kind(), thin.object_id(), thin.is_thin), ("billing.meter", Some("mtr_1"), true));
    assert_eq!(thin.created, Timestamp::from_secs(AT));
    assert!(serde_json::from_value::<Event>(subscription()).is_err());
}
