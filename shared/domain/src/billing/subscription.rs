//! Subscriptions, as Stripe has them.
//!
//! Stripe is the truth: an event is only a hint to fetch the object, and what was fetched replaces what is here. So the
//! state after any number of events in any order is that of the last fetch.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::{Interval, catalog};
use super::events::{
    SubscriptionActivated, SubscriptionCanceled, SubscriptionChange, SubscriptionChanged, SubscriptionPastDue,
};
use super::{BillingEvent, Currency, Product};
use crate::{OrgId, QuoteId, Refusal, Timestamp};

/// An organisation's subscription of a product. There is one at a time; those before it are history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    /// Whose.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// Which subscription of the product it is, from 1.
    pub generation: u32,
    /// The plan; empty for a price that is not in the catalogue.
    pub plan: String,
    /// When its first invoice was paid; before that it entitles to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_paid_at: Option<Timestamp>,
    /// The quote whose change is being made: until that is over, nothing else is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changing: Option<QuoteId>,
    /// What Stripe says.
    #[serde(flatten)]
    pub observed: Observed,
}

/// What Stripe says of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// Stripe's id.
    pub stripe_id: String,
    /// Its status.
    pub status: SubscriptionStatus,
    /// The lookup key of its price.
    pub price: String,
    /// How many.
    pub quantity: u64,
    /// All its items, metered ones included.
    pub items: Vec<SubscriptionItem>,
    /// In which currency, for its whole life.
    pub currency: Currency,
    /// How often it is paid.
    pub interval: Interval,
    /// When it began.
    pub started_at: Timestamp,
    /// When the present period began.
    pub period_start: Timestamp,
    /// When the present period ends.
    pub period_end: Timestamp,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
    /// When it is to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
    /// When its end was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it is to become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// The schedule that leads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Its newest invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_invoice: Option<String>,
    /// When that was paid; an invoice of nothing is paid when it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// What it is paid with, if not with the customer's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_payment_method: Option<String>,
}

/// One line of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionItem {
    /// Stripe's id of the item.
    pub id: String,
    /// Stripe's id of its price.
    pub price: String,
    /// The price's lookup key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_key: Option<String>,
    /// How many; none for use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
}

/// A subscription's status, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// The first payment is not made yet.
    Incomplete,
    /// The first payment was not made in time.
    IncompleteExpired,
    /// Stripe's own trial.
    Trialing,
    /// Paid.
    Active,
    /// A renewal is not paid and is tried again.
    PastDue,
    /// A renewal is not paid and is not tried again.
    Unpaid,
    /// Neither used nor paid for a while.
    Paused,
    /// Over.
    Canceled,
    /// One that came after us.
    #[serde(untagged)]
    Other(String),
}

/// What a subscription is to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "waits_for", rename_all = "snake_case")]
pub enum Pending {
    /// As soon as it is paid.
    Payment {
        /// The price's lookup key.
        price: String,
        /// How many.
        quantity: u64,
        /// Until when it can be paid.
        valid_until: Timestamp,
    },
    /// When its time comes.
    Time {
        /// The price's lookup key.
        price: String,
        /// How many.
        quantity: u64,
        /// When.
        at: Timestamp,
    },
}

/// What a look at Stripe makes of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The subscription to write.
    pub next: Subscription,
    /// The one that it replaces, which goes to the history.
    pub closed: Option<Subscription>,
    /// What the write tells.
    pub event: Option<BillingEvent>,
}

impl SubscriptionStatus {
    /// Whether nothing follows it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

impl Subscription {
    /// What was fetched takes the place of what is here.
    ///
    /// # Errors
    /// 409 `second_subscription` when another one is alive here: whoever asks ends and refunds the one that was fetched.
    pub fn project(
        previous: Option<&Self>,
        org: OrgId,
        product: Product,
        observed: Observed,
    ) -> Result<Projection, Refusal> {
        let same = previous.filter(|previous| previous.observed.stripe_id == observed.stripe_id);
        let other = previous.filter(|_| same.is_none());
        if let Some(other) = other {
            // Whoever left and came back: what is over has been paid for, and is no second one.
            let is_over = observed.status.is_final();
            if is_over && observed.started_at < other.observed.started_at {
                return Ok(Projection { next: other.clone(), closed: None, event: None });
            }
            if other.is_live() {
                let message = format!("The organisation has another living subscription of {product}.");
                return Err(Refusal::conflict("second_subscription", message)
                    .with("subscription", other.observed.stripe_id.as_str()));
            }
            // An old one's late events do not bring it back into the place of a newer one.
            if is_over && observed.started_at <= other.observed.started_at {
                return Ok(Projection { next: other.clone(), closed: None, event: None });
            }
        }
        // Nothing leaves its end, whatever a stale answer says.
        if let Some(ended) = same.filter(|same| !same.is_live() && !observed.status.is_final()) {
            return Ok(Projection { next: ended.clone(), closed: None, event: None });
        }
        let generation = match (same, other) {
            (Some(same), _) => same.generation,
            (None, Some(other)) => other.generation + 1,
            (None, None) => 1,
        };
        let plan = catalog()
            .price(&observed.price)
            .filter(|price| price.product == product)
            .map(|price| price.plan.name.clone())
            .or_else(|| same.map(|same| same.plan.clone()))
            .unwrap_or_default();
        let first_paid_at = same.and_then(|same| same.first_paid_at).or(observed.paid_at);
        let changing = same.and_then(|same| same.changing);
        let next = Self { org, product, generation, plan, first_paid_at, changing, observed };
        let event = next.told_after(same, other);
        Ok(Projection { next, closed: other.cloned(), event })
    }

    /// Whether it is not over.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.observed.status.is_final()
    }

    /// The item that carries the plan, as opposed to use.
    #[must_use]
    pub fn plan_item(&self) -> Option<&SubscriptionItem> {
        let by_key = |item: &&SubscriptionItem| item.lookup_key.as_deref() == Some(&self.observed.price);
        self.observed
            .items
            .iter()
            .find(by_key)
            .or_else(|| self.observed.items.iter().find(|item| item.quantity.is_some()))
    }

    /// The one event that tells the difference; the weightiest, as a write carries one.
    fn told_after(&self, before: Option<&Self>, closed: Option<&Self>) -> Option<BillingEvent> {
        let (now, product, plan) = (&self.observed, self.product, self.plan.clone());
        if now.status.is_final() {
            let news = before.is_none_or(Self::is_live);
            return news.then(|| {
                SubscriptionCanceled {
                    product,
                    plan,
                    generation: self.generation,
                    ended_at: now.ended_at.or(now.canceled_at).unwrap_or(now.period_end),
                    was_paid: self.first_paid_at.is_some(),
                }
                .into()
            });
        }
        if self.first_paid_at.is_some() && before.is_none_or(|before| before.first_paid_at.is_none()) {
            let event = SubscriptionActivated {
                product,
                plan,
                price: now.price.clone(),
                quantity: now.quantity,
                generation: self.generation,
                period_end: now.period_end,
                previous_plan: closed.map(|closed| closed.plan.clone()),
            };
            return Some(event.into());
        }
        let before = before?;
        let owes = |status: &SubscriptionStatus| {
            matches!(status, SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid)
        };
        if owes(&now.status) && !owes(&before.observed.status) {
            return Some(SubscriptionPastDue { product, plan, invoice: now.latest_invoice.clone() }.into());
        }
        let changes = self.changes(before);
        (!changes.is_empty()).then(|| {
            SubscriptionChanged {
                product,
                changes,
                plan,
                previous_plan: before.plan.clone(),
                price: now.price.clone(),
                quantity: now.quantity,
                status: now.status.clone(),
                period_end: now.period_end,
                cancel_at: self.ends_at(),
            }
            .into()
        })
    }

    /// When it is to end, if that is decided.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        let at_period_end = self.observed.cancel_at_period_end.then_some(self.observed.period_end);
        self.observed.cancel_at.or(at_period_end)
    }

    fn changes(&self, before: &Self) -> BTreeSet<SubscriptionChange> {
        let (now, then) = (&self.observed, &before.observed);
        let differences = [
            (now.status != then.status, SubscriptionChange::Status),
            (self.plan != before.plan, SubscriptionChange::Plan),
            (self.plan == before.plan && now.price != then.price, SubscriptionChange::Price),
            (now.quantity != then.quantity, SubscriptionChange::Quantity),
            (now.period_end != then.period_end, SubscriptionChange::Period),
            (self.ends_at() != before.ends_at(), SubscriptionChange::Cancellation),
            (now.pending != then.pending, SubscriptionChange::Pending),
            (now.default_payment_method != then.default_payment_method, SubscriptionChange::PaymentMethod),
        ];
        differences.into_iter().filter(|(differs, _)| *differs).map(|(_, change)| change).collect()
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
pub(super) mod tests;
