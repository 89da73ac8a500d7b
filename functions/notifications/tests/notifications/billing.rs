//! What owners are told of trials, plans and payments.

use std::time::Duration;

use local::Stack;
use serde_json::{Value, json};

use super::{deliveries, delivery, envelope, tell};

const DAY: &str = "2026-12-05T03:44:00.000Z";

fn money() -> Value {
    json!({"minor": 29_900, "currency": "usd"})
}

/// Every event that is told, and the subject of its mail.
fn told() -> Vec<(&'static str, Value, &'static str)> {
    let trial = |more: Value| with(json!({"product": "hosting", "plan": "trial"}), more);
    let invoice =
        |more: Value| with(json!({"product": "hosting", "invoice": "in_1", "amount": money()}), more);
    vec![
        (
            "billing.trial_notice_due",
            trial(json!({"days_left": 3, "ends_at": DAY, "grace_ends_at": DAY})),
            "Your trial of Tenantry Hosting ends in 3 days",
        ),
        (
            "billing.trial_grace_begun",
            trial(json!({"ended_at": DAY, "grace_ends_at": DAY, "payment_failed": false})),
            "Your trial of Tenantry Hosting has ended",
        ),
        ("billing.trial_expired", trial(json!({"purge_at": DAY})), "Tenantry Hosting is switched off"),
        (
            "billing.trial_converted",
            with(trial(json!({"late": false})), json!({"plan": "launch"})),
            "Welcome to Tenantry Hosting Launch",
        ),
        (
            "billing.trial_canceled",
            trial(json!({"purge_at": DAY})),
            "Your trial of Tenantry Hosting is cancelled",
        ),
        (
            "billing.payment_failed",
            invoice(json!({"attempt": 1, "next_attempt_at": DAY, "restricted_at": DAY})),
            "Your payment for Tenantry Hosting failed",
        ),
        (
            "billing.payment_action_required",
            invoice(json!({"url": "https://bank.example/confirm"})),
            "Please confirm your payment for Tenantry Hosting",
        ),
        (
            "billing.access_changed",
            invoice(json!({"from": "retrying", "to": "restricted", "next_at": DAY})),
            "Tenantry Hosting is restricted",
        ),
        (
            "billing.card_expiring",
            json!({
                "method": "pm_1", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2026, "days_left": 30,
            }),
            "Your card ending in 4242 is about to expire",
        ),
        (
            "billing.spend_cap_reached",
            json!({
                "product": "campaigns", "meter": "sms_segments", "percent": 80, "limit": money(), "hard": true,
            }),
            "80 % of your cap on SMS segments is used",
        ),
        (
            "billing.invoice_paid",
            json!({
                "product": "hosting", "invoice": "in_1", "number": "A-0001", "paid": money(),
                "tax": {"minor": 0, "currency": "usd"}, "paid_at": DAY,
            }),
            "Your receipt A-0001",
        ),
        (
            "billing.refund_made",
            json!({"refund": "re_1", "amount": money(), "left": {"minor": 0, "currency": "usd"}}),
            "299.00\u{a0}USD come back to you",
        ),
        (
            "billing.subscription_changed",
            json!({
                "product": "hosting", "changes": ["cancellation"], "plan": "launch", "previous_plan": "launch",
                "price": "hosting_launch_month_usd", "quantity": 1, "status": "active", "period_end": DAY,
                "cancel_at": DAY,
            }),
            "Your plan of Tenantry Hosting ends on 5 December 2026",
        ),
        (
            "billing.subscription_canceled",
            json!({"product": "hosting", "plan": "launch", "generation": 1, "ended_at": DAY, "was_paid": true}),
            "Your plan of Tenantry Hosting has ended",
        ),
    ]
}

fn with(mut data: Value, more: Value) -> Value {
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    data
}

#[tokio::test]
async fn the_owner_hears_of_what_begins_ends_or_costs_money() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let before = stack.mails_to("anna@example.com").await.len();
    for (number, (kind, data, _)) in (1..).zip(told()) {
        tell(&stack, envelope(number, kind, Some(anna.org()), data)).await;
    }
    let mails = stack.mails_to("anna@example.com").await;
    let subjects: Vec<_> = mails[before..].iter().map(|mail| mail.subject.as_str()).collect();
    let expected: Vec<_> = told().into_iter().map(|(_, _, subject)| subject).collect();
    assert_eq!(subjects, expected);
    let action = mails.iter().find(|mail| mail.subject.starts_with("Please confirm your payment")).unwrap();
    assert_eq!(action.links(), ["https://bank.example/confirm"]);
}

#[tokio::test]
async fn an_event_of_billing_that_comes_thrice_and_twice_each_time_is_one_mail() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.deliver_twice("route_notification");
    stack.deliver_twice("send_mail");
    let (kind, data, subject) = told().remove(0);
    for _ in 0..3 {
        tell(&stack, envelope(1, kind, Some(anna.org()), data.clone())).await;
    }
    stack.advance(Duration::from_secs(180)).await;
    let mails = stack.mails_to("anna@example.com").await;
    assert_eq!(mails.iter().filter(|mail| mail.subject == subject).count(), 1);
    assert_eq!(delivery(&stack, "trial_notice")["org"], anna.org());
}

#[tokio::test]
async fn what_the_owner_knows_or_nobody_had_is_not_told() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let before = stack.mails_to("anna@example.com").await.len();
    let nothing = json!({"minor": 0, "currency": "usd"});
    let quiet = [
        ("billing.invoice_paid", json!({"invoice": "in_1", "paid": nothing, "tax": nothing, "paid_at": DAY})),
        (
            "billing.access_changed",
            json!({
                "product": "hosting", "invoice": "in_1", "from": "suspended", "to": "canceled", "amount": money(),
            }),
        ),
        (
            "billing.subscription_canceled",
            json!({"product": "hosting", "plan": "launch", "generation": 1, "ended_at": DAY, "was_paid": false}),
        ),
    ];
    for (number, (kind, data)) in (1..).zip(quiet) {
        tell(&stack, envelope(number, kind, Some(anna.org()), data)).await;
    }
    assert_eq!(stack.mails_to("anna@example.com").await.len(), before);
    assert!(deliveries(&stack, "cancellation").is_empty());
}
