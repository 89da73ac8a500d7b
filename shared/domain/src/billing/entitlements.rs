//! From trial, subscription and unpaid invoices to what an organisation may use. The one place that decides it.

use std::collections::BTreeMap;

use super::catalog::catalog;
use super::dunning::{Dunning, worst};
use super::events::EntitlementsChanged;
use super::{Product, Subscription, SubscriptionStatus, Trial, TrialState};
use crate::Timestamp;
use crate::accounts::{Access, Entitlements, ProductEntitlement};

/// How an organisation stands with one product.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing<'a> {
    /// Its trial, at whatever state.
    pub trial: Option<&'a Trial>,
    /// Its newest subscription, at whatever status.
    pub subscription: Option<&'a Subscription>,
    /// The ladders of the product's invoices.
    pub dunning: &'a [Dunning],
}

/// What an organisation may use of a product; `None` if it has nothing to do with it.
///
/// A subscription that was ever paid comes first, then a trial, then the free plan. A subscription whose first payment is
/// on its way entitles to nothing yet, so that a trial goes on meanwhile.
#[must_use]
pub fn entitlement(product: Product, standing: &Standing<'_>) -> Option<ProductEntitlement> {
    let free = catalog().free_plan(product).map(|plan| plan.entitlement(Access::Full));
    let paid = standing.subscription.filter(|subscription| subscription.first_paid_at.is_some());
    if let Some(subscription) = paid.filter(|subscription| subscription.is_live()) {
        return Some(subscribed(subscription, subscription_access(subscription, standing.dunning)));
    }
    let tried = standing.trial.and_then(tried);
    if let Some(tried) = tried.as_ref().filter(|tried| tried.access != Access::None) {
        return Some(tried.clone());
    }
    // What is kept of a product that is no longer paid shows under its last plan, with the door shut.
    free.or_else(|| paid.map(|subscription| subscribed(subscription, Access::None))).or(tried)
}

/// What an organisation may use now. Products that are not among the standings keep what they have.
///
/// `None` when that is what it may use already. Otherwise the version is one more, and the whole of it is told.
#[must_use]
pub fn recompute(
    current: &Entitlements,
    standings: &BTreeMap<Product, Standing<'_>>,
) -> Option<(Entitlements, EntitlementsChanged)> {
    let mut products = current.products.clone();
    for (product, standing) in standings {
        match entitlement(*product, standing) {
            Some(entitlement) => products.insert(product.to_string(), entitlement),
            None => products.remove(product.as_str()),
        };
    }
    if products == current.products {
        return None;
    }
    let version = current.version + 1;
    let event = EntitlementsChanged { version, products: products.clone() };
    Some((Entitlements { version, products }, event))
}

/// How far a living, once paid subscription opens the door.
#[must_use]
pub fn subscription_access(subscription: &Subscription, dunning: &[Dunning]) -> Access {
    let own: Vec<Dunning> = dunning
        .iter()
        .filter(|ladder| ladder.subscription == subscription.observed.stripe_id)
        .cloned()
        .collect();
    let by_ladder = worst(&own).map(|state| state.access());
    let by_status = match subscription.observed.status {
        SubscriptionStatus::Active | SubscriptionStatus::Trialing | SubscriptionStatus::PastDue => {
            Access::Full
        }
        // Nothing is known of what it may do, and nobody has said that it may not.
        SubscriptionStatus::Other(_) => Access::Full,
        SubscriptionStatus::Unpaid => Access::ReadOnly,
        SubscriptionStatus::Incomplete
        | SubscriptionStatus::Paused
        | SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Canceled => Access::None,
    };
    narrower(by_status, by_ladder.unwrap_or(Access::Full))
}

fn subscribed(subscription: &Subscription, access: Access) -> ProductEntitlement {
    let plan = catalog().plan(subscription.product, &subscription.plan);
    let paused = subscription.observed.status == SubscriptionStatus::Paused;
    match plan {
        Some(plan) => ProductEntitlement { paused, ..plan.entitlement(access) },
        // A price that the catalogue does not know holds nothing that could be counted.
        None => ProductEntitlement {
            plan: subscription.plan.clone(),
            access,
            paused,
            full_until: None,
            mode: crate::accounts::Mode::default(),
            limits: BTreeMap::new(),
            features: std::collections::BTreeSet::new(),
        },
    }
}

fn tried(trial: &Trial) -> Option<ProductEntitlement> {
    let plan = catalog().plan(trial.product, &trial.plan)?;
    let access = match trial.state {
        // Whether it still runs is for the reader's clock to say: `full_until` is read at each request.
        TrialState::Active | TrialState::Converting => Access::Full,
        TrialState::Grace => Access::ReadOnly,
        TrialState::Converted | TrialState::Expired | TrialState::Canceled | TrialState::Purged => {
            Access::None
        }
    };
    let full_until = (trial.state == TrialState::Active).then_some(trial.ends_at);
    Some(ProductEntitlement { full_until, ..plan.entitlement(access) })
}

fn narrower(one: Access, other: Access) -> Access {
    match (one, other) {
        (Access::None, _) | (_, Access::None) => Access::None,
        (Access::ReadOnly, _) | (_, Access::ReadOnly) => Access::ReadOnly,
        (Access::Full, Access::Full) => Access::Full,
    }
}

/// The entitlements at a moment, for those who hold the items and not the organisation.
#[must_use]
pub fn access_at(entitlement: &ProductEntitlement, now: Timestamp) -> Access {
    match entitlement.full_until {
        Some(until) if until <= now => narrower(entitlement.access, Access::ReadOnly),
        _ => entitlement.access,
    }
}

#[cfg(test)]
#[path = "entitlements_tests.rs"]
mod tests;
