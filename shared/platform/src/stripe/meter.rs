//! Billing meters: what is used, told to Stripe.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

use super::value::{Metadata, Page, identified, unix, words};
use super::{Stripe, StripeError, nothing, part};

/// A meter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Meter {
    pub id: String,
    pub event_name: String,
    pub display_name: String,
    pub status: MeterStatus,
    pub default_aggregation: Aggregation,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregation {
    pub formula: Formula,
}

/// Usage that Stripe has taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MeterEvent {
    pub identifier: String,
    pub event_name: String,
    #[serde(default)]
    pub payload: Metadata,
    #[serde(with = "unix")]
    pub timestamp: Timestamp,
    #[serde(with = "unix")]
    pub created: Timestamp,
}

/// That an event is not to count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MeterEventAdjustment {
    pub event_name: String,
    /// `pending` or `complete`.
    pub status: String,
}

/// What a customer used in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MeterSummary {
    pub id: String,
    /// In decimals.
    #[serde(deserialize_with = "decimal")]
    pub aggregated_value: String,
    #[serde(with = "unix")]
    pub start_time: Timestamp,
    #[serde(with = "unix")]
    pub end_time: Timestamp,
}

/// Stripe writes a number where exactness asks for text; its shortest decimals are the ones that were meant.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let text = number.as_i64().map(|whole| whole.to_string());
    Ok(text.or_else(|| number.as_f64().map(|value| value.to_string())).unwrap_or_default())
}

words! {
    /// Whether a meter takes events.
    MeterStatus { Active = "active", Inactive = "inactive" }
}

words! {
    /// How a meter adds up.
    Formula { Sum = "sum", Count = "count", Last = "last" }
}

identified!(Meter, MeterSummary);

/// What a meter is made with. Its events name the customer by `stripe_customer_id` and the amount by `value`, as Stripe's
/// do unless told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMeter {
    pub display_name: String,
    pub event_name: String,
    pub default_aggregation: Aggregation,
}

/// Usage to be told: at most 35 days old, five minutes ahead, fifteen digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewMeterEvent {
    pub event_name: String,
    /// The same one counts once, for a day at least.
    pub identifier: Option<String>,
    #[serde(with = "unix::maybe")]
    pub timestamp: Option<Timestamp>,
    pub payload: Metadata,
}

impl NewMeterEvent {
    /// What a customer used.
    #[must_use]
    pub fn new(event_name: &str, customer: &str, value: &str, identifier: &str, at: Timestamp) -> Self {
        let payload = [("stripe_customer_id", customer), ("value", value)];
        Self {
            event_name: event_name.to_owned(),
            identifier: Some(identifier.to_owned()),
            timestamp: Some(at),
            payload: payload.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterFilter {
    pub status: Option<MeterStatus>,
    #[serde(flatten)]
    pub page: Page,
}

/// Of which customer and time; on whole minutes, with a grouping on whole hours or days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryFilter {
    pub customer: String,
    #[serde(with = "unix")]
    pub start_time: Timestamp,
    #[serde(with = "unix")]
    pub end_time: Timestamp,
    /// `hour` or `day`; one summary of all without it.
    pub value_grouping_window: Option<String>,
}

#[derive(Serialize)]
struct Adjustment<'a> {
    event_name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    cancel: Cancelled<'a>,
}

#[derive(Serialize)]
struct Cancelled<'a> {
    identifier: &'a str,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Meters<'a>(pub(super) &'a Stripe);

impl Meters<'_> {
    /// Makes one; its event's name cannot be changed.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(self, params: &NewMeter, key: &str) -> Result<Meter, StripeError> {
        self.0.post("/v1/billing/meters", params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<Meter, StripeError> {
        self.0.get(&format!("/v1/billing/meters/{}", part(id)), &nothing()).await
    }

    /// All of them.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &MeterFilter) -> Result<Vec<Meter>, StripeError> {
        self.0.all("/v1/billing/meters", filter).await
    }

    /// Tells usage. Whether the meter can take it shows later, in an event.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn send(self, params: &NewMeterEvent, key: &str) -> Result<MeterEvent, StripeError> {
        self.0.post("/v1/billing/meter_events", params, key).await
    }

    /// Takes usage back, within a day.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn cancel_event(
        self,
        event_name: &str,
        identifier: &str,
        key: &str,
    ) -> Result<MeterEventAdjustment, StripeError> {
        let params = Adjustment { event_name, kind: "cancel", cancel: Cancelled { identifier } };
        self.0.post("/v1/billing/meter_event_adjustments", &params, key).await
    }

    /// What Stripe counted; events of the last minutes may be missing.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn summaries(
        self,
        meter: &str,
        filter: &SummaryFilter,
    ) -> Result<Vec<MeterSummary>, StripeError> {
        self.0.all(&format!("/v1/billing/meters/{}/event_summaries", part(meter)), filter).await
    }
}
