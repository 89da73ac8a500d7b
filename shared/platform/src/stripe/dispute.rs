//! Disputes: a customer's bank takes a charge back.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::balance::BalanceTransaction;
use super::payment::{Charge, PaymentIntent};
use super::value::{Created, Expand, Metadata, Page, identified, or_nothing, unix, words};
use super::{Stripe, StripeError, nothing, part};

/// A dispute.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Dispute {
    pub id: String,
    pub status: DisputeStatus,
    pub reason: String,
    pub amount: i64,
    pub currency: String,
    pub charge: Expand<Charge>,
    pub payment_intent: Option<Expand<PaymentIntent>>,
    pub evidence_details: EvidenceDetails,
    /// Whether giving the money back ends it.
    #[serde(default)]
    pub is_charge_refundable: bool,
    #[serde(default)]
    pub balance_transactions: Vec<BalanceTransaction>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EvidenceDetails {
    #[serde(default, with = "unix::maybe")]
    pub due_by: Option<Timestamp>,
    #[serde(default)]
    pub has_evidence: bool,
    #[serde(default)]
    pub past_due: bool,
    #[serde(default)]
    pub submission_count: i64,
}

words! {
    /// The state of a dispute.
    DisputeStatus {
        WarningNeedsResponse = "warning_needs_response",
        WarningUnderReview = "warning_under_review",
        WarningClosed = "warning_closed",
        NeedsResponse = "needs_response",
        UnderReview = "under_review",
        Won = "won",
        Lost = "lost",
        Prevented = "prevented",
        AppealNeedsResponse = "appeal_needs_response",
        AppealUnderReview = "appeal_under_review",
    }
}

identified!(Dispute);

/// What we answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DisputeUpdate {
    pub evidence: Evidence,
    /// Whether it is sent to the bank now; after that it cannot be changed.
    pub submit: Option<bool>,
    pub metadata: Metadata,
}

/// What speaks for us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    pub access_activity_log: Option<String>,
    pub billing_address: Option<String>,
    pub cancellation_policy_disclosure: Option<String>,
    pub cancellation_rebuttal: Option<String>,
    pub customer_email_address: Option<String>,
    pub customer_name: Option<String>,
    pub customer_purchase_ip: Option<String>,
    pub product_description: Option<String>,
    pub refund_policy_disclosure: Option<String>,
    pub refund_refusal_explanation: Option<String>,
    pub service_date: Option<String>,
    pub uncategorized_text: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DisputeFilter {
    pub charge: Option<String>,
    pub payment_intent: Option<String>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Disputes<'a>(pub(super) &'a Stripe);

impl Disputes<'_> {
    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<Dispute, StripeError> {
        self.0.get(&format!("/v1/disputes/{}", part(id)), &nothing()).await
    }

    /// All of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &DisputeFilter) -> Result<Vec<Dispute>, StripeError> {
        self.0.all("/v1/disputes", filter).await
    }

    /// Keeps or sends evidence.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn update(self, id: &str, params: &DisputeUpdate, key: &str) -> Result<Dispute, StripeError> {
        self.0.post(&format!("/v1/disputes/{}", part(id)), params, key).await
    }

    /// Accepts that it is lost.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn close(self, id: &str, key: &str) -> Result<Dispute, StripeError> {
        self.0.post(&format!("/v1/disputes/{}/close", part(id)), &nothing(), key).await
    }
}
