//! What is told of trials.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::billing::Product;
use crate::{Event, Timestamp, UserId};

/// `billing.trial_started`: a trial began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialStarted {
    /// Of which product.
    pub product: Product,
    /// The plan that is tried.
    pub plan: String,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Who began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<UserId>,
}

impl Event for TrialStarted {
    const TYPE: &'static str = "billing.trial_started";
}

/// `billing.trial_notice_due`: a trial's end comes near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialNoticeDue {
    /// Of which product.
    pub product: Product,
    /// The plan that is tried.
    pub plan: String,
    /// Whole days until then, rounded up.
    pub days_left: u8,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When the grace after it ends.
    pub grace_ends_at: Timestamp,
}

impl Event for TrialNoticeDue {
    const TYPE: &'static str = "billing.trial_notice_due";
}

/// `billing.trial_grace_begun`: a trial is over and nobody has paid; what there is stays for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialGraceBegun {
    /// Of which product.
    pub product: Product,
    /// The plan that was tried.
    pub plan: String,
    /// When the trial ended.
    pub ended_at: Timestamp,
    /// When the grace ends.
    pub grace_ends_at: Timestamp,
    /// Whether a payment that was on its way failed.
    pub payment_failed: bool,
}

impl Event for TrialGraceBegun {
    const TYPE: &'static str = "billing.trial_grace_begun";
}

/// `billing.trial_expired`: a trial's grace is over and nobody has paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialExpired {
    /// Of which product.
    pub product: Product,
    /// The plan that was tried.
    pub plan: String,
    /// When the data go.
    pub purge_at: Timestamp,
}

impl Event for TrialExpired {
    const TYPE: &'static str = "billing.trial_expired";
}

/// `billing.trial_converted`: a trial became a paid plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialConverted {
    /// Of which product.
    pub product: Product,
    /// The plan that was paid.
    pub plan: String,
    /// Whether it had expired or been cancelled before.
    pub late: bool,
}

impl Event for TrialConverted {
    const TYPE: &'static str = "billing.trial_converted";
}

/// `billing.trial_canceled`: somebody ended a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialCanceled {
    /// Of which product.
    pub product: Product,
    /// The plan that was tried.
    pub plan: String,
    /// When the data go.
    pub purge_at: Timestamp,
    /// Who ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_by: Option<UserId>,
}

impl Event for TrialCanceled {
    const TYPE: &'static str = "billing.trial_canceled";
}

/// `billing.trial_extended`: staff gave a trial more time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialExtended {
    /// Of which product.
    pub product: Product,
    /// The plan that is tried.
    pub plan: String,
    /// How many days.
    pub days: u32,
    /// When it ends now.
    pub ends_at: Timestamp,
    /// Who gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_by: Option<UserId>,
}

impl Event for TrialExtended {
    const TYPE: &'static str = "billing.trial_extended";
}

/// `billing.trial_payment_pending`: a trial's payment is on its way and takes days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialPaymentPending {
    /// Of which product.
    pub product: Product,
    /// The plan that is tried.
    pub plan: String,
    /// Until when it is waited for.
    pub converting_until: Timestamp,
}

impl Event for TrialPaymentPending {
    const TYPE: &'static str = "billing.trial_payment_pending";
}

/// `billing.trial_resumed`: a payment failed while the trial still ran, which goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialResumed {
    /// Of which product.
    pub product: Product,
    /// The plan that is tried.
    pub plan: String,
    /// When it ends.
    pub ends_at: Timestamp,
}

impl Event for TrialResumed {
    const TYPE: &'static str = "billing.trial_resumed";
}

/// `billing.trial_purged`: the data of a trial that nobody paid for are to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialPurged {
    /// Of which product.
    pub product: Product,
    /// The plan that was tried.
    pub plan: String,
}

impl Event for TrialPurged {
    const TYPE: &'static str = "billing.trial_purged";
}
