//! Checkouts: a slot for each product, so that at most one session is open and nobody buys a product twice.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::catalog;
use super::events::CheckoutCompleted;
use super::{Product, Transition};
use crate::{OrgId, Refusal, Timestamp};

/// How long a session is open at Stripe.
pub const SESSION_LASTS: Duration = Duration::from_secs(3_600);
/// When an opening whose call was lost is looked at.
const OPENING_GRACE: Duration = Duration::from_secs(120);
/// When a slot is looked at whose session ended or was paid without any word from Stripe.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// The one place for an organisation's checkout of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckoutSlot {
    /// Whose.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// Where it stands.
    pub state: SlotState,
    /// Counts the sessions; part of the idempotency key of each.
    pub attempt: u32,
    /// The lookup key of what is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// How many.
    pub quantity: u64,
    /// Stripe's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Where the customer pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Until when the session is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_valid_until: Option<Timestamp>,
    /// When the state was entered.
    pub since: Timestamp,
    /// When it must be looked at; absent when it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Nothing was opened, or opening failed.
    Free,
    /// A session is being made.
    Opening,
    /// The customer may pay.
    Open,
    /// The customer has finished; the subscription is not seen yet.
    Completing,
    /// The subscription is seen.
    Done,
    /// The session's time ran out.
    Expired,
    /// Another price was wanted, or the customer gave it up.
    Superseded,
}

/// What somebody wants to buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The price's lookup key.
    pub price: String,
    /// How many.
    pub quantity: u64,
    /// Whether the organisation has a living subscription of the product.
    pub subscribed: bool,
}

/// How a wish is fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Write this slot, then make its session.
    Open(CheckoutSlot),
    /// Somebody is making the session: make it too, with the same key, and get the same one.
    Join,
    /// The open session is the wanted one.
    Reuse,
    /// Close the open session, step with what came of that, and ask again.
    Supersede,
}

/// What happens to a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotTrigger {
    /// Stripe made the session.
    Opened {
        /// Stripe's session.
        session: String,
        /// Where the customer pays.
        url: String,
        /// Until when.
        valid_until: Timestamp,
    },
    /// Stripe will not make it.
    OpenFailed,
    /// The customer has finished, by an event, the return page or the answer to closing it.
    Completed {
        /// Which session.
        session: String,
    },
    /// The subscription is mirrored.
    Projected,
    /// The session's time ran out.
    Expired {
        /// Which session.
        session: String,
    },
    /// The session was closed for another one, or by its customer.
    Superseded {
        /// Which session.
        session: String,
    },
    /// The sweep looked, and Stripe says that nothing has changed.
    Unchanged,
}

impl CheckoutSlot {
    /// A slot in which nothing was ever opened.
    #[must_use]
    pub fn free(org: OrgId, product: Product, now: Timestamp) -> Self {
        Self {
            org,
            product,
            state: SlotState::Free,
            attempt: 0,
            price: None,
            quantity: 0,
            session: None,
            url: None,
            session_valid_until: None,
            since: now,
            next_at: None,
        }
    }

    /// The idempotency key of the present session: two who open it at once get one.
    #[must_use]
    pub fn key(&self) -> String {
        format!("checkout:{}:{}:{}", self.org, self.product, self.attempt)
    }

    /// Somebody wants to buy.
    ///
    /// # Errors
    /// 422 at `/price` or `/quantity`; 409 `already_subscribed`, `checkout_completing`, and `checkout_opening` while a
    /// session of another price is being made.
    pub fn want(&self, wanted: &Wanted, now: Timestamp) -> Result<Wish, Refusal> {
        let known = catalog().price(&wanted.price).is_some_and(|price| price.product == self.product);
        if !known {
            return Err(Refusal::invalid(
                "/price",
                format!("expected the lookup key of a price of {}", self.product),
            ));
        }
        if wanted.quantity == 0 {
            return Err(Refusal::invalid("/quantity", "expected at least 1"));
        }
        if wanted.subscribed {
            let message =
                format!("The organisation has a subscription of {}; change that one.", self.product);
            return Err(Refusal::conflict("already_subscribed", message));
        }
        let same = self.price.as_ref() == Some(&wanted.price) && self.quantity == wanted.quantity;
        match self.state {
            SlotState::Opening if same => Ok(Wish::Join),
            SlotState::Opening => {
                let message = "A checkout of another price is being opened; try again in a moment.";
                Err(Refusal::conflict("checkout_opening", message))
            }
            SlotState::Open if same && self.session_valid_until.is_some_and(|until| now < until) => {
                Ok(Wish::Reuse)
            }
            SlotState::Open => Ok(Wish::Supersede),
            SlotState::Completing => {
                let message = "A checkout of the product was finished and is being settled.";
                Err(Refusal::conflict("checkout_completing", message))
            }
            SlotState::Free | SlotState::Done | SlotState::Expired | SlotState::Superseded => {
                Ok(Wish::Open(self.opening(wanted, now)))
            }
        }
    }

    /// What a trigger makes of it. What is about another session, or comes too late, changes nothing.
    #[must_use]
    pub fn step(&self, trigger: &SlotTrigger, now: Timestamp) -> Transition<Self> {
        let ours = |session: &String| self.session.as_ref() == Some(session);
        match (self.state, trigger) {
            (SlotState::Opening, SlotTrigger::Opened { session, url, valid_until }) => {
                Transition::quiet(Self {
                    session: Some(session.clone()),
                    url: Some(url.clone()),
                    session_valid_until: Some(*valid_until),
                    next_at: Some(*valid_until),
                    ..self.entered(SlotState::Open, now)
                })
            }
            (SlotState::Opening, SlotTrigger::OpenFailed) => {
                Transition::quiet(self.entered(SlotState::Free, now))
            }
            // The event may overtake the answer to the call that made the session.
            (SlotState::Opening, SlotTrigger::Completed { session }) => {
                Self { session: Some(session.clone()), ..self.clone() }.completing(now)
            }
            // A payment that was made counts, though the clock or another wish was faster here.
            (
                SlotState::Open | SlotState::Expired | SlotState::Superseded,
                SlotTrigger::Completed { session },
            ) if ours(session) => self.completing(now),
            (SlotState::Open | SlotState::Completing, SlotTrigger::Projected) => {
                Transition::quiet(self.entered(SlotState::Done, now))
            }
            (SlotState::Open, SlotTrigger::Expired { session }) if ours(session) => {
                Transition::quiet(self.entered(SlotState::Expired, now))
            }
            (SlotState::Open, SlotTrigger::Superseded { session }) if ours(session) => {
                Transition::quiet(self.entered(SlotState::Superseded, now))
            }
            (SlotState::Opening | SlotState::Open | SlotState::Completing, SlotTrigger::Unchanged) => {
                let looked = self.next_at.is_some_and(|next_at| next_at <= now);
                let next_at = if looked { Some(now + SILENCE) } else { self.next_at };
                Transition::quiet(Self { next_at, ..self.clone() })
            }
            _ => Transition::quiet(self.clone()),
        }
    }

    fn opening(&self, wanted: &Wanted, now: Timestamp) -> Self {
        Self {
            attempt: self.attempt + 1,
            price: Some(wanted.price.clone()),
            quantity: wanted.quantity,
            session: None,
            url: None,
            session_valid_until: None,
            next_at: Some(now + OPENING_GRACE),
            ..self.entered(SlotState::Opening, now)
        }
    }

    fn completing(&self, now: Timestamp) -> Transition<Self> {
        let slot = Self { next_at: Some(now + SILENCE), ..self.entered(SlotState::Completing, now) };
        let event = CheckoutCompleted {
            product: self.product,
            price: self.price.clone().unwrap_or_default(),
            attempt: self.attempt,
        };
        Transition::told(slot, event)
    }

    fn entered(&self, state: SlotState, now: Timestamp) -> Self {
        Self { state, since: now, next_at: None, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const LAUNCH: &str = "hosting_launch_month_usd";
    const GROWTH: &str = "hosting_growth_month_usd";

    fn wanted(price: &str) -> Wanted {
        Wanted { price: price.to_owned(), quantity: 1, subscribed: false }
    }

    fn free() -> CheckoutSlot {
        CheckoutSlot::free(OrgId::from_ulid(1), Product::Hosting, NOW)
    }

    fn opening(slot: &CheckoutSlot, price: &str) -> CheckoutSlot {
        match slot.want(&wanted(price), NOW) {
            Ok(Wish::Open(slot)) => slot,
            other => panic!("{other:?}"),
        }
    }

    fn opened(session: &str) -> SlotTrigger {
        SlotTrigger::Opened {
            session: session.to_owned(),
            url: format!("https://checkout.example/{session}"),
            valid_until: NOW + SESSION_LASTS,
        }
    }

    fn open(price: &str, session: &str) -> CheckoutSlot {
        opening(&free(), price).step(&opened(session), NOW).next
    }

    #[test]
    fn e1_two_at_once_for_one_price_share_key_and_session() {
        let slot = opening(&free(), LAUNCH);
        assert_eq!(slot.want(&wanted(LAUNCH), NOW), Ok(Wish::Join));
        assert_eq!(slot.key(), slot.clone().key());
        let slot = slot.step(&opened("cs_1"), NOW).next;
        assert_eq!(slot.want(&wanted(LAUNCH), NOW), Ok(Wish::Reuse));
        assert_eq!(slot.want(&wanted(LAUNCH), NOW + SESSION_LASTS), Ok(Wish::Supersede));
    }

    #[test]
    fn e2_another_price_waits_or_supersedes() {
        let refusal = opening(&free(), LAUNCH).want(&wanted(GROWTH), NOW).expect_err("two at once");
        assert_eq!(refusal.code, "checkout_opening");
        let slot = open(LAUNCH, "cs_1");
        assert_eq!(slot.want(&wanted(GROWTH), NOW), Ok(Wish::Supersede));
        let closed = slot.step(&SlotTrigger::Superseded { session: "cs_1".to_owned() }, NOW).next;
        let again = opening(&closed, GROWTH);
        assert_eq!((again.attempt, again.session.clone()), (2, None));
        assert_ne!(again.key(), closed.key());
    }

    #[test]
    fn a_session_that_was_paid_while_it_was_closed_is_settled() {
        let slot = open(LAUNCH, "cs_1");
        let completed = SlotTrigger::Completed { session: "cs_1".to_owned() };
        let Transition { next, event } = slot.step(&completed, NOW);
        assert_eq!(next.state, SlotState::Completing);
        assert_eq!(event.map(|event| event.name()), Some("billing.checkout_completed"));
        assert_eq!(next.want(&wanted(GROWTH), NOW).map_err(|no| no.code), Err("checkout_completing"));
        assert!(!next.step(&completed, NOW).changes(&next), "twice is once");
        let done = next.step(&SlotTrigger::Projected, NOW).next;
        assert_eq!((done.state, done.next_at), (SlotState::Done, None));
        assert!(!done.step(&completed, NOW).changes(&done), "a late event opens nothing again");
    }

    #[test]
    fn what_is_about_another_session_changes_nothing() {
        let slot = open(LAUNCH, "cs_2");
        for trigger in [
            SlotTrigger::Completed { session: "cs_1".to_owned() },
            SlotTrigger::Expired { session: "cs_1".to_owned() },
            SlotTrigger::Superseded { session: "cs_1".to_owned() },
            SlotTrigger::OpenFailed,
            opened("cs_3"),
        ] {
            assert!(!slot.step(&trigger, NOW).changes(&slot), "{trigger:?}");
        }
    }

    #[test]
    fn only_what_is_sold_and_not_had_can_be_bought() {
        let refused = |wanted: &Wanted| free().want(wanted, NOW).map_err(|no| no.code);
        assert_eq!(refused(&wanted("costs_pro_month_usd")), Err("invalid"));
        assert_eq!(refused(&wanted("hosting_trial_month_usd")), Err("invalid"));
        assert_eq!(refused(&Wanted { quantity: 0, ..wanted(LAUNCH) }), Err("invalid"));
        assert_eq!(refused(&Wanted { subscribed: true, ..wanted(LAUNCH) }), Err("already_subscribed"));
    }

    #[test]
    fn a_lost_opening_is_looked_at_and_a_failed_one_is_forgotten() {
        let slot = opening(&free(), LAUNCH);
        assert_eq!(slot.next_at, Some(NOW + OPENING_GRACE));
        let failed = slot.step(&SlotTrigger::OpenFailed, NOW).next;
        assert_eq!((failed.state, failed.next_at), (SlotState::Free, None));
        assert_eq!(opening(&failed, LAUNCH).attempt, 2, "the failure may be stored under the first key");
        assert!(!slot.step(&SlotTrigger::Unchanged, NOW).changes(&slot), "not due");
        let looked = slot.step(&SlotTrigger::Unchanged, NOW + OPENING_GRACE).next;
        assert_eq!(looked.next_at, Some(NOW + OPENING_GRACE + SILENCE));
    }
}
