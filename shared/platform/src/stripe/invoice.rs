//! Invoices, their lines and their payments.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::Price;
use super::customer::{Customer, TaxExempt};
use super::payment::{Charge, PaymentError, PaymentIntent};
use super::payment_method::PaymentMethod;
use super::subscription::{Anchor, ItemParams, ProrationBehavior, Subscription};
use super::value::{
    Address, Created, Enabled, Expand, List, Metadata, Moment, Page, Period, identified, or_nothing, unix,
    words,
};
use super::{Pages, Stripe, StripeError, expanding, nothing, part};

/// An invoice, or the preview of one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Invoice {
    /// A preview's leads nowhere.
    #[serde(default)]
    pub id: String,
    /// None before it is finalised.
    pub number: Option<String>,
    pub status: Option<InvoiceStatus>,
    pub billing_reason: Option<BillingReason>,
    pub customer: Option<Expand<Customer>>,
    pub currency: String,
    pub subtotal: i64,
    pub subtotal_excluding_tax: Option<i64>,
    pub total: i64,
    pub total_excluding_tax: Option<i64>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub total_taxes: Vec<Tax>,
    pub amount_due: i64,
    #[serde(default)]
    pub amount_paid: i64,
    #[serde(default)]
    pub amount_remaining: i64,
    #[serde(default)]
    pub starting_balance: i64,
    pub ending_balance: Option<i64>,
    #[serde(default)]
    pub attempt_count: i64,
    #[serde(default)]
    pub attempted: bool,
    pub auto_advance: Option<bool>,
    #[serde(default, with = "unix::maybe")]
    pub next_payment_attempt: Option<Timestamp>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default, with = "unix::maybe")]
    pub due_date: Option<Timestamp>,
    #[serde(default, with = "unix::maybe")]
    pub effective_at: Option<Timestamp>,
    #[serde(with = "unix")]
    pub period_start: Timestamp,
    #[serde(with = "unix")]
    pub period_end: Timestamp,
    #[serde(default, deserialize_with = "or_nothing")]
    pub status_transitions: StatusTransitions,
    /// What it is for.
    pub parent: Option<InvoiceParent>,
    /// Only where it is expanded.
    pub confirmation_secret: Option<ConfirmationSecret>,
    #[serde(default)]
    pub lines: List<InvoiceLine>,
    /// Only where it is expanded.
    pub payments: Option<List<InvoicePayment>>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub automatic_tax: AutomaticTax,
    pub customer_address: Option<Address>,
    pub customer_email: Option<String>,
    pub customer_name: Option<String>,
    pub customer_tax_exempt: Option<TaxExempt>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub customer_tax_ids: Vec<CustomerTaxId>,
    pub default_payment_method: Option<Expand<PaymentMethod>>,
    pub hosted_invoice_url: Option<String>,
    pub invoice_pdf: Option<String>,
    pub last_finalization_error: Option<PaymentError>,
    #[serde(default)]
    pub post_payment_credit_notes_amount: i64,
    #[serde(default)]
    pub pre_payment_credit_notes_amount: i64,
    pub description: Option<String>,
    pub footer: Option<String>,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StatusTransitions {
    #[serde(with = "unix::maybe")]
    pub finalized_at: Option<Timestamp>,
    #[serde(with = "unix::maybe")]
    pub paid_at: Option<Timestamp>,
    #[serde(with = "unix::maybe")]
    pub voided_at: Option<Timestamp>,
    #[serde(with = "unix::maybe")]
    pub marked_uncollectible_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InvoiceParent {
    #[serde(rename = "type")]
    pub kind: String,
    pub subscription_details: Option<SubscriptionDetails>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SubscriptionDetails {
    pub subscription: Expand<Subscription>,
    /// The subscription's, when the invoice was finalised.
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConfirmationSecret {
    pub client_secret: String,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AutomaticTax {
    #[serde(default)]
    pub enabled: bool,
    /// `complete`, `failed`, `requires_location_inputs`.
    pub status: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomerTaxId {
    #[serde(rename = "type")]
    pub kind: String,
    pub value: Option<String>,
}

/// Tax of an invoice or a line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tax {
    pub amount: i64,
    /// `exclusive` or `inclusive`.
    pub tax_behavior: Option<String>,
    /// `standard_rated`, `reverse_charge`, `not_collecting`.
    pub taxability_reason: Option<String>,
    pub taxable_amount: Option<i64>,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InvoiceLine {
    pub id: String,
    pub amount: i64,
    #[serde(default)]
    pub subtotal: i64,
    pub currency: String,
    pub description: Option<String>,
    pub quantity: Option<i64>,
    pub period: Period,
    pub parent: Option<LineParent>,
    pub pricing: Option<Pricing>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub taxes: Vec<Tax>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LineParent {
    #[serde(rename = "type")]
    pub kind: String,
    pub subscription_item_details: Option<LineDetails>,
    pub invoice_item_details: Option<LineDetails>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LineDetails {
    #[serde(default)]
    pub proration: bool,
    pub subscription: Option<String>,
    pub subscription_item: Option<String>,
    pub invoice_item: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Pricing {
    pub unit_amount_decimal: Option<String>,
    pub price_details: Option<PriceDetails>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PriceDetails {
    pub price: Expand<Price>,
    pub product: String,
}

/// Which payment pays an invoice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InvoicePayment {
    pub id: String,
    pub invoice: Expand<Invoice>,
    pub status: InvoicePaymentStatus,
    pub amount_paid: Option<i64>,
    pub amount_requested: i64,
    pub currency: String,
    #[serde(default)]
    pub is_default: bool,
    pub payment: Payment,
    #[serde(with = "unix")]
    pub created: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Payment {
    /// `payment_intent`, `charge`.
    #[serde(rename = "type")]
    pub kind: String,
    pub payment_intent: Option<Expand<PaymentIntent>>,
    pub charge: Option<Expand<Charge>>,
}

words! {
    /// The state of an invoice.
    InvoiceStatus {
        Draft = "draft",
        Open = "open",
        Paid = "paid",
        Uncollectible = "uncollectible",
        Void = "void",
    }
}

words! {
    /// Why there is an invoice.
    BillingReason {
        SubscriptionCreate = "subscription_create",
        SubscriptionCycle = "subscription_cycle",
        SubscriptionUpdate = "subscription_update",
        SubscriptionThreshold = "subscription_threshold",
        Subscription = "subscription",
        Manual = "manual",
        Upcoming = "upcoming",
    }
}

words! {
    /// The state of a payment of an invoice.
    InvoicePaymentStatus { Open = "open", Paid = "paid", Canceled = "canceled" }
}

identified!(Invoice, InvoiceLine, InvoicePayment);

impl Invoice {
    /// The subscription that it is for.
    #[must_use]
    pub fn subscription(&self) -> Option<&str> {
        let details = self.parent.as_ref()?.subscription_details.as_ref()?;
        Some(details.subscription.id())
    }
}

impl InvoiceLine {
    /// Whether it is a part of a period, charged or credited for a change within it.
    #[must_use]
    pub fn is_proration(&self) -> bool {
        self.details().is_some_and(|details| details.proration)
    }

    /// The subscription's item that it is for.
    #[must_use]
    pub fn subscription_item(&self) -> Option<&str> {
        self.details()?.subscription_item.as_deref()
    }

    /// The price.
    #[must_use]
    pub fn price(&self) -> Option<&str> {
        Some(self.pricing.as_ref()?.price_details.as_ref()?.price.id())
    }

    fn details(&self) -> Option<&LineDetails> {
        let parent = self.parent.as_ref()?;
        parent.subscription_item_details.as_ref().or(parent.invoice_item_details.as_ref())
    }
}

/// What is to be computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InvoicePreview {
    pub customer: Option<String>,
    pub subscription: Option<String>,
    pub schedule: Option<String>,
    pub automatic_tax: Option<Enabled>,
    /// `next` or `recurring`.
    pub preview_mode: Option<String>,
    pub subscription_details: Option<PreviewDetails>,
    pub expand: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreviewDetails {
    pub items: Vec<ItemParams>,
    pub proration_behavior: Option<ProrationBehavior>,
    #[serde(with = "unix::maybe")]
    pub proration_date: Option<Timestamp>,
    pub billing_cycle_anchor: Option<Anchor>,
    pub cancel_at_period_end: Option<bool>,
    pub cancel_now: Option<bool>,
    pub trial_end: Option<Moment>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InvoiceFilter {
    pub customer: Option<String>,
    pub subscription: Option<String>,
    pub status: Option<InvoiceStatus>,
    pub created: Option<Created>,
    pub expand: Vec<String>,
    #[serde(flatten)]
    pub page: Page,
}

/// How an open one is paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PayInvoice {
    pub payment_method: Option<String>,
    pub off_session: Option<bool>,
    pub paid_out_of_band: Option<bool>,
    pub forgive: Option<bool>,
    pub expand: Vec<String>,
}

#[derive(Serialize)]
struct PaymentsOf<'a> {
    invoice: &'a str,
}

#[derive(Serialize)]
struct PaymentsBy<'a> {
    payment: ByIntent<'a>,
}

#[derive(Serialize)]
struct ByIntent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    payment_intent: &'a str,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Invoices<'a>(pub(super) &'a Stripe);

impl Invoices<'_> {
    /// Computes one without making it.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create_preview(self, params: &InvoicePreview) -> Result<Invoice, StripeError> {
        self.0.send(http::Method::POST, "/v1/invoices/create_preview", params, None).await
    }

    /// One, with `confirmation_secret` or `payments` expanded.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str, expand: &[&str]) -> Result<Invoice, StripeError> {
        self.0.get(&format!("/v1/invoices/{}", part(id)), &expanding(expand)).await
    }

    /// A page of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn list(self, filter: &InvoiceFilter) -> Result<List<Invoice>, StripeError> {
        self.0.get("/v1/invoices", filter).await
    }

    /// All of them.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &InvoiceFilter) -> Result<Vec<Invoice>, StripeError> {
        self.0.all("/v1/invoices", filter).await
    }

    /// All of them, page by page.
    pub fn pages(self, filter: &InvoiceFilter) -> Pages<Invoice> {
        self.0.pages("/v1/invoices", filter)
    }

    /// All lines of one, which itself tells the first ten.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn lines(self, id: &str) -> Result<Vec<InvoiceLine>, StripeError> {
        self.0.all(&format!("/v1/invoices/{}/lines", part(id)), &nothing()).await
    }

    /// Tries to pay an open one now.
    ///
    /// # Errors
    /// Stripe's refusals; a card may be declined.
    pub async fn pay(self, id: &str, params: &PayInvoice, key: &str) -> Result<Invoice, StripeError> {
        self.0.post(&format!("/v1/invoices/{}/pay", part(id)), params, key).await
    }

    /// Voids an open one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn void(self, id: &str, key: &str) -> Result<Invoice, StripeError> {
        self.0.post(&format!("/v1/invoices/{}/void", part(id)), &nothing(), key).await
    }

    /// The payments of one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn payments(self, invoice: &str) -> Result<Vec<InvoicePayment>, StripeError> {
        self.0.all("/v1/invoice_payments", &PaymentsOf { invoice }).await
    }

    /// What a payment intent pays: an intent does not name its invoice.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn payments_of_intent(self, payment_intent: &str) -> Result<Vec<InvoicePayment>, StripeError> {
        let payment = ByIntent { kind: "payment_intent", payment_intent };
        self.0.all("/v1/invoice_payments", &PaymentsBy { payment }).await
    }
}
