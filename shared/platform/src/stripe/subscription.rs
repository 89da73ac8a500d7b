//! Subscriptions.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::Price;
use super::customer::Customer;
use super::invoice::Invoice;
use super::payment_method::PaymentMethod;
use super::schedule::Schedule;
use super::setup_intent::SetupIntent;
use super::value::{
    Created, Enabled, Expand, List, Metadata, Moment, Page, Period, identified, or_nothing, unix, words,
};
use super::{Pages, Stripe, StripeError, expanding, part};

/// A subscription. Its periods are those of its items.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Subscription {
    pub id: String,
    pub status: SubscriptionStatus,
    pub customer: Expand<Customer>,
    pub currency: String,
    pub items: List<SubscriptionItem>,
    #[serde(with = "unix")]
    pub billing_cycle_anchor: Timestamp,
    #[serde(with = "unix")]
    pub start_date: Timestamp,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default, with = "unix::maybe")]
    pub trial_start: Option<Timestamp>,
    #[serde(default, with = "unix::maybe")]
    pub trial_end: Option<Timestamp>,
    #[serde(default, with = "unix::maybe")]
    pub cancel_at: Option<Timestamp>,
    #[serde(default)]
    pub cancel_at_period_end: bool,
    #[serde(default, with = "unix::maybe")]
    pub canceled_at: Option<Timestamp>,
    #[serde(default, with = "unix::maybe")]
    pub ended_at: Option<Timestamp>,
    pub cancellation_details: Option<CancellationDetails>,
    pub collection_method: Option<String>,
    pub default_payment_method: Option<Expand<PaymentMethod>>,
    pub latest_invoice: Option<Expand<Invoice>>,
    pub pending_setup_intent: Option<Expand<SetupIntent>>,
    /// A change that waits for its payment.
    pub pending_update: Option<PendingUpdate>,
    pub schedule: Option<Expand<Schedule>>,
    pub status_details: Option<StatusDetails>,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SubscriptionItem {
    pub id: String,
    pub price: Price,
    /// None for metered prices.
    pub quantity: Option<i64>,
    #[serde(with = "unix")]
    pub current_period_start: Timestamp,
    #[serde(with = "unix")]
    pub current_period_end: Timestamp,
    pub subscription: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

/// Why a subscription was cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancellationDetails {
    pub comment: Option<String>,
    pub feedback: Option<String>,
    /// Stripe's own: `cancellation_requested`, `payment_failed`, `payment_disputed`.
    #[serde(skip_serializing)]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PendingUpdate {
    #[serde(with = "unix")]
    pub expires_at: Timestamp,
    #[serde(default, deserialize_with = "or_nothing")]
    pub subscription_items: Vec<SubscriptionItem>,
    pub cancel_at_period_end: Option<bool>,
    #[serde(default, with = "unix::maybe")]
    pub trial_end: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatusDetails {
    pub paused: Option<Paused>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Paused {
    #[serde(with = "unix")]
    pub transitioned_at: Timestamp,
    pub subscription: Option<PausedBy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PausedBy {
    /// `pause_requested`, `final_payment_failure`.
    #[serde(rename = "type")]
    pub kind: String,
}

words! {
    /// The state of a subscription.
    SubscriptionStatus {
        Incomplete = "incomplete",
        IncompleteExpired = "incomplete_expired",
        Trialing = "trialing",
        Active = "active",
        PastDue = "past_due",
        Canceled = "canceled",
        Unpaid = "unpaid",
        Paused = "paused",
    }
}

words! {
    /// What happens to a change that is not paid.
    PaymentBehavior {
        AllowIncomplete = "allow_incomplete",
        DefaultIncomplete = "default_incomplete",
        ErrorIfIncomplete = "error_if_incomplete",
        PendingIfIncomplete = "pending_if_incomplete",
    }
}

words! {
    /// Whether a paused subscription waits for the payment that resumes it.
    ResumeBehavior {
        ResumeOnPaymentAttempt = "resume_on_payment_attempt",
        ResumeOnPaymentSuccess = "resume_on_payment_success",
    }
}

words! {
    /// How a change in the middle of a period is charged.
    ProrationBehavior {
        AlwaysInvoice = "always_invoice",
        CreateProrations = "create_prorations",
        None = "none",
    }
}

words! {
    /// Whether a change begins a new period.
    Anchor { Now = "now", Unchanged = "unchanged" }
}

identified!(Subscription, SubscriptionItem);

impl Subscription {
    /// The current period: the widest over the items.
    #[must_use]
    pub fn period(&self) -> Option<Period> {
        let items = &self.items.data;
        let start = items.iter().map(|item| item.current_period_start).min()?;
        let end = items.iter().map(|item| item.current_period_end).max()?;
        Some(Period { start, end })
    }

    /// Whether it may still cost something.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.status, SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired)
    }
}

/// What one is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSubscription {
    pub customer: String,
    pub items: Vec<ItemParams>,
    pub default_payment_method: Option<String>,
    pub payment_behavior: Option<PaymentBehavior>,
    pub payment_settings: Option<PaymentSettings>,
    pub proration_behavior: Option<ProrationBehavior>,
    pub automatic_tax: Option<Enabled>,
    pub off_session: Option<bool>,
    pub trial_end: Option<Moment>,
    #[serde(with = "unix::maybe")]
    pub billing_cycle_anchor: Option<Timestamp>,
    pub cancel_at_period_end: Option<bool>,
    pub description: Option<String>,
    pub metadata: Metadata,
    pub expand: Vec<String>,
}

/// An item to be added, or with its `id` to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemParams {
    pub id: Option<String>,
    pub price: Option<String>,
    pub quantity: Option<i64>,
    pub deleted: Option<bool>,
    pub clear_usage: Option<bool>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentSettings {
    /// `on_subscription` or `off`.
    pub save_default_payment_method: Option<String>,
}

/// What is to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionUpdate {
    pub items: Vec<ItemParams>,
    pub proration_behavior: Option<ProrationBehavior>,
    /// The second that a preview was computed for: with it the amounts are the same.
    #[serde(with = "unix::maybe")]
    pub proration_date: Option<Timestamp>,
    pub payment_behavior: Option<PaymentBehavior>,
    pub billing_cycle_anchor: Option<Anchor>,
    pub cancel_at_period_end: Option<bool>,
    pub cancellation_details: Option<CancellationDetails>,
    pub default_payment_method: Option<String>,
    pub automatic_tax: Option<Enabled>,
    pub off_session: Option<bool>,
    pub trial_end: Option<Moment>,
    pub description: Option<String>,
    pub metadata: Metadata,
    pub expand: Vec<String>,
}

/// How one is cancelled now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancelSubscription {
    /// Whether what was used is charged.
    pub invoice_now: Option<bool>,
    /// Whether what was paid ahead is credited.
    pub prorate: Option<bool>,
    pub cancellation_details: Option<CancellationDetails>,
    pub expand: Vec<String>,
}

/// How one is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseSubscription {
    /// `subscription`: all of it.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub bill_for: Option<BillFor>,
    /// `invoice` or `pending_invoice_item`.
    pub invoicing_behavior: Option<String>,
    pub expand: Vec<String>,
}

impl Default for PauseSubscription {
    fn default() -> Self {
        let kind = Some("subscription".to_owned());
        Self { kind, bill_for: None, invoicing_behavior: None, expand: Vec::new() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BillFor {
    /// `now` or `none`.
    pub outstanding_usage_through: Option<BillUntil>,
    /// `now`, `none` or `item_current_period_start`.
    pub unused_time_from: Option<BillUntil>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BillUntil {
    #[serde(rename = "type")]
    pub kind: String,
}

/// How a paused one is resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResumeSubscription {
    pub billing_cycle_anchor: Option<ResumeAnchor>,
    pub payment_behavior: Option<ResumeBehavior>,
    pub proration_behavior: Option<ProrationBehavior>,
    #[serde(with = "unix::maybe")]
    pub proration_date: Option<Timestamp>,
    pub expand: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeAnchor {
    #[serde(rename = "type")]
    pub kind: Anchor,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionFilter {
    pub customer: Option<String>,
    pub price: Option<String>,
    /// A status, `all` or `ended`; without it, all but the cancelled ones.
    pub status: Option<String>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Subscriptions<'a>(pub(super) &'a Stripe);

impl Subscriptions<'_> {
    /// Makes one.
    ///
    /// # Errors
    /// Stripe's refusals; a card may be declined.
    pub async fn create(self, params: &NewSubscription, key: &str) -> Result<Subscription, StripeError> {
        self.0.post("/v1/subscriptions", params, key).await
    }

    /// One, of whatever status.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str, expand: &[&str]) -> Result<Subscription, StripeError> {
        self.0.get(&format!("/v1/subscriptions/{}", part(id)), &expanding(expand)).await
    }

    /// Changes what the parameters name.
    ///
    /// # Errors
    /// Stripe's refusals; a card may be declined.
    pub async fn update(
        self,
        id: &str,
        params: &SubscriptionUpdate,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        self.0.post(&format!("/v1/subscriptions/{}", part(id)), params, key).await
    }

    /// Cancels one now.
    ///
    /// # Errors
    /// Not found if it is cancelled already: [`Self::get`] tells.
    pub async fn cancel(self, id: &str, params: &CancelSubscription) -> Result<Subscription, StripeError> {
        self.0.delete(&format!("/v1/subscriptions/{}", part(id)), params).await
    }

    /// Pauses one: no access, no invoices.
    ///
    /// # Errors
    /// Stripe's refusals: not with a schedule.
    pub async fn pause(
        self,
        id: &str,
        params: &PauseSubscription,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        self.0.post(&format!("/v1/subscriptions/{}/pause", part(id)), params, key).await
    }

    /// Resumes a paused one.
    ///
    /// # Errors
    /// Stripe's refusals; a card may be declined.
    pub async fn resume(
        self,
        id: &str,
        params: &ResumeSubscription,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        self.0.post(&format!("/v1/subscriptions/{}/resume", part(id)), params, key).await
    }

    /// A page of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn list(self, filter: &SubscriptionFilter) -> Result<List<Subscription>, StripeError> {
        self.0.get("/v1/subscriptions", filter).await
    }

    /// All of them.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &SubscriptionFilter) -> Result<Vec<Subscription>, StripeError> {
        self.0.all("/v1/subscriptions", filter).await
    }

    /// All of them, page by page.
    pub fn pages(self, filter: &SubscriptionFilter) -> Pages<Subscription> {
        self.0.pages("/v1/subscriptions", filter)
    }
}
