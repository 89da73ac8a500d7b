//! Rollups: the use of an hour as one value for Stripe, sent once and proved to have arrived.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::events::UsageSealed;
use super::usage::{UsageEntry, hour_of};
use super::{Micro, Transition};
use crate::{OrgId, Timestamp};

/// How long after its end an hour stays open.
pub const SEALED_AFTER: Duration = Duration::from_secs(3_600 + 300);
/// When a value whose arrival is not known is sent again; Stripe knows its identifier for a day at least.
const AGAIN: Duration = Duration::from_secs(60);
/// When Stripe may have forgotten the identifier, so that its sums must be asked first.
const FORGOTTEN: Duration = Duration::from_secs(20 * 3_600);
/// The tries after which people look.
const MOST_TRIES: u32 = 50;

/// The use of one meter in one hour, or what came later to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rollup {
    /// Whose.
    pub org: OrgId,
    /// What was used.
    pub meter: String,
    /// The hour's beginning.
    pub hour: Timestamp,
    /// Which part of the hour: 0, and one more for each that came late.
    pub sequence: u32,
    /// How much.
    pub quantity: Micro,
    /// Where it stands.
    pub state: RollupState,
    /// How often it was sent.
    pub tries: u32,
    /// When it was sent first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sent_at: Option<Timestamp>,
    /// Why it cannot be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it must be looked at; absent when it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// Where a rollup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollupState {
    /// Use still comes to it.
    Open,
    /// Nothing comes to it any more; it is to be sent.
    Sealed,
    /// A send is under way, or its answer was lost.
    Sent,
    /// It may have arrived long ago: Stripe's sums must be asked before it is sent again.
    Unknown,
    /// It has arrived, or there is nothing to send.
    Confirmed,
    /// Stripe will not have it; people look.
    Failed,
}

/// What happens to a rollup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollupTrigger {
    /// Use comes to it.
    Add(Micro),
    /// The sweep came by.
    Due,
    /// It is about to be sent.
    Sending,
    /// Stripe has it.
    Accepted,
    /// Stripe will not have it.
    Refused {
        /// Why.
        error: String,
    },
    /// Stripe's sums hold it.
    Found,
    /// Stripe's sums do not hold it.
    Missing,
}

impl Rollup {
    /// The first rollup of an entry's hour.
    #[must_use]
    pub fn open(entry: &UsageEntry) -> Self {
        let hour = hour_of(entry.at);
        Self {
            org: entry.org,
            meter: entry.meter.clone(),
            hour,
            sequence: 0,
            quantity: entry.quantity,
            state: RollupState::Open,
            tries: 0,
            first_sent_at: None,
            error: None,
            next_at: Some(hour + SEALED_AFTER),
        }
    }

    /// The rollup of an entry that came when the hour's last one was sealed. It is sealed in its turn after an hour.
    #[must_use]
    pub fn late(&self, entry: &UsageEntry, now: Timestamp) -> Self {
        let next_at = Some((self.hour + SEALED_AFTER).max(now + SEALED_AFTER));
        Self { sequence: self.sequence + 1, next_at, ..Self::open(entry) }
    }

    /// What Stripe knows the value by: the same one however often it is sent.
    #[must_use]
    pub fn identifier(&self) -> String {
        format!("{}:{}:{}:{}", self.org, self.meter, self.hour.as_secs(), self.sequence)
    }

    /// What a trigger makes of it. What does not fit changes nothing; [`RollupTrigger::Add`] fits an open one alone.
    #[must_use]
    pub fn step(&self, trigger: &RollupTrigger, now: Timestamp) -> Transition<Self> {
        let due = self.next_at.is_some_and(|next_at| next_at <= now);
        let next = self.clone();
        match (self.state, trigger) {
            (RollupState::Open, RollupTrigger::Add(quantity)) => {
                let quantity = Micro(self.quantity.0.saturating_add(quantity.0));
                Transition::quiet(Self { quantity, ..next })
            }
            // What adds up to nothing, or was taken back, is not worth a call.
            (RollupState::Open, RollupTrigger::Due) if due && self.quantity.0 == 0 => {
                Transition::quiet(Self { state: RollupState::Confirmed, next_at: None, ..next })
            }
            (RollupState::Open, RollupTrigger::Due) if due => {
                let event =
                    UsageSealed { meter: self.meter.clone(), hour: self.hour, sequence: self.sequence };
                let sealed = Self { state: RollupState::Sealed, next_at: Some(now + AGAIN), ..next };
                Transition::told(sealed, event)
            }
            (RollupState::Sealed | RollupState::Sent, RollupTrigger::Sending) => {
                let first_sent_at = Some(self.first_sent_at.unwrap_or(now));
                let (tries, next_at) = (self.tries + 1, Some(now + AGAIN));
                Transition::quiet(Self { state: RollupState::Sent, first_sent_at, tries, next_at, ..next })
            }
            (RollupState::Sent, RollupTrigger::Due)
                if due && self.first_sent_at.is_some_and(|first| now.since(first) >= FORGOTTEN) =>
            {
                Transition::quiet(Self { state: RollupState::Unknown, next_at: Some(now), ..next })
            }
            (RollupState::Sealed | RollupState::Sent, RollupTrigger::Due) if due => {
                let event =
                    UsageSealed { meter: self.meter.clone(), hour: self.hour, sequence: self.sequence };
                if self.tries >= MOST_TRIES {
                    let error = Some("sent too often without an answer".to_owned());
                    return Transition::quiet(Self {
                        state: RollupState::Failed,
                        error,
                        next_at: None,
                        ..next
                    });
                }
                Transition::told(
                    Self { next_at: Some(now + AGAIN.saturating_mul(self.tries + 1)), ..next },
                    event,
                )
            }
            (RollupState::Sent | RollupState::Unknown, RollupTrigger::Accepted | RollupTrigger::Found) => {
                Transition::quiet(Self { state: RollupState::Confirmed, next_at: None, ..next })
            }
            (RollupState::Sent | RollupState::Unknown, RollupTrigger::Refused { error }) => {
                let error = Some(error.clone());
                Transition::quiet(Self { state: RollupState::Failed, error, next_at: None, ..next })
            }
            (RollupState::Unknown, RollupTrigger::Missing) => {
                let sealed = Self {
                    state: RollupState::Sealed,
                    first_sent_at: None,
                    next_at: Some(now + AGAIN),
                    ..next
                };
                let event =
                    UsageSealed { meter: self.meter.clone(), hour: self.hour, sequence: self.sequence };
                Transition::told(sealed, event)
            }
            _ => Transition::quiet(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::Product;

    const HOUR: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn entry(quantity: i64, at: Timestamp) -> UsageEntry {
        UsageEntry {
            id: "u".to_owned(),
            org: OrgId::from_ulid(1),
            product: Product::Campaigns,
            meter: "sms_segments".to_owned(),
            quantity: Micro::whole(quantity),
            at,
            told_at: at,
            source: "test".to_owned(),
            void_of: None,
        }
    }

    fn secs(secs: u64) -> Timestamp {
        HOUR + Duration::from_secs(secs)
    }

    #[test]
    fn an_hour_is_sealed_sent_and_confirmed() {
        let open = Rollup::open(&entry(2, secs(1_800)));
        let open = open.step(&RollupTrigger::Add(Micro::whole(3)), secs(1_900)).next;
        assert!(!open.step(&RollupTrigger::Due, secs(3_899)).changes(&open));
        let sealed = open.step(&RollupTrigger::Due, secs(3_900));
        assert_eq!(sealed.event.as_ref().map(|event| event.name()), Some("billing.usage_sealed"));
        let sealed = sealed.next;
        assert!(!sealed.step(&RollupTrigger::Add(Micro::whole(1)), secs(3_900)).changes(&sealed));
        let sent = sealed.step(&RollupTrigger::Sending, secs(3_901)).next;
        assert_eq!(sent.identifier(), open.identifier());
        let confirmed = sent.step(&RollupTrigger::Accepted, secs(3_902)).next;
        assert_eq!(
            (confirmed.state, confirmed.next_at, confirmed.quantity),
            (RollupState::Confirmed, None, Micro::whole(5))
        );
    }

    #[test]
    fn e39_what_comes_after_sealing_is_a_part_of_its_own() {
        let sealed = Rollup::open(&entry(2, HOUR)).step(&RollupTrigger::Due, secs(3_900)).next;
        let late = sealed.late(&entry(1, secs(10)), secs(10_000));
        assert_eq!((late.sequence, late.hour, late.quantity), (1, HOUR, Micro::whole(1)));
        assert_ne!(late.identifier(), sealed.identifier());
        assert_eq!(late.next_at, Some(secs(10_000 + 3_900)));
    }

    #[test]
    fn e41_a_send_of_yesterday_is_compared_before_it_is_repeated() {
        let sealed = Rollup::open(&entry(2, HOUR)).step(&RollupTrigger::Due, secs(3_900)).next;
        let sent = sealed.step(&RollupTrigger::Sending, secs(4_000)).next;
        let soon = sent.step(&RollupTrigger::Due, secs(4_060));
        assert_eq!((soon.next.state, soon.event.is_some()), (RollupState::Sent, true), "sent again at once");
        let later = sent.step(&RollupTrigger::Due, secs(4_000 + 25 * 3_600)).next;
        assert_eq!(later.state, RollupState::Unknown);
        assert!(!later.step(&RollupTrigger::Sending, secs(100_000)).changes(&later), "not blindly");
        assert_eq!(later.step(&RollupTrigger::Found, secs(100_000)).next.state, RollupState::Confirmed);
        let again = later.step(&RollupTrigger::Missing, secs(100_000)).next;
        assert_eq!((again.state, again.first_sent_at), (RollupState::Sealed, None));
    }

    fn trigger() -> impl Strategy<Value = RollupTrigger> {
        prop_oneof![
            1 => (-5..5_i64).prop_map(|units| RollupTrigger::Add(Micro::whole(units))),
            3 => Just(RollupTrigger::Due),
            3 => Just(RollupTrigger::Sending),
            1 => Just(RollupTrigger::Accepted),
            1 => Just(RollupTrigger::Refused { error: "no".to_owned() }),
            1 => Just(RollupTrigger::Found),
            1 => Just(RollupTrigger::Missing),
        ]
    }

    proptest! {
        #[test]
        fn what_is_sealed_never_changes_and_what_is_over_is_over(
            happenings in prop::collection::vec((trigger(), 0..50_u64), 0..60),
        ) {
            let mut rollup = Rollup::open(&entry(1, HOUR));
            for (trigger, hours) in happenings {
                let next = rollup.step(&trigger, secs(hours * 3_600)).next;
                let over = matches!(rollup.state, RollupState::Confirmed | RollupState::Failed);
                prop_assert!(!over || next == rollup);
                prop_assert!(rollup.state == RollupState::Open || next.quantity == rollup.quantity);
                prop_assert_eq!(next.identifier(), rollup.identifier());
                prop_assert_eq!(
                    next.next_at.is_none(), matches!(next.state, RollupState::Confirmed | RollupState::Failed));
                rollup = next;
            }
        }
    }
}
