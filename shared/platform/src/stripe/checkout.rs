//! Checkout sessions: the pages on which a customer subscribes.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::customer::Customer;
use super::invoice::Invoice;
use super::setup_intent::SetupIntent;
use super::subscription::Subscription;
use super::value::{Created, Enabled, Expand, List, Metadata, Page, identified, or_nothing, unix, words};
use super::{Stripe, StripeError, expanding, nothing, part};

/// A session.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Session {
    pub id: String,
    pub mode: Mode,
    pub status: Option<SessionStatus>,
    pub payment_status: PaymentStatus,
    /// The page, while the session is open.
    pub url: Option<String>,
    pub customer: Option<Expand<Customer>>,
    pub subscription: Option<Expand<Subscription>>,
    pub invoice: Option<Expand<Invoice>>,
    pub setup_intent: Option<Expand<SetupIntent>>,
    pub client_reference_id: Option<String>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(with = "unix")]
    pub expires_at: Timestamp,
    pub amount_subtotal: Option<i64>,
    pub amount_total: Option<i64>,
    pub currency: Option<String>,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

words! {
    /// What a session is for.
    Mode { Payment = "payment", Setup = "setup", Subscription = "subscription" }
}

words! {
    /// How far a session is.
    SessionStatus { Open = "open", Complete = "complete", Expired = "expired" }
}

words! {
    /// Whether a session's money has come: a SEPA debit is `unpaid` for days after the session is complete.
    PaymentStatus { Paid = "paid", Unpaid = "unpaid", NoPaymentRequired = "no_payment_required" }
}

identified!(Session);

/// What a session is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSession {
    pub mode: Option<Mode>,
    pub customer: Option<String>,
    /// Ours, told in the events.
    pub client_reference_id: Option<String>,
    pub line_items: Vec<LineItem>,
    /// `{CHECKOUT_SESSION_ID}` in it is replaced.
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
    /// Half an hour to a day ahead.
    #[serde(with = "unix::maybe")]
    pub expires_at: Option<Timestamp>,
    pub subscription_data: Option<SubscriptionData>,
    pub automatic_tax: Option<Enabled>,
    pub tax_id_collection: Option<Enabled>,
    pub customer_update: Option<CustomerUpdate>,
    pub billing_address_collection: Option<String>,
    pub payment_method_collection: Option<String>,
    pub allowed_payment_method_types: Vec<String>,
    pub allow_promotion_codes: Option<bool>,
    pub locale: Option<String>,
    pub metadata: Metadata,
    pub expand: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LineItem {
    pub price: Option<String>,
    /// None for metered prices.
    pub quantity: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionData {
    pub description: Option<String>,
    pub metadata: Metadata,
}

/// Which parts of the customer the page may change: `auto` or `never`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerUpdate {
    pub address: Option<String>,
    pub name: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionFilter {
    pub customer: Option<String>,
    pub subscription: Option<String>,
    pub status: Option<SessionStatus>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Checkout<'a>(pub(super) &'a Stripe);

impl Checkout<'_> {
    /// Makes one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(self, params: &NewSession, key: &str) -> Result<Session, StripeError> {
        self.0.post("/v1/checkout/sessions", params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str, expand: &[&str]) -> Result<Session, StripeError> {
        self.0.get(&format!("/v1/checkout/sessions/{}", part(id)), &expanding(expand)).await
    }

    /// Closes an open one.
    ///
    /// # Errors
    /// `invalid` if it is not open any more.
    pub async fn expire(self, id: &str, key: &str) -> Result<Session, StripeError> {
        self.0.post(&format!("/v1/checkout/sessions/{}/expire", part(id)), &nothing(), key).await
    }

    /// A page of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn list(self, filter: &SessionFilter) -> Result<List<Session>, StripeError> {
        self.0.get("/v1/checkout/sessions", filter).await
    }
}
