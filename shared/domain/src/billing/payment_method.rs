//! What a customer pays with, as Stripe has it; and the warning before a card ends.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::events::CardExpiring;
use super::proration::plus_months;
use super::{Subscription, Transition};
use crate::{OrgId, Refusal, Timestamp};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// So many days before a card's end there is a warning.
pub const WARNINGS: [u32; 2] = [30, 7];

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentMethod {
    /// Stripe's id.
    pub id: String,
    /// Whose.
    pub org: OrgId,
    /// Stripe's type, such as `card` or `sepa_debit`.
    pub method: String,
    /// The card's brand, or the bank's country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Its last digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last4: Option<String>,
    /// The last month a card is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp_month: Option<u32>,
    /// That month's year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp_year: Option<u32>,
    /// Whether renewals are paid with it.
    #[serde(default)]
    pub is_default: bool,
    /// The warnings that went out or were overtaken, by days before the end.
    #[serde(default)]
    pub warned: BTreeSet<u32>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When the next warning is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

impl PaymentMethod {
    /// What was fetched takes the place of what is here; warnings of the same end are kept.
    #[must_use]
    pub fn project(previous: Option<&Self>, fetched: Self) -> Self {
        let same_end =
            previous.filter(|one| (one.exp_year, one.exp_month) == (fetched.exp_year, fetched.exp_month));
        let warned = same_end.map(|previous| previous.warned.clone()).unwrap_or_default();
        let method = Self { warned, ..fetched };
        Self { next_at: method.next_warning(), ..method }
    }

    /// The first moment at which a card is no longer good.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        let (year, month) = (self.exp_year?, self.exp_month?);
        let first = format!("{year:04}-{month:02}-01T00:00:00Z").parse::<Timestamp>().ok()?;
        Some(plus_months(first, 1))
    }

    /// The sweep came by: the nearest of the warnings that are due is told.
    #[must_use]
    pub fn warn(&self, now: Timestamp) -> Transition<Self> {
        let Some(ends_at) = self.ends_at().filter(|_| self.next_at.is_some_and(|next_at| next_at <= now))
        else {
            return Transition::quiet(self.clone());
        };
        let mut method = self.clone();
        method.warned.extend(WARNINGS.into_iter().filter(|days| warning_at(ends_at, *days) <= now));
        method.next_at = method.next_warning();
        let left = ends_at.since(now).as_millis().div_ceil(DAY.as_millis());
        let event = CardExpiring {
            method: self.id.clone(),
            brand: self.brand.clone().unwrap_or_default(),
            last4: self.last4.clone().unwrap_or_default(),
            exp_month: self.exp_month.unwrap_or_default(),
            exp_year: self.exp_year.unwrap_or_default(),
            days_left: u32::try_from(left).unwrap_or(u32::MAX),
        };
        Transition::told(method, event)
    }

    /// Somebody wants renewals paid with it.
    ///
    /// # Errors
    /// 409 `unusable` for a card that is no longer good.
    pub fn ensure_usable(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.ends_at().is_some_and(|ends_at| ends_at <= now) {
            return Err(Refusal::conflict("unusable", "The card is no longer good; add another one."));
        }
        Ok(())
    }

    /// Somebody wants it gone.
    ///
    /// # Errors
    /// 409 when something renews: `last_method` if it is the only one, `default_method` if it is the one that pays.
    pub fn ensure_removable(&self, others: usize, subscriptions: &[Subscription]) -> Result<(), Refusal> {
        let mut renewing = subscriptions.iter().filter(|one| one.is_live() && one.ends_at().is_none());
        if others == 0 && renewing.clone().next().is_some() {
            let message = "A subscription renews with it; add another payment method first.";
            return Err(Refusal::conflict("last_method", message));
        }
        let pays = |one: &Subscription| match &one.observed.default_payment_method {
            Some(method) => *method == self.id,
            None => self.is_default,
        };
        if renewing.any(pays) {
            let message = "A subscription renews with it; make another payment method the default first.";
            return Err(Refusal::conflict("default_method", message));
        }
        Ok(())
    }

    fn next_warning(&self) -> Option<Timestamp> {
        let ends_at = self.ends_at()?;
        let ahead = WARNINGS.into_iter().filter(|days| !self.warned.contains(days));
        ahead.map(|days| warning_at(ends_at, days)).min()
    }
}

fn warning_at(ends_at: Timestamp, days: u32) -> Timestamp {
    ends_at - DAY.saturating_mul(days)
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::{active, subscription};
    use super::super::{BillingEvent, Observed, Product};
    use super::*;

    fn card() -> PaymentMethod {
        let fetched = PaymentMethod {
            id: "pm_1".to_owned(),
            org: OrgId::from_ulid(1),
            method: "card".to_owned(),
            brand: Some("visa".to_owned()),
            last4: Some("4242".to_owned()),
            exp_month: Some(12),
            exp_year: Some(2026),
            is_default: true,
            warned: BTreeSet::new(),
            created_at: Timestamp::from_secs(1),
            next_at: None,
        };
        PaymentMethod::project(None, fetched)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn days(step: &Transition<PaymentMethod>) -> Option<u32> {
        match &step.event {
            Some(BillingEvent::CardExpiring(event)) => Some(event.days_left),
            _ => None,
        }
    }

    #[test]
    fn a_card_is_warned_of_thirty_and_seven_days_before_its_last_month_ends() {
        let card = card();
        assert_eq!(card.ends_at(), Some(at("2027-01-01T00:00:00Z")));
        assert_eq!(days(&card.warn(at("2026-12-01T23:59:59Z"))), None);
        let first = card.warn(at("2026-12-02T00:00:00Z"));
        assert_eq!(days(&first), Some(30));
        assert_eq!(days(&first.next.warn(at("2026-12-03T00:00:00Z"))), None);
        let second = first.next.warn(at("2026-12-25T00:00:00Z"));
        assert_eq!((days(&second), second.next.next_at), (Some(7), None));
        let late = card.warn(at("2026-12-30T00:00:00Z"));
        assert_eq!((days(&late), late.next.next_at), (Some(2), None), "once, however late");
    }

    #[test]
    fn a_renewed_card_is_warned_of_anew() {
        let warned = card().warn(at("2026-12-25T00:00:00Z")).next;
        assert_eq!(PaymentMethod::project(Some(&warned), card()).warned, warned.warned);
        let renewed = PaymentMethod { exp_year: Some(2030), ..card() };
        let renewed = PaymentMethod::project(Some(&warned), renewed);
        assert_eq!((renewed.warned.len(), renewed.next_at), (0, Some(at("2030-12-02T00:00:00Z"))));
        let bank = PaymentMethod { exp_month: None, exp_year: None, ..card() };
        assert_eq!(PaymentMethod::project(None, bank).next_at, None);
    }

    #[test]
    fn the_last_one_stays_while_something_renews() {
        let live = subscription(Product::Hosting, active("sub_1", "hosting_launch_month_usd"));
        let refusal = |method: &PaymentMethod, others, subscriptions: &[Subscription]| {
            method.ensure_removable(others, subscriptions).err().map(|refusal| refusal.code)
        };
        let one = std::slice::from_ref(&live);
        assert_eq!(refusal(&card(), 0, one), Some("last_method"));
        assert_eq!(refusal(&card(), 0, &[]), None);
        let ending = Observed { cancel_at_period_end: true, ..live.observed.clone() };
        assert_eq!(refusal(&card(), 0, &[subscription(Product::Hosting, ending)]), None);
        // Of several, the one that pays stays: the subscription's own, or else the default.
        let (pays, spare) =
            (PaymentMethod { is_default: true, ..card() }, PaymentMethod { is_default: false, ..card() });
        assert_eq!((refusal(&pays, 1, one), refusal(&spare, 1, one)), (Some("default_method"), None));
        let own = Observed { default_payment_method: Some(spare.id.clone()), ..live.observed };
        let own = [subscription(Product::Hosting, own)];
        assert_eq!(refusal(&spare, 1, &own), Some("default_method"));
    }
}
