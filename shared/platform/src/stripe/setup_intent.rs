//! Setup intents: how a customer's browser adds a payment method without paying.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::customer::Customer;
use super::payment::{IntentStatus, NextAction, PaymentError};
use super::payment_method::PaymentMethod;
use super::value::{Enabled, Expand, Metadata, identified, or_nothing, unix};
use super::{Stripe, StripeError, expanding, part};

/// A setup intent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SetupIntent {
    pub id: String,
    pub status: IntentStatus,
    /// What the customer's browser confirms it with.
    pub client_secret: Option<String>,
    pub customer: Option<Expand<Customer>>,
    pub payment_method: Option<Expand<PaymentMethod>>,
    pub usage: Option<String>,
    pub next_action: Option<NextAction>,
    pub last_setup_error: Option<PaymentError>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

identified!(SetupIntent);

/// What one is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSetupIntent {
    pub customer: Option<String>,
    /// `off_session` for renewals.
    pub usage: Option<String>,
    pub automatic_payment_methods: Option<Enabled>,
    pub allowed_payment_method_types: Vec<String>,
    pub payment_method: Option<String>,
    pub confirm: Option<bool>,
    pub return_url: Option<String>,
    pub metadata: Metadata,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct SetupIntents<'a>(pub(super) &'a Stripe);

impl SetupIntents<'_> {
    /// Makes one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(self, params: &NewSetupIntent, key: &str) -> Result<SetupIntent, StripeError> {
        self.0.post("/v1/setup_intents", params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str, expand: &[&str]) -> Result<SetupIntent, StripeError> {
        self.0.get(&format!("/v1/setup_intents/{}", part(id)), &expanding(expand)).await
    }
}
