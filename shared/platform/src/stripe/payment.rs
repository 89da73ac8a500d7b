//! Payment intents and the charges that they make.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::Deserialize;

use super::balance::BalanceTransaction;
use super::customer::Customer;
use super::payment_method::{MethodKind, PaymentMethod};
use super::value::{Expand, Metadata, identified, or_nothing, unix, words};
use super::{Stripe, StripeError, expanding, part};

/// A payment, from its first try to its end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PaymentIntent {
    pub id: String,
    pub status: IntentStatus,
    pub amount: i64,
    #[serde(default)]
    pub amount_received: i64,
    pub currency: String,
    pub customer: Option<Expand<Customer>>,
    /// What the customer's browser confirms it with.
    pub client_secret: Option<String>,
    pub latest_charge: Option<Expand<Charge>>,
    pub payment_method: Option<Expand<PaymentMethod>>,
    pub last_payment_error: Option<PaymentError>,
    pub next_action: Option<NextAction>,
    pub cancellation_reason: Option<String>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

/// Why a payment or a setup failed, or an invoice could not be finalised.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PaymentError {
    #[serde(rename = "type")]
    pub kind: String,
    pub code: Option<String>,
    pub decline_code: Option<String>,
    pub message: Option<String>,
    pub param: Option<String>,
    pub payment_method: Option<Expand<PaymentMethod>>,
}

/// What the customer has to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NextAction {
    /// `redirect_to_url`, `use_stripe_sdk`.
    #[serde(rename = "type")]
    pub kind: String,
    pub redirect_to_url: Option<Redirect>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Redirect {
    pub url: Option<String>,
    pub return_url: Option<String>,
}

/// Money taken, or a try at it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Charge {
    pub id: String,
    pub status: ChargeStatus,
    pub amount: i64,
    #[serde(default)]
    pub amount_captured: i64,
    #[serde(default)]
    pub amount_refunded: i64,
    pub currency: String,
    #[serde(default)]
    pub paid: bool,
    #[serde(default)]
    pub captured: bool,
    /// Whether all of it was given back.
    #[serde(default)]
    pub refunded: bool,
    #[serde(default)]
    pub disputed: bool,
    pub customer: Option<Expand<Customer>>,
    pub payment_intent: Option<Expand<PaymentIntent>>,
    pub payment_method: Option<String>,
    pub payment_method_details: Option<PaidWith>,
    pub balance_transaction: Option<Expand<BalanceTransaction>>,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
    pub receipt_url: Option<String>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaidWith {
    #[serde(rename = "type")]
    pub kind: MethodKind,
}

words! {
    /// How far a payment or setup intent is.
    IntentStatus {
        RequiresPaymentMethod = "requires_payment_method",
        RequiresConfirmation = "requires_confirmation",
        RequiresAction = "requires_action",
        Processing = "processing",
        RequiresCapture = "requires_capture",
        Succeeded = "succeeded",
        Canceled = "canceled",
    }
}

words! {
    /// What became of a charge.
    ChargeStatus { Pending = "pending", Succeeded = "succeeded", Failed = "failed" }
}

identified!(PaymentIntent, Charge);

/// The calls for payment intents.
#[derive(Debug, Clone, Copy)]
pub struct PaymentIntents<'a>(pub(super) &'a Stripe);

impl PaymentIntents<'_> {
    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str, expand: &[&str]) -> Result<PaymentIntent, StripeError> {
        self.0.get(&format!("/v1/payment_intents/{}", part(id)), &expanding(expand)).await
    }
}

/// The calls for charges.
#[derive(Debug, Clone, Copy)]
pub struct Charges<'a>(pub(super) &'a Stripe);

impl Charges<'_> {
    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str, expand: &[&str]) -> Result<Charge, StripeError> {
        self.0.get(&format!("/v1/charges/{}", part(id)), &expanding(expand)).await
    }
}
