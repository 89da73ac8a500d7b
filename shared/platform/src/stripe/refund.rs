//! Refunds, and the credit notes that correct invoices.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::balance::BalanceTransaction;
use super::customer::Customer;
use super::invoice::Invoice;
use super::payment::{Charge, PaymentIntent};
use super::value::{Created, Expand, Metadata, Page, identified, or_nothing, unix, words};
use super::{Stripe, StripeError, nothing, part};

/// Money given back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Refund {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub status: Option<RefundStatus>,
    pub charge: Option<Expand<Charge>>,
    pub payment_intent: Option<Expand<PaymentIntent>>,
    pub reason: Option<String>,
    pub failure_reason: Option<String>,
    pub balance_transaction: Option<Expand<BalanceTransaction>>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

/// A correction of a finalised invoice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CreditNote {
    pub id: String,
    pub number: String,
    pub status: CreditNoteStatus,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub invoice: Expand<Invoice>,
    pub customer: Option<Expand<Customer>>,
    pub amount: i64,
    pub total: i64,
    pub subtotal: i64,
    pub currency: String,
    pub reason: Option<String>,
    pub memo: Option<String>,
    pub pdf: Option<String>,
    #[serde(default)]
    pub refunds: Vec<CreditNoteRefund>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CreditNoteRefund {
    pub refund: Option<Expand<Refund>>,
    #[serde(default)]
    pub amount_refunded: i64,
}

words! {
    /// What became of a refund: one that succeeded may still fail.
    RefundStatus {
        Pending = "pending",
        RequiresAction = "requires_action",
        Succeeded = "succeeded",
        Failed = "failed",
        Canceled = "canceled",
    }
}

words! {
    /// The state of a credit note.
    CreditNoteStatus { Issued = "issued", Void = "void" }
}

identified!(Refund, CreditNote);

/// What a refund is made with: a charge or an intent, and how much of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewRefund {
    pub charge: Option<String>,
    pub payment_intent: Option<String>,
    /// All that is left, unless told.
    pub amount: Option<i64>,
    /// `duplicate`, `fraudulent`, `requested_by_customer`.
    pub reason: Option<String>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefundFilter {
    pub charge: Option<String>,
    pub payment_intent: Option<String>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// What a credit note is made with: an amount or lines, and how it is settled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCreditNote {
    pub invoice: String,
    pub amount: Option<i64>,
    pub lines: Vec<CreditNoteLine>,
    /// How much is given back now.
    pub refund_amount: Option<i64>,
    /// How much the customer's balance gets.
    pub credit_amount: Option<i64>,
    pub out_of_band_amount: Option<i64>,
    /// Refunds that were made already.
    pub refunds: Vec<LinkedRefund>,
    pub reason: Option<String>,
    pub memo: Option<String>,
    /// `credit_note` or `none`.
    pub email_type: Option<String>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreditNoteLine {
    /// `invoice_line_item` or `custom_line_item`.
    #[serde(rename = "type")]
    pub kind: String,
    pub invoice_line_item: Option<String>,
    pub amount: Option<i64>,
    pub quantity: Option<i64>,
    pub unit_amount: Option<i64>,
    pub description: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkedRefund {
    pub refund: Option<String>,
    pub amount_refunded: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreditNoteFilter {
    pub invoice: Option<String>,
    pub customer: Option<String>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// The calls for refunds.
#[derive(Debug, Clone, Copy)]
pub struct Refunds<'a>(pub(super) &'a Stripe);

impl Refunds<'_> {
    /// Gives money back.
    ///
    /// # Errors
    /// Stripe's refusals: never more than was paid, not what is disputed.
    pub async fn create(self, params: &NewRefund, key: &str) -> Result<Refund, StripeError> {
        self.0.post("/v1/refunds", params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<Refund, StripeError> {
        self.0.get(&format!("/v1/refunds/{}", part(id)), &nothing()).await
    }

    /// All of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &RefundFilter) -> Result<Vec<Refund>, StripeError> {
        self.0.all("/v1/refunds", filter).await
    }
}

/// The calls for credit notes.
#[derive(Debug, Clone, Copy)]
pub struct CreditNotes<'a>(pub(super) &'a Stripe);

impl CreditNotes<'_> {
    /// Issues one.
    ///
    /// # Errors
    /// Stripe's refusals: never more than the invoice.
    pub async fn create(self, params: &NewCreditNote, key: &str) -> Result<CreditNote, StripeError> {
        self.0.post("/v1/credit_notes", params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<CreditNote, StripeError> {
        self.0.get(&format!("/v1/credit_notes/{}", part(id)), &nothing()).await
    }

    /// All of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &CreditNoteFilter) -> Result<Vec<CreditNote>, StripeError> {
        self.0.all("/v1/credit_notes", filter).await
    }
}
