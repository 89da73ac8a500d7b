//! What billing's events mean to notifications: the owners are told of what begins, ends or costs money.

use serde_json::Value;

use super::fact::parse;
use super::{Ending, Fact, Letter, NotUnderstood, Notice, Reader};
use crate::Event;
use crate::billing::DunningState;
use crate::billing::events::{
    AccessChanged, CardExpiring, InvoicePaid, PaymentActionRequired, PaymentFailed, RefundMade,
    SpendCapReached, SubscriptionCanceled, SubscriptionChange, SubscriptionChanged, TrialCanceled,
    TrialConverted, TrialExpired, TrialGraceBegun, TrialNoticeDue,
};

/// What an event of billing means.
pub(super) fn read(kind: &str, version: u32, data: Value) -> Result<Fact, NotUnderstood> {
    let notice = match kind {
        TrialNoticeDue::TYPE => Some(trial_notice(parse(version, data)?)),
        TrialGraceBegun::TYPE => Some(trial_grace(parse(version, data)?)),
        TrialExpired::TYPE => Some(trial_expired(parse(version, data)?)),
        TrialConverted::TYPE => Some(trial_converted(parse(version, data)?)),
        TrialCanceled::TYPE => Some(trial_canceled(parse(version, data)?)),
        PaymentFailed::TYPE => Some(payment_failed(parse(version, data)?)),
        PaymentActionRequired::TYPE => Some(action_required(parse(version, data)?)),
        AccessChanged::TYPE => access_changed(parse(version, data)?),
        CardExpiring::TYPE => Some(card_expiring(parse(version, data)?)),
        SpendCapReached::TYPE => Some(spend_cap(parse(version, data)?)),
        InvoicePaid::TYPE => receipt(parse(version, data)?),
        RefundMade::TYPE => Some(Notice::Refund { amount: parse::<RefundMade>(version, data)?.amount }),
        SubscriptionChanged::TYPE => changed(parse(version, data)?),
        SubscriptionCanceled::TYPE => canceled(parse(version, data)?),
        _ => return Err(NotUnderstood::Type),
    };
    Ok(notice.map_or(Fact::Quiet, |notice| Fact::Letter(Letter { to: Reader::Owners, notice })))
}

fn trial_notice(event: TrialNoticeDue) -> Notice {
    let TrialNoticeDue { product, days_left, ends_at, .. } = event;
    Notice::TrialNotice { product, days_left, ends_at }
}

fn trial_grace(event: TrialGraceBegun) -> Notice {
    let TrialGraceBegun { product, grace_ends_at, payment_failed, .. } = event;
    Notice::TrialGrace { product, grace_ends_at, payment_failed }
}

fn trial_expired(event: TrialExpired) -> Notice {
    Notice::TrialExpired { product: event.product, purge_at: event.purge_at }
}

fn trial_converted(event: TrialConverted) -> Notice {
    let TrialConverted { product, plan, late } = event;
    Notice::TrialConverted { product, plan, late }
}

fn trial_canceled(event: TrialCanceled) -> Notice {
    let TrialCanceled { product, plan, purge_at, .. } = event;
    Notice::Cancellation { product, plan, ending: Ending::OfTrial, on: Some(purge_at) }
}

fn payment_failed(event: PaymentFailed) -> Notice {
    let PaymentFailed { product, amount, next_attempt_at, restricted_at, pay_url, .. } = event;
    Notice::PaymentFailed { product, amount, next_attempt_at, restricted_at, pay_url }
}

fn action_required(event: PaymentActionRequired) -> Notice {
    let PaymentActionRequired { product, amount, url, .. } = event;
    Notice::PaymentActionRequired { product, amount, url }
}

/// That the ladder ended is told by the subscription's end, which follows from it.
fn access_changed(event: AccessChanged) -> Option<Notice> {
    let AccessChanged { product, to, amount, next_at, .. } = event;
    (to != DunningState::Canceled).then_some(Notice::AccessChanged { product, to, amount, next_at })
}

fn card_expiring(event: CardExpiring) -> Notice {
    let CardExpiring { brand, last4, exp_month, exp_year, .. } = event;
    Notice::CardExpiring { brand, last4, exp_month, exp_year }
}

fn spend_cap(event: SpendCapReached) -> Notice {
    let SpendCapReached { product, meter, percent, limit, hard } = event;
    Notice::SpendCap { product, meter, percent, limit, hard }
}

/// Nobody keeps a receipt for nothing.
fn receipt(event: InvoicePaid) -> Option<Notice> {
    let InvoicePaid { invoice, number, paid, tax, paid_at, hosted_url, pdf_url, .. } = event;
    let number = number.unwrap_or(invoice);
    let url = hosted_url.or(pdf_url);
    (paid.minor > 0).then_some(Notice::Receipt { number, paid, tax, paid_at, url })
}

/// Of all changes the end of a plan is told, and that it is taken back; who made another one has seen its price.
fn changed(event: SubscriptionChanged) -> Option<Notice> {
    let SubscriptionChanged { product, plan, changes, cancel_at, .. } = event;
    let ending = if cancel_at.is_some() { Ending::Ahead } else { Ending::TakenBack };
    changes.contains(&SubscriptionChange::Cancellation).then_some(Notice::Cancellation {
        product,
        plan,
        ending,
        on: cancel_at,
    })
}

/// A subscription that was never paid ends without a word: nobody had it.
fn canceled(event: SubscriptionCanceled) -> Option<Notice> {
    let SubscriptionCanceled { product, plan, ended_at, was_paid, .. } = event;
    was_paid.then_some(Notice::Cancellation { product, plan, ending: Ending::Over, on: Some(ended_at) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn notice(kind: &str, data: Value) -> Option<Notice> {
        match read(kind, 1, data).expect("an event of billing") {
            Fact::Letter(Letter { to: Reader::Owners, notice }) => Some(notice),
            Fact::Quiet => None,
            other => panic!("{other:?}"),
        }
    }

    fn paid(minor: i64) -> Value {
        json!({
            "invoice": "in_1", "number": "A-1", "paid": {"minor": minor, "currency": "eur"},
            "tax": {"minor": 0, "currency": "eur"}, "paid_at": "2026-11-21T03:44:00.000Z",
            "pdf_url": "https://stripe.example/in_1.pdf",
        })
    }

    #[test]
    fn a_receipt_is_for_money() {
        let receipt = notice("billing.invoice_paid", paid(1_900));
        assert!(matches!(receipt, Some(Notice::Receipt { url: Some(url), .. }) if url.ends_with("in_1.pdf")));
        assert_eq!(notice("billing.invoice_paid", paid(0)), None);
    }

    #[test]
    fn an_end_is_told_ahead_and_when_it_comes() {
        let changed = |changes: Value, cancel_at: Value| {
            let event = json!({
                "product": "hosting", "changes": changes, "plan": "launch", "previous_plan": "launch",
                "price": "hosting_launch_month_usd", "quantity": 1, "status": "active",
                "period_end": "2026-12-21T03:44:00.000Z", "cancel_at": cancel_at,
            });
            match notice("billing.subscription_changed", event) {
                Some(Notice::Cancellation { ending, .. }) => Some(ending),
                _ => None,
            }
        };
        let end = json!("2026-12-21T03:44:00.000Z");
        assert_eq!(changed(json!(["cancellation"]), end.clone()), Some(Ending::Ahead));
        assert_eq!(changed(json!(["cancellation"]), Value::Null), Some(Ending::TakenBack));
        assert_eq!(changed(json!(["period", "plan"]), end), None);
        let over = |was_paid| {
            json!({
                "product": "hosting", "plan": "launch", "generation": 1, "was_paid": was_paid,
                "ended_at": "2026-12-21T03:44:00.000Z",
            })
        };
        assert!(notice("billing.subscription_canceled", over(true)).is_some());
        assert_eq!(notice("billing.subscription_canceled", over(false)), None);
    }

    #[test]
    fn the_ladders_end_is_told_by_the_subscriptions() {
        let to = |state: &str| {
            let event = json!({
                "product": "hosting", "invoice": "in_1", "from": "suspended", "to": state,
                "amount": {"minor": 29_900, "currency": "usd"},
            });
            notice("billing.access_changed", event)
        };
        assert!(to("restricted").is_some() && to("resolved").is_some());
        assert_eq!(to("canceled"), None);
    }

    #[test]
    fn what_nobody_reads_is_not_understood() {
        assert_eq!(read("billing.usage_sealed", 1, json!({})), Err(NotUnderstood::Type));
        assert_eq!(read("billing.trial_expired", 2, json!({})), Err(NotUnderstood::Version));
    }
}
