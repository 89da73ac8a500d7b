//! Calls to Stripe that change something: written down before they are made, and followed to their end.
//!
//! Stripe keeps an idempotency key for a day at least, and keeps with it whatever it answered, a failure of its own
//! included. So a call is repeated under its key while Stripe surely knows it; after that, or when the kept answer is such
//! a failure, what is there is looked at first, and only if nothing is there the call goes out under a new key.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{OrgId, StripeOpId, Timestamp};

/// How long a key is relied upon.
pub const KEY_LASTS: Duration = Duration::from_secs(20 * 3_600);
/// The first wait before a call is repeated; doubled by each one.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// A call to Stripe that was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StripeOp {
    /// Its id.
    pub id: StripeOpId,
    /// For whom.
    pub org: OrgId,
    /// What it does, such as `create_customer`.
    pub action: String,
    /// On what of ours it does that; one call a generation.
    pub entity: String,
    /// What it is made with, the same at each try.
    pub params: Value,
    /// Counts the keys.
    pub generation: u32,
    /// Where it stands.
    pub state: OpState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was sent first under the present key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sent_at: Option<Timestamp>,
    /// Stripe's id of what it made or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why Stripe will not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OpError>,
    /// When it was decided on.
    pub created_at: Timestamp,
    /// When the janitor must look at it; absent when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// Why Stripe will not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpError {
    /// Stripe's code.
    pub code: String,
    /// Stripe's words.
    pub message: String,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpState {
    /// It is to be made.
    Pending,
    /// It was made, and how it ended is not known.
    Sent,
    /// Its key says nothing any more; what is there must be looked at.
    Unknown,
    /// Stripe did it.
    Done,
    /// Stripe will not.
    Failed,
}

/// What is to be done for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Write [`OpTrigger::Sending`], then make it under [`StripeOp::key`].
    Send,
    /// List what there is by metadata, then step with what was found.
    LookUp,
    /// Nothing.
    Nothing,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpTrigger {
    /// It is about to be made.
    Sending,
    /// Stripe did it.
    Succeeded {
        /// Stripe's id of what it made or changed.
        result: String,
    },
    /// Stripe will not, whatever is repeated.
    Refused(OpError),
    /// No answer, or one that says to try again.
    Unavailable {
        /// Whether that answer is the one kept under the key.
        replayed: bool,
    },
    /// What it was to make is there.
    Found {
        /// Stripe's id of it.
        result: String,
    },
    /// What it was to make is not there.
    NotFound,
}

impl StripeOp {
    /// A call is decided on.
    #[must_use]
    pub fn new(
        id: StripeOpId,
        org: OrgId,
        action: &str,
        entity: &str,
        params: Value,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            org,
            action: action.to_owned(),
            entity: entity.to_owned(),
            params,
            generation: 1,
            state: OpState::Pending,
            attempts: 0,
            first_sent_at: None,
            result: None,
            error: None,
            created_at: now,
            next_at: Some(now + FIRST_WAIT),
        }
    }

    /// The idempotency key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}:{}:{}", self.action, self.org, self.entity, self.generation)
    }

    /// What is to be done for it now.
    #[must_use]
    pub fn next_call(&self, now: Timestamp) -> Call {
        match self.state {
            OpState::Pending => Call::Send,
            OpState::Sent if self.key_is_old(now) => Call::LookUp,
            OpState::Sent => Call::Send,
            OpState::Unknown => Call::LookUp,
            OpState::Done | OpState::Failed => Call::Nothing,
        }
    }

    /// What a trigger makes of it. What is over stays as it is.
    #[must_use]
    pub fn step(&self, trigger: &OpTrigger, now: Timestamp) -> Self {
        let next = self.clone();
        match (self.state, trigger) {
            (OpState::Pending | OpState::Sent, OpTrigger::Sending) if self.next_call(now) == Call::Send => {
                let attempts = self.attempts + 1;
                Self {
                    state: OpState::Sent,
                    attempts,
                    first_sent_at: Some(self.first_sent_at.unwrap_or(now)),
                    next_at: Some(now + wait(attempts)),
                    ..next
                }
            }
            (
                OpState::Sent | OpState::Unknown,
                OpTrigger::Succeeded { result } | OpTrigger::Found { result },
            ) => Self { state: OpState::Done, result: Some(result.clone()), next_at: None, ..next },
            (OpState::Sent | OpState::Unknown, OpTrigger::Refused(error)) => {
                Self { state: OpState::Failed, error: Some(error.clone()), next_at: None, ..next }
            }
            (OpState::Sent, OpTrigger::Unavailable { replayed: true }) => {
                Self { state: OpState::Unknown, next_at: Some(now), ..next }
            }
            (OpState::Sent | OpState::Unknown, OpTrigger::Unavailable { .. }) => {
                Self { next_at: Some(now + wait(self.attempts)), ..next }
            }
            (OpState::Sent | OpState::Unknown, OpTrigger::NotFound)
                if self.next_call(now) == Call::LookUp =>
            {
                Self {
                    state: OpState::Pending,
                    generation: self.generation + 1,
                    first_sent_at: None,
                    next_at: Some(now),
                    ..next
                }
            }
            _ => next,
        }
    }

    fn key_is_old(&self, now: Timestamp) -> bool {
        self.first_sent_at.is_some_and(|first| now.since(first) >= KEY_LASTS)
    }
}

fn wait(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn op() -> StripeOp {
        let (id, org) = (StripeOpId::from_ulid(1), OrgId::from_ulid(2));
        StripeOp::new(id, org, "create_customer", "account", Value::Null, NOW)
    }

    fn hours(hours: u64) -> Timestamp {
        NOW + Duration::from_secs(hours * 3_600)
    }

    #[test]
    fn e13_a_call_whose_answer_was_lost_is_repeated_under_its_key() {
        let sent = op().step(&OpTrigger::Sending, NOW);
        assert_eq!((sent.state, sent.next_call(hours(19))), (OpState::Sent, Call::Send));
        let again = sent.step(&OpTrigger::Sending, hours(19));
        assert_eq!((again.key(), again.attempts, again.first_sent_at), (sent.key(), 2, Some(NOW)));
        let done = again.step(&OpTrigger::Succeeded { result: "cus_1".to_owned() }, hours(19));
        assert_eq!(
            (done.state, done.next_call(hours(90)), done.next_at),
            (OpState::Done, Call::Nothing, None)
        );
    }

    #[test]
    fn after_twenty_hours_it_looks_before_it_repeats() {
        let sent = op().step(&OpTrigger::Sending, NOW);
        assert_eq!(sent.next_call(hours(20)), Call::LookUp);
        assert_eq!(sent.step(&OpTrigger::Sending, hours(20)), sent, "not blindly");
        let found = sent.step(&OpTrigger::Found { result: "cus_1".to_owned() }, hours(20));
        assert_eq!(found.state, OpState::Done);
        let new = sent.step(&OpTrigger::NotFound, hours(20));
        assert_eq!((new.state, new.generation), (OpState::Pending, 2));
        assert_ne!(new.key(), sent.key());
    }

    #[test]
    fn e15_a_failure_kept_under_the_key_is_looked_behind() {
        let sent = op().step(&OpTrigger::Sending, NOW);
        let passing = sent.step(&OpTrigger::Unavailable { replayed: false }, NOW);
        assert_eq!(passing.next_call(NOW), Call::Send);
        let kept = sent.step(&OpTrigger::Unavailable { replayed: true }, NOW);
        assert_eq!((kept.state, kept.next_call(NOW)), (OpState::Unknown, Call::LookUp));
    }

    #[test]
    fn e14_what_stripe_refuses_is_not_repeated() {
        let error = OpError { code: "idempotency_error".to_owned(), message: "other parameters".to_owned() };
        let failed = op().step(&OpTrigger::Sending, NOW).step(&OpTrigger::Refused(error), NOW);
        assert_eq!(
            (failed.state, failed.next_call(NOW), failed.next_at),
            (OpState::Failed, Call::Nothing, None)
        );
    }

    #[test]
    fn waits_grow_to_an_hour() {
        assert_eq!([1, 2, 3, 7, 90].map(|n| wait(n).as_secs()), [60, 120, 240, 3_600, 3_600]);
    }

    fn trigger() -> impl Strategy<Value = OpTrigger> {
        prop_oneof![
            4 => Just(OpTrigger::Sending),
            1 => Just(OpTrigger::Succeeded { result: "x".to_owned() }),
            1 => Just(OpTrigger::Refused(OpError { code: "c".to_owned(), message: "m".to_owned() })),
            3 => any::<bool>().prop_map(|replayed| OpTrigger::Unavailable { replayed }),
            1 => Just(OpTrigger::Found { result: "y".to_owned() }),
            2 => Just(OpTrigger::NotFound),
        ]
    }

    proptest! {
        /// A new key is taken only after a look, an end is an end, and whatever is not over is looked at again.
        #[test]
        fn no_order_of_answers_leads_astray(happenings in prop::collection::vec((trigger(), 0..60_u64), 0..60)) {
            let (mut op, mut clock) = (op(), 0);
            for (trigger, later) in happenings {
                clock += later;
                let next = op.step(&trigger, hours(clock));
                let is_over = |op: &StripeOp| matches!(op.state, OpState::Done | OpState::Failed);
                prop_assert!(!is_over(&op) || next == op);
                prop_assert_eq!(next.next_at.is_none(), is_over(&next));
                prop_assert_eq!(next.result.is_some(), next.state == OpState::Done);
                if next.generation != op.generation {
                    prop_assert_eq!(op.next_call(hours(clock)), Call::LookUp);
                    prop_assert_eq!(&trigger, &OpTrigger::NotFound);
                }
                op = next;
            }
        }
    }
}
