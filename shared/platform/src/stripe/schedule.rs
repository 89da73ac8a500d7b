//! Subscription schedules: changes at a later date.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::{Interval, Price};
use super::customer::Customer;
use super::subscription::{ProrationBehavior, Subscription};
use super::value::{Enabled, Expand, Metadata, identified, or_nothing, unix, words};
use super::{Stripe, StripeError, nothing, part};

/// A schedule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Schedule {
    pub id: String,
    pub status: ScheduleStatus,
    pub customer: Expand<Customer>,
    pub subscription: Option<Expand<Subscription>>,
    /// The subscription that it led until it was released.
    pub released_subscription: Option<String>,
    pub current_phase: Option<CurrentPhase>,
    #[serde(default)]
    pub phases: Vec<Phase>,
    pub end_behavior: Option<EndBehavior>,
    #[serde(default, with = "unix::maybe")]
    pub completed_at: Option<Timestamp>,
    #[serde(default, with = "unix::maybe")]
    pub canceled_at: Option<Timestamp>,
    #[serde(default, with = "unix::maybe")]
    pub released_at: Option<Timestamp>,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CurrentPhase {
    #[serde(with = "unix")]
    pub start_date: Timestamp,
    #[serde(with = "unix")]
    pub end_date: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Phase {
    #[serde(with = "unix")]
    pub start_date: Timestamp,
    #[serde(with = "unix")]
    pub end_date: Timestamp,
    pub items: Vec<PhaseItem>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PhaseItem {
    pub price: Expand<Price>,
    pub quantity: Option<i64>,
}

words! {
    /// The state of a schedule.
    ScheduleStatus {
        NotStarted = "not_started",
        Active = "active",
        Completed = "completed",
        Released = "released",
        Canceled = "canceled",
    }
}

words! {
    /// What becomes of the subscription after the last phase.
    EndBehavior { Release = "release", Cancel = "cancel", None = "none", Renew = "renew" }
}

identified!(Schedule);

/// What one is made with. Its first phase is the subscription as it is; the others come with an update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSchedule {
    pub from_subscription: String,
}

/// What is to be changed. The phases that it names replace all of them, so that the current one has to be among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleUpdate {
    pub phases: Vec<PhaseParams>,
    pub end_behavior: Option<EndBehavior>,
    pub proration_behavior: Option<ProrationBehavior>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseParams {
    pub items: Vec<PhaseItemParams>,
    #[serde(with = "unix::maybe")]
    pub start_date: Option<Timestamp>,
    #[serde(with = "unix::maybe")]
    pub end_date: Option<Timestamp>,
    pub duration: Option<PhaseDuration>,
    pub proration_behavior: Option<ProrationBehavior>,
    pub automatic_tax: Option<Enabled>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseItemParams {
    pub price: Option<String>,
    pub quantity: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseDuration {
    pub interval: Interval,
    pub interval_count: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseSchedule {
    pub preserve_cancel_date: Option<bool>,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Schedules<'a>(pub(super) &'a Stripe);

impl Schedules<'_> {
    /// Puts a subscription under a schedule.
    ///
    /// # Errors
    /// Stripe's refusals: a subscription has one schedule at most.
    pub async fn create(self, params: &NewSchedule, key: &str) -> Result<Schedule, StripeError> {
        self.0.post("/v1/subscription_schedules", params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<Schedule, StripeError> {
        self.0.get(&format!("/v1/subscription_schedules/{}", part(id)), &nothing()).await
    }

    /// Changes what the parameters name.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn update(self, id: &str, params: &ScheduleUpdate, key: &str) -> Result<Schedule, StripeError> {
        self.0.post(&format!("/v1/subscription_schedules/{}", part(id)), params, key).await
    }

    /// Ends one and leaves its subscription as it is.
    ///
    /// # Errors
    /// Stripe's refusals: not once it has ended.
    pub async fn release(
        self,
        id: &str,
        params: &ReleaseSchedule,
        key: &str,
    ) -> Result<Schedule, StripeError> {
        self.0.post(&format!("/v1/subscription_schedules/{}/release", part(id)), params, key).await
    }
}
