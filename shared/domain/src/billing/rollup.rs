//! Rollups: the use of an hour as one value for Stripe, sent once and proved to have arrived.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::events::UsageSealed;
use super::usage::{LATEST, MOST, UsageEntry, hour_of};
use super::{Micro, Transition};
use crate::{OrgId, Timestamp};

/// How long after its end an hour stays open.
pub const SEALED_AFTER: Duration = Duration::from_secs(3_600 + 300);
/// When a value whose arrival is not known is sent again; Stripe knows its identifier for a day at least.
const AGAIN: Duration = Duration::from_secs(60);
/// When Stripe may have forgotten the identifier, so that its sums must be asked first.
const FORGOTTEN: Duration = Duration::from_secs(20 * 3_600);
/// How long before Stripe takes an hour no more it is sealed, however new what came to it is.
const MARGIN: Duration = Duration::from_secs(3_600);
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
    /// When it was closed before its hour was over, because the subscription ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
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
    /// Nobody pays for it: the organisation is no customer.
    Unbilled,
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
    /// The subscription that pays for it is about to end.
    Closing,
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
    /// There is nobody to send it for.
    Unbilled,
}

/// What Stripe's sum of an hour says about one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is in the sum.
    Found,
    /// It is not.
    Missing,
    /// The sum can be explained with it and without it, or not at all.
    Unclear,
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
            closed_at: None,
            error: None,
            next_at: Some(sealed_at(hour, entry.told_at)),
        }
    }

    /// Whether an entry comes to it: it is open, and stays a value that Stripe can hold.
    #[must_use]
    pub fn takes(&self, quantity: Micro) -> bool {
        self.state == RollupState::Open && self.quantity.0.saturating_add(quantity.0) <= MOST.0
    }

    /// The moment that Stripe is told: the hour's last second. An hour in which a period ends belongs to the next one then,
    /// whose invoice is still to come. What was closed early belongs to the period that ends, perhaps in the same second: a
    /// period does not hold the second that it ends in.
    #[must_use]
    pub fn used_at(&self) -> Timestamp {
        let last = self.hour + Duration::from_secs(3_599);
        self.closed_at.map_or(last, |closed_at| last.min(closed_at - Duration::from_secs(1)))
    }

    /// Whether nothing happens to it any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, RollupState::Confirmed | RollupState::Unbilled | RollupState::Failed)
    }

    /// The rollup of an entry that came when the hour's last one was sealed. It is sealed in its turn after an hour.
    #[must_use]
    pub fn late(&self, entry: &UsageEntry, now: Timestamp) -> Self {
        Self { sequence: self.sequence + 1, next_at: Some(sealed_at(self.hour, now)), ..Self::open(entry) }
    }

    /// What Stripe knows the value by: the same one however often it is sent.
    #[must_use]
    pub fn identifier(&self) -> String {
        format!("{}:{}:{}:{}", self.org, self.meter, self.hour.as_secs(), self.sequence)
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        self.first_sent_at.is_some_and(|first| now.since(first) >= FORGOTTEN)
    }

    fn sealed(&self) -> UsageSealed {
        UsageSealed { meter: self.meter.clone(), hour: self.hour, sequence: self.sequence }
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
                let sealed = Self { state: RollupState::Sealed, next_at: Some(now + AGAIN), ..next };
                Transition::told(sealed, self.sealed())
            }
            (RollupState::Open, RollupTrigger::Closing) if self.quantity.0 != 0 => {
                let sealed = Self {
                    state: RollupState::Sealed,
                    closed_at: Some(now),
                    next_at: Some(now + AGAIN),
                    ..next
                };
                Transition::told(sealed, self.sealed())
            }
            // Whoever would send it now could not rely on its identifier any more.
            (RollupState::Sent, RollupTrigger::Sending) if self.is_forgotten(now) => {
                Transition::quiet(Self { state: RollupState::Unknown, next_at: Some(now + AGAIN), ..next })
            }
            (RollupState::Sealed | RollupState::Sent, RollupTrigger::Sending) => {
                let first_sent_at = Some(self.first_sent_at.unwrap_or(now));
                let (tries, next_at) = (self.tries + 1, Some(now + AGAIN));
                Transition::quiet(Self { state: RollupState::Sent, first_sent_at, tries, next_at, ..next })
            }
            (RollupState::Sent, RollupTrigger::Due) if due && self.is_forgotten(now) => {
                let unknown = Self { state: RollupState::Unknown, next_at: Some(now + AGAIN), ..next };
                Transition::told(unknown, self.sealed())
            }
            (RollupState::Unknown, RollupTrigger::Due) if due => {
                let wait = now.since(self.first_sent_at.unwrap_or(now)).min(FORGOTTEN) / 20;
                Transition::told(Self { next_at: Some(now + AGAIN.max(wait)), ..next }, self.sealed())
            }
            (RollupState::Sealed | RollupState::Sent, RollupTrigger::Due) if due => {
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
                    self.sealed(),
                )
            }
            (RollupState::Sent | RollupState::Unknown, RollupTrigger::Accepted | RollupTrigger::Found) => {
                Transition::quiet(Self { state: RollupState::Confirmed, next_at: None, ..next })
            }
            (RollupState::Sealed, RollupTrigger::Unbilled) => {
                Transition::quiet(Self { state: RollupState::Unbilled, next_at: None, ..next })
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
                Transition::told(sealed, self.sealed())
            }
            _ => Transition::quiet(next),
        }
    }
}

/// When an hour is sealed that something came to now.
fn sealed_at(hour: Timestamp, now: Timestamp) -> Timestamp {
    let usual = hour + SEALED_AFTER;
    if usual > now {
        return usual;
    }
    (now + SEALED_AFTER).min((hour + LATEST - MARGIN).max(now))
}

/// Whether a part of an hour is in Stripe's sum of it. `left` is that sum without the parts that are known to have arrived,
/// `others` the further parts of which that is not known.
#[must_use]
pub fn arrival(part: Micro, others: &[Micro], left: Micro) -> Arrival {
    /// More parts of one hour in doubt than this, and people look.
    const MOST_OTHERS: usize = 10;
    if others.len() > MOST_OTHERS {
        return Arrival::Unclear;
    }
    let sums = (0..1_u32 << others.len()).map(|chosen| {
        let chosen = others.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0);
        chosen.map(|(_, other)| i128::from(other.0)).sum::<i128>()
    });
    let (part, left) = (i128::from(part.0), i128::from(left.0));
    let (mut with, mut without) = (false, false);
    for sum in sums {
        with |= sum + part == left;
        without |= sum == left;
    }
    match (with, without) {
        (true, false) => Arrival::Found,
        (false, true) => Arrival::Missing,
        _ => Arrival::Unclear,
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
            part: None,
            flag: None,
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
        let redriven = sent.step(&RollupTrigger::Sending, secs(4_000 + 25 * 3_600)).next;
        assert_eq!(
            (redriven.state, redriven.tries),
            (RollupState::Unknown, sent.tries),
            "nor by a late message"
        );
        assert!(
            later.step(&RollupTrigger::Due, secs(200_000)).event.is_some(),
            "the question is asked again"
        );
        assert!(!later.step(&RollupTrigger::Sending, secs(100_000)).changes(&later), "not blindly");
        assert_eq!(later.step(&RollupTrigger::Found, secs(100_000)).next.state, RollupState::Confirmed);
        let again = later.step(&RollupTrigger::Missing, secs(100_000)).next;
        assert_eq!((again.state, again.first_sent_at), (RollupState::Sealed, None));
    }

    #[test]
    fn an_hour_that_stripe_soon_takes_no_more_is_sealed_at_once() {
        let told = HOUR + LATEST - Duration::from_secs(60);
        let entry = UsageEntry { told_at: told, ..entry(1, HOUR) };
        assert_eq!(Rollup::open(&entry).next_at, Some(told));
        let usual = UsageEntry { told_at: HOUR + Duration::from_secs(20 * 3_600), ..entry };
        assert_eq!(Rollup::open(&usual).next_at, Some(usual.told_at + SEALED_AFTER));
    }

    #[test]
    fn e42_a_part_holds_no_more_than_stripe_does() {
        let full = Rollup { quantity: MOST, ..Rollup::open(&entry(0, HOUR)) };
        assert!(full.takes(Micro(0)) && !full.takes(Micro(1)));
    }

    #[test]
    fn e41_a_sum_tells_whether_a_part_arrived_unless_others_explain_it() {
        let judge = |part, others: &[i64], left| {
            let others: Vec<Micro> = others.iter().copied().map(Micro).collect();
            arrival(Micro(part), &others, Micro(left))
        };
        assert_eq!(judge(5, &[], 5), Arrival::Found);
        assert_eq!(judge(5, &[], 0), Arrival::Missing);
        assert_eq!(judge(5, &[], 3), Arrival::Unclear);
        assert_eq!(judge(5, &[2], 5), Arrival::Found);
        assert_eq!(judge(5, &[2], 2), Arrival::Missing);
        assert_eq!(judge(5, &[2, 3], 5), Arrival::Unclear);
        assert_eq!(judge(5, &[5], 5), Arrival::Unclear);
        assert_eq!(judge(5, &[5], 10), Arrival::Found);
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
            1 => Just(RollupTrigger::Unbilled),
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
                prop_assert!(!rollup.is_over() || next == rollup);
                prop_assert!(rollup.state == RollupState::Open || next.quantity == rollup.quantity);
                prop_assert_eq!(next.identifier(), rollup.identifier());
                prop_assert_eq!(next.next_at.is_none(), next.is_over());
                rollup = next;
            }
        }
    }
}
