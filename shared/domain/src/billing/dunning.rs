//! Dunning: the ladder that an unpaid invoice climbs, from another attempt to the subscription's end.
//!
//! Each unpaid invoice has a ladder of its own, and the worst one decides how far the product's door stands open.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::events::{AccessChanged, PaymentActionRequired, PaymentFailed};
use super::{Money, Product, Transition};
use crate::accounts::Access;
use crate::{OrgId, Timestamp};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// After so many days without payment the product is restricted.
pub const RESTRICTED_AFTER: u32 = 7;
/// After so many it is suspended.
pub const SUSPENDED_AFTER: u32 = 14;
/// After so many its subscription ends.
pub const CANCELED_AFTER: u32 = 21;

/// The ladder of one invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dunning {
    /// Whose.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// The invoice.
    pub invoice: String,
    /// The subscription that it renews.
    pub subscription: String,
    /// Where it stands.
    pub state: DunningState,
    /// What is to be paid.
    pub amount: Money,
    /// When the payment failed first.
    pub first_failed_at: Timestamp,
    /// How many attempts have failed.
    pub attempts: u32,
    /// When Stripe tries again, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed, as the bank says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where the payer must confirm the payment, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<String>,
    /// Where it can be paid by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_url: Option<String>,
    /// When it came to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When time moves it next; absent when time does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// Where a ladder stands; later is worse, but for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DunningState {
    /// Nothing is shut; the payment is tried again.
    Retrying,
    /// What there is may be seen and taken away.
    Restricted,
    /// Nothing is served; the data are kept.
    Suspended,
    /// The subscription ends, or has ended.
    Canceled,
    /// The invoice needs no payment any more.
    Resolved,
}

/// A payment failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// The invoice.
    pub invoice: String,
    /// The subscription that it renews.
    pub subscription: String,
    /// What is to be paid.
    pub amount: Money,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// When Stripe tries again, if it does.
    pub next_attempt_at: Option<Timestamp>,
    /// Why, as the bank says.
    pub reason: Option<String>,
    /// Where it can be paid by hand.
    pub pay_url: Option<String>,
}

/// What happens to an invoice that is not paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DunningTrigger {
    /// Another attempt failed, or the same is told again.
    PaymentFailed {
        /// Which attempt, from 1.
        attempt: u32,
        /// When Stripe tries again, if it does.
        next_attempt_at: Option<Timestamp>,
        /// Why, as the bank says.
        reason: Option<String>,
    },
    /// The payer must confirm the payment.
    ActionRequired {
        /// Where.
        url: String,
    },
    /// The sweep came by.
    Due,
    /// The invoice was paid, voided or written off.
    InvoiceSettled,
    /// The subscription has ended.
    SubscriptionEnded,
}

impl DunningState {
    /// Whether the invoice is still to be paid.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Resolved | Self::Canceled)
    }

    /// How far the door stands open.
    #[must_use]
    pub fn access(self) -> Access {
        match self {
            Self::Retrying | Self::Resolved => Access::Full,
            Self::Restricted => Access::ReadOnly,
            Self::Suspended | Self::Canceled => Access::None,
        }
    }

    /// The next step down, and how many days after the first failure it is taken.
    fn next(self) -> Option<(Self, u32)> {
        match self {
            Self::Retrying => Some((Self::Restricted, RESTRICTED_AFTER)),
            Self::Restricted => Some((Self::Suspended, SUSPENDED_AFTER)),
            Self::Suspended => Some((Self::Canceled, CANCELED_AFTER)),
            Self::Canceled | Self::Resolved => None,
        }
    }
}

impl Dunning {
    /// The first failure that is seen of an invoice.
    #[must_use]
    pub fn begin(failure: Failure, now: Timestamp) -> Transition<Self> {
        let dunning = Self {
            org: failure.org,
            product: failure.product,
            invoice: failure.invoice,
            subscription: failure.subscription,
            state: DunningState::Retrying,
            amount: failure.amount,
            first_failed_at: now,
            attempts: failure.attempt.max(1),
            next_attempt_at: failure.next_attempt_at,
            reason: failure.reason,
            action_url: None,
            pay_url: failure.pay_url,
            ended_at: None,
            next_at: Some(now + DAY.saturating_mul(RESTRICTED_AFTER)),
        };
        let event = dunning.failed();
        Transition::told(dunning, event)
    }

    /// What a trigger makes of it: one step a call, so that each has its own write and its own mail. What does not fit
    /// changes nothing.
    #[must_use]
    pub fn step(&self, trigger: &DunningTrigger, now: Timestamp) -> Transition<Self> {
        if self.state == DunningState::Resolved {
            return Transition::quiet(self.clone());
        }
        match trigger {
            DunningTrigger::PaymentFailed { attempt, next_attempt_at, reason }
                if self.state.is_open() && *attempt > self.attempts =>
            {
                let dunning = Self {
                    attempts: *attempt,
                    next_attempt_at: *next_attempt_at,
                    reason: reason.clone(),
                    action_url: None,
                    ..self.clone()
                };
                let event = dunning.failed();
                Transition::told(dunning, event)
            }
            DunningTrigger::ActionRequired { url }
                if self.state.is_open() && self.action_url.as_ref() != Some(url) =>
            {
                let event = PaymentActionRequired {
                    product: self.product,
                    invoice: self.invoice.clone(),
                    amount: self.amount,
                    url: url.clone(),
                };
                Transition::told(Self { action_url: Some(url.clone()), ..self.clone() }, event)
            }
            DunningTrigger::Due if self.next_at.is_some_and(|next_at| next_at <= now) => {
                match self.state.next() {
                    Some((state, _)) => self.moved(state, now),
                    None => Transition::quiet(self.clone()),
                }
            }
            DunningTrigger::InvoiceSettled => self.moved(DunningState::Resolved, now),
            DunningTrigger::SubscriptionEnded if self.state.is_open() => {
                self.moved(DunningState::Canceled, now)
            }
            _ => Transition::quiet(self.clone()),
        }
    }

    fn moved(&self, state: DunningState, now: Timestamp) -> Transition<Self> {
        // A step that was taken late leaves a day at least until the next one.
        let next_at =
            state.next().map(|(_, days)| (self.first_failed_at + DAY.saturating_mul(days)).max(now + DAY));
        let over = next_at.is_none();
        let dunning = Self {
            state,
            next_at,
            action_url: self.action_url.clone().filter(|_| !over),
            next_attempt_at: self.next_attempt_at.filter(|_| !over),
            ended_at: over.then_some(now),
            ..self.clone()
        };
        // A late payment for what has ended opens no door.
        let opens_nothing = self.state == DunningState::Canceled;
        if opens_nothing || self.state.access() == state.access() && state != DunningState::Canceled {
            return Transition::quiet(dunning);
        }
        let event = AccessChanged {
            product: self.product,
            invoice: self.invoice.clone(),
            from: self.state,
            to: state,
            amount: self.amount,
            next_at,
        };
        Transition::told(dunning, event)
    }

    fn failed(&self) -> PaymentFailed {
        PaymentFailed {
            product: self.product,
            invoice: self.invoice.clone(),
            amount: self.amount,
            attempt: self.attempts,
            next_attempt_at: self.next_attempt_at,
            reason: self.reason.clone(),
            restricted_at: self.first_failed_at + DAY.saturating_mul(RESTRICTED_AFTER),
            pay_url: self.pay_url.clone(),
        }
    }
}

/// The worst that any of a product's invoices that are still to be paid has come to; `None` when all are settled.
#[must_use]
pub fn worst(ladders: &[Dunning]) -> Option<DunningState> {
    ladders.iter().map(|dunning| dunning.state).filter(|state| *state != DunningState::Resolved).max()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::Currency;

    pub(in crate::billing) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    pub(in crate::billing) fn dunning(invoice: &str) -> Dunning {
        let failure = Failure {
            org: OrgId::from_ulid(1),
            product: Product::Hosting,
            invoice: invoice.to_owned(),
            subscription: "sub_1".to_owned(),
            amount: Money::new(29_900, Currency::USD),
            attempt: 1,
            next_attempt_at: Some(NOW + DAY.saturating_mul(3)),
            reason: Some("insufficient_funds".to_owned()),
            pay_url: None,
        };
        Dunning::begin(failure, NOW).next
    }

    fn day(days: u32) -> Timestamp {
        NOW + DAY.saturating_mul(days)
    }

    fn due(dunning: &Dunning, now: Timestamp) -> Dunning {
        dunning.step(&DunningTrigger::Due, now).next
    }

    #[test]
    fn the_ladder_has_its_days() {
        let retrying = dunning("in_1");
        let before = Timestamp::from_millis(day(7).as_millis() - 1);
        assert!(!retrying.step(&DunningTrigger::Due, before).changes(&retrying));
        let restricted = due(&retrying, day(7));
        assert_eq!((restricted.state, restricted.next_at), (DunningState::Restricted, Some(day(14))));
        let suspended = due(&restricted, day(14));
        assert_eq!((suspended.state, suspended.next_at), (DunningState::Suspended, Some(day(21))));
        let canceled = due(&suspended, day(21));
        assert_eq!((canceled.state, canceled.next_at), (DunningState::Canceled, None));
    }

    #[test]
    fn a_sweep_that_was_down_takes_step_after_step_with_a_day_between() {
        let restricted = due(&dunning("in_1"), day(30));
        assert_eq!(restricted.state, DunningState::Restricted);
        assert!(!restricted.step(&DunningTrigger::Due, day(30)).changes(&restricted));
        assert_eq!(due(&restricted, day(31)).state, DunningState::Suspended);
    }

    #[test]
    fn an_attempt_is_told_once() {
        let first = dunning("in_1");
        let failed = |attempt| DunningTrigger::PaymentFailed { attempt, next_attempt_at: None, reason: None };
        assert!(!first.step(&failed(1), NOW).changes(&first));
        let second = first.step(&failed(2), day(3));
        assert_eq!(second.event.as_ref().map(|event| event.name()), Some("billing.payment_failed"));
        assert!(!second.next.step(&failed(2), day(3)).changes(&second.next));
        let action = DunningTrigger::ActionRequired { url: "https://bank.example/1".to_owned() };
        let asked = second.next.step(&action, day(3));
        assert_eq!(asked.event.as_ref().map(|event| event.name()), Some("billing.payment_action_required"));
        assert!(!asked.next.step(&action, day(4)).changes(&asked.next));
    }

    #[test]
    fn e31_timer_and_stripe_end_it_once() {
        let suspended = due(&due(&dunning("in_1"), day(7)), day(14));
        let by_timer = due(&suspended, day(21));
        let ended = DunningTrigger::SubscriptionEnded;
        assert!(!by_timer.step(&ended, day(21)).changes(&by_timer));
        let by_stripe = suspended.step(&ended, day(21)).next;
        assert_eq!(by_stripe, by_timer);
        assert!(!by_stripe.step(&DunningTrigger::Due, day(21)).changes(&by_stripe));
    }

    #[test]
    fn e32_one_of_two_paid_is_not_paid() {
        let (one, other) = (due(&dunning("in_1"), day(7)), dunning("in_2"));
        assert_eq!(worst(&[one.clone(), other.clone()]), Some(DunningState::Restricted));
        let paid = one.step(&DunningTrigger::InvoiceSettled, day(8)).next;
        assert_eq!(worst(&[paid.clone(), other.clone()]), Some(DunningState::Retrying));
        let both = other.step(&DunningTrigger::InvoiceSettled, day(8)).next;
        assert_eq!(worst(&[paid, both]), None);
    }

    #[test]
    fn what_is_paid_is_told_if_a_door_opens() {
        let quiet = dunning("in_1").step(&DunningTrigger::InvoiceSettled, day(1));
        assert_eq!((quiet.next.state, quiet.event), (DunningState::Resolved, None));
        let opened = due(&dunning("in_1"), day(7)).step(&DunningTrigger::InvoiceSettled, day(8));
        assert_eq!(opened.event.map(|event| event.name()), Some("billing.access_changed"));
    }

    fn trigger() -> impl Strategy<Value = DunningTrigger> {
        prop_oneof![
            1 => (1..8_u32).prop_map(|attempt| DunningTrigger::PaymentFailed {
                    attempt,
                    next_attempt_at: None,
                    reason: None
                }),
            1 => (0..3_u8).prop_map(|n| DunningTrigger::ActionRequired { url: format!("https://bank.example/{n}") }),
            6 => Just(DunningTrigger::Due),
            1 => Just(DunningTrigger::InvoiceSettled),
            1 => Just(DunningTrigger::SubscriptionEnded),
        ]
    }

    proptest! {
        #[test]
        fn no_order_of_happenings_leads_astray(
            happenings in prop::collection::vec((trigger(), 0..10_u32), 0..60),
        ) {
            let mut ladder = dunning("in_1");
            for (trigger, at) in happenings {
                let now = day(at * 3);
                let Transition { next, event } = ladder.step(&trigger, now);
                prop_assert!(next.state >= ladder.state, "never a step back");
                prop_assert!(next.attempts >= ladder.attempts);
                prop_assert!(ladder.state != DunningState::Resolved || next == ladder);
                prop_assert_eq!(next.next_at.is_some(), next.state.is_open());
                prop_assert_eq!(next.ended_at.is_some(), !next.state.is_open());
                if let (Some(before), Some(after)) = (ladder.next_at, next.next_at) {
                    prop_assert!(after >= before);
                    prop_assert!(next.state == ladder.state || now >= before, "not before its time");
                }
                if next.state.access() != ladder.state.access() && ladder.state != DunningState::Canceled {
                    prop_assert!(event.is_some());
                }
                prop_assert!(!next.step(&trigger, now).changes(&next) || trigger == DunningTrigger::Due,
                    "the same told twice is told once");
                ladder = next;
            }
        }
    }
}
