//! What is told of checkouts, subscriptions and what they entitle to.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::ProductEntitlement;
use crate::billing::{DunningState, Money, Product, SubscriptionStatus};
use crate::{Event, Timestamp};

/// `billing.checkout_completed`: somebody finished a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckoutCompleted {
    /// Of which product.
    pub product: Product,
    /// The lookup key of what was bought.
    pub price: String,
    /// Which attempt.
    pub attempt: u32,
}

impl Event for CheckoutCompleted {
    const TYPE: &'static str = "billing.checkout_completed";
}

/// `billing.subscription_activated`: a subscription was paid for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionActivated {
    /// Of which product.
    pub product: Product,
    /// The plan.
    pub plan: String,
    /// The price's lookup key.
    pub price: String,
    /// How many.
    pub quantity: u64,
    /// Which subscription of this product it is.
    pub generation: u32,
    /// When it renews.
    pub period_end: Timestamp,
    /// The last plan of the subscription before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_plan: Option<String>,
}

impl Event for SubscriptionActivated {
    const TYPE: &'static str = "billing.subscription_activated";
}

/// `billing.subscription_changed`: a subscription is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionChanged {
    /// Of which product.
    pub product: Product,
    /// In what.
    pub changes: BTreeSet<SubscriptionChange>,
    /// The plan.
    pub plan: String,
    /// The plan before.
    pub previous_plan: String,
    /// The price's lookup key.
    pub price: String,
    /// How many.
    pub quantity: u64,
    /// Its status.
    pub status: SubscriptionStatus,
    /// When it renews, or ends.
    pub period_end: Timestamp,
    /// When it ends, if it is to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
}

impl Event for SubscriptionChanged {
    const TYPE: &'static str = "billing.subscription_changed";
}

/// `billing.subscription_past_due`: a renewal was not paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionPastDue {
    /// Of which product.
    pub product: Product,
    /// The plan.
    pub plan: String,
    /// The invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
}

impl Event for SubscriptionPastDue {
    const TYPE: &'static str = "billing.subscription_past_due";
}

/// `billing.subscription_canceled`: a subscription is over.
///
/// Told once, whether a person, the ladder of failed payments or Stripe ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionCanceled {
    /// Of which product.
    pub product: Product,
    /// The plan it had.
    pub plan: String,
    /// Which subscription of this product it was.
    pub generation: u32,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whether it was ever paid.
    pub was_paid: bool,
}

impl Event for SubscriptionCanceled {
    const TYPE: &'static str = "billing.subscription_canceled";
}

/// `billing.access_changed`: a failed payment shut a product's door further, or its settlement opened it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessChanged {
    /// Of which product.
    pub product: Product,
    /// The invoice that is not paid.
    pub invoice: String,
    /// Where the ladder stood.
    pub from: DunningState,
    /// Where it stands.
    pub to: DunningState,
    /// What is to be paid.
    pub amount: Money,
    /// When the next step is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

impl Event for AccessChanged {
    const TYPE: &'static str = "billing.access_changed";
}

/// `billing.entitlements_changed`: what an organisation may use is replaced as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntitlementsChanged {
    /// Grows with each change; an older one is to be ignored.
    pub version: u64,
    /// By product.
    pub products: BTreeMap<String, ProductEntitlement>,
}

impl Event for EntitlementsChanged {
    const TYPE: &'static str = "billing.entitlements_changed";
}

/// In what a subscription changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionChange {
    /// Its status.
    Status,
    /// Its plan.
    Plan,
    /// Its interval or amount within the plan.
    Price,
    /// How many.
    Quantity,
    /// Its period: it was renewed.
    Period,
    /// That it is to end, or is not any more.
    Cancellation,
    /// What it is to become, or is not any more.
    Pending,
    /// What it is paid with.
    PaymentMethod,
}
