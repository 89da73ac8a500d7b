//! Quotes: what a change costs, promised for ten minutes. Nothing binds a customer to a price but the quote that they saw.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Command, Direction, Money, PlannedChange, Product, Subscription, When};
use crate::{OrgId, QuoteId, Refusal, Timestamp};

/// How long a quote is good.
pub const VALID: Duration = Duration::from_secs(600);

/// What a change costs, and the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// Whose.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// Stripe's id of the subscription.
    pub stripe_id: String,
    /// The subscription's version that was looked at.
    pub subscription_version: u64,
    /// The change.
    pub change: PlannedChange,
    /// What it costs.
    pub preview: Preview,
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when it can be taken.
    pub valid_until: Timestamp,
    /// Shows that its contents are ours.
    #[serde(default)]
    pub signature: String,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// What Stripe says that a change costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// The second from which parts of the period are counted; given to Stripe again when the quote is taken.
    pub proration_date: Timestamp,
    /// What is paid at once, tax included; nothing for a change that waits for the period's end.
    pub due_now: Money,
    /// The tax in it.
    pub tax_now: Money,
    /// What the customer is owed, if the credit is more than the charge.
    pub credit: Money,
    /// What the next renewal costs, tax included.
    pub next_amount: Money,
    /// When that is.
    pub next_on: Timestamp,
    /// How what is paid at once comes about.
    pub lines: Vec<QuoteLine>,
}

/// A line of what is paid at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuoteLine {
    /// What for.
    pub description: String,
    /// How much, without tax; negative for what is credited.
    pub amount: Money,
}

impl Quote {
    /// The subscription from when the quote is taken until its change is made. What says no price is made at once.
    #[must_use]
    pub fn changing(&self, subscription: &Subscription) -> Subscription {
        let is_made = matches!(self.change.command, Command::UpdateNow | Command::Schedule);
        Subscription { changing: is_made.then_some(self.id), ..subscription.clone() }
    }

    /// A quote for a change of a subscription that was read at this version. It wants its signature.
    #[must_use]
    pub fn make(
        id: QuoteId,
        subscription: &Subscription,
        version: u64,
        change: PlannedChange,
        preview: Preview,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            org: subscription.org,
            product: subscription.product,
            stripe_id: subscription.observed.stripe_id.clone(),
            subscription_version: version,
            change,
            preview,
            made_at: now,
            valid_until: now + VALID,
            signature: String::new(),
            used_at: None,
        }
    }

    /// What is signed: everything that its taker relies on.
    #[must_use]
    pub fn to_sign(&self) -> String {
        let PlannedChange { direction, when, from, to, quantity, .. } = &self.change;
        let direction = match direction {
            Direction::Upgrade => "upgrade",
            Direction::Downgrade => "downgrade",
        };
        let when = match when {
            When::Now => "now",
            When::PeriodEnd => "period_end",
        };
        let Preview { proration_date, due_now, next_amount, next_on, .. } = &self.preview;
        format!(
            "quote:1:{}:{}:{}:{}:{}:{direction}:{when}:{from}:{to}:{quantity}:{}:{due_now}:{next_amount}:{}:{}",
            self.id,
            self.org,
            self.product,
            self.stripe_id,
            self.subscription_version,
            proration_date.as_secs(),
            next_on.as_secs(),
            self.valid_until.as_millis(),
        )
    }

    /// Somebody takes it. The write of the used quote is what makes it good once.
    ///
    /// # Errors
    /// 422 at `/quote` for another signature; 410 `quote_expired`; 409 `quote_used`, `subscription_changed`.
    pub fn commit(
        &self,
        signature: &str,
        subscription: &Subscription,
        version: u64,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if self.signature.is_empty() || self.signature != signature {
            return Err(Refusal::invalid("/quote", "expected a quote as it was given"));
        }
        if self.used_at.is_some() {
            return Err(Refusal::conflict("quote_used", "The quote was taken; ask for another one."));
        }
        if now >= self.valid_until {
            return Err(Refusal::gone(
                "quote_expired",
                "The quote was good for ten minutes; ask for another one.",
            ));
        }
        if self.subscription_version != version || self.stripe_id != subscription.observed.stripe_id {
            let message = "The subscription has changed since the quote; ask for another one.";
            return Err(Refusal::conflict("subscription_changed", message));
        }
        Ok(Self { used_at: Some(now), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::subscription::tests::{active, subscription};
    use super::super::{ChangeWanted, Currency};
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn quote(subscription: &Subscription) -> Quote {
        let wanted = ChangeWanted { price: "hosting_growth_month_usd".to_owned(), quantity: 1 };
        let change = subscription.change(&wanted, &BTreeMap::new()).expect("an upgrade");
        let preview = Preview {
            proration_date: NOW,
            due_now: Money::new(15_000, Currency::USD),
            tax_now: Money::zero(Currency::USD),
            credit: Money::zero(Currency::USD),
            next_amount: Money::new(59_900, Currency::USD),
            next_on: subscription.observed.period_end,
            lines: Vec::new(),
        };
        let quote = Quote::make(QuoteId::from_ulid(1), subscription, 7, change, preview, NOW);
        Quote { signature: format!("signed {}", quote.to_sign()), ..quote }
    }

    #[test]
    fn e27_a_quote_is_good_for_ten_minutes() {
        let subscription = subscription(Product::Hosting, active("sub_1", "hosting_launch_month_usd"));
        let quote = quote(&subscription);
        let commit = |after: u64| {
            let at = NOW + Duration::from_secs(after);
            quote.commit(&quote.signature, &subscription, 7, at).map_err(|no| no.code)
        };
        let taken = commit(9 * 60 + 59).expect("in time");
        assert_eq!(taken.preview, quote.preview, "the exact amount");
        assert_eq!(commit(600), Err("quote_expired"));
        assert_eq!(commit(10 * 60 + 1), Err("quote_expired"));
        let again = taken.commit(&quote.signature, &subscription, 7, NOW).map_err(|no| no.code);
        assert_eq!(again, Err("quote_used"));
    }

    #[test]
    fn e26_of_two_changes_the_second_finds_another_version() {
        let subscription = subscription(Product::Hosting, active("sub_1", "hosting_launch_month_usd"));
        let quote = quote(&subscription);
        let commit = |signature: &str, version| {
            quote.commit(signature, &subscription, version, NOW).map(|_| ()).map_err(|no| no.code)
        };
        assert_eq!(commit(&quote.signature, 8), Err("subscription_changed"));
        assert_eq!(commit("another", 7), Err("invalid"));
        assert_eq!(commit(&quote.signature, 7), Ok(()));
    }

    #[test]
    fn what_is_signed_names_amount_and_change() {
        let subscription = subscription(Product::Hosting, active("sub_1", "hosting_launch_month_usd"));
        let quote = quote(&subscription);
        let mut cheaper = quote.clone();
        cheaper.preview.due_now.minor = 1;
        let mut more = quote.clone();
        more.change.quantity = 9;
        assert_ne!(cheaper.to_sign(), quote.to_sign());
        assert_ne!(more.to_sign(), quote.to_sign());
    }
}
