//! What is told of invoices, payments that fail, refunds, disputes, cards and use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::billing::{InvoiceStatus, Money, Product};
use crate::{Event, Timestamp};

/// `billing.payment_failed`: an invoice's payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentFailed {
    /// Of which product.
    pub product: Product,
    /// The invoice.
    pub invoice: String,
    /// What is to be paid.
    pub amount: Money,
    /// Which attempt this was.
    pub attempt: u32,
    /// When the next one is made, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Why, as the bank says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the product is restricted if nobody pays.
    pub restricted_at: Timestamp,
    /// Where it can be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_url: Option<String>,
}

impl Event for PaymentFailed {
    const TYPE: &'static str = "billing.payment_failed";
}

/// `billing.payment_action_required`: a payment waits for its payer's confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentActionRequired {
    /// Of which product.
    pub product: Product,
    /// The invoice.
    pub invoice: String,
    /// What is to be paid.
    pub amount: Money,
    /// Where it is confirmed.
    pub url: String,
}

impl Event for PaymentActionRequired {
    const TYPE: &'static str = "billing.payment_action_required";
}

/// `billing.invoice_finalized`: an invoice is fixed and is to be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceFinalized {
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The invoice.
    pub invoice: String,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Without tax.
    pub subtotal: Money,
    /// The tax.
    pub tax: Money,
    /// With tax.
    pub total: Money,
    /// When it must be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

impl Event for InvoiceFinalized {
    const TYPE: &'static str = "billing.invoice_finalized";
}

/// `billing.invoice_paid`: an invoice is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoicePaid {
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The invoice.
    pub invoice: String,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What was paid.
    pub paid: Money,
    /// The tax in it.
    pub tax: Money,
    /// When.
    pub paid_at: Timestamp,
    /// Until when that pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<Timestamp>,
    /// Where it can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_url: Option<String>,
    /// Where it can be got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdf_url: Option<String>,
}

impl Event for InvoicePaid {
    const TYPE: &'static str = "billing.invoice_paid";
}

/// `billing.invoice_voided`: an invoice need not be paid any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceVoided {
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The invoice.
    pub invoice: String,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What it was about.
    pub total: Money,
    /// Void or uncollectible.
    pub status: InvoiceStatus,
}

impl Event for InvoiceVoided {
    const TYPE: &'static str = "billing.invoice_voided";
}

/// `billing.refund_made`: money went back to its payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefundMade {
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The refund.
    pub refund: String,
    /// Of which invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
    /// How much.
    pub amount: Money,
    /// What of the payment is left.
    pub left: Money,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Event for RefundMade {
    const TYPE: &'static str = "billing.refund_made";
}

/// `billing.refund_failed`: money that was to go back did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefundFailed {
    /// The refund.
    pub refund: String,
    /// Of which invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
    /// How much.
    pub amount: Money,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Event for RefundFailed {
    const TYPE: &'static str = "billing.refund_failed";
}

/// `billing.dispute_opened`: a payer disputes a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeOpened {
    /// The dispute.
    pub dispute: String,
    /// The charge.
    pub charge: String,
    /// How much.
    pub amount: Money,
    /// Why, as the bank says.
    pub reason: String,
    /// Until when evidence is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_by: Option<Timestamp>,
}

impl Event for DisputeOpened {
    const TYPE: &'static str = "billing.dispute_opened";
}

/// `billing.dispute_closed`: a dispute is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisputeClosed {
    /// The dispute.
    pub dispute: String,
    /// The charge.
    pub charge: String,
    /// How much.
    pub amount: Money,
    /// Whether the money is ours.
    pub won: bool,
}

impl Event for DisputeClosed {
    const TYPE: &'static str = "billing.dispute_closed";
}

/// `billing.card_expiring`: a card ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardExpiring {
    /// The payment method.
    pub method: String,
    /// The card's brand.
    pub brand: String,
    /// Its last digits.
    pub last4: String,
    /// The last month it is good.
    pub exp_month: u32,
    /// That month's year.
    pub exp_year: u32,
    /// Days until then; 0 when it is over.
    pub days_left: u32,
}

impl Event for CardExpiring {
    const TYPE: &'static str = "billing.card_expiring";
}

/// `billing.spend_cap_reached`: use came to a part of its cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpendCapReached {
    /// Of which product.
    pub product: Product,
    /// What is counted.
    pub meter: String,
    /// Which part: 50, 80 or 100.
    pub percent: u8,
    /// The cap.
    pub limit: Money,
    /// Whether use stops at it.
    pub hard: bool,
}

impl Event for SpendCapReached {
    const TYPE: &'static str = "billing.spend_cap_reached";
}

/// `billing.usage_sealed`: an hour of use is closed and can be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageSealed {
    /// What was counted.
    pub meter: String,
    /// The hour's beginning.
    pub hour: Timestamp,
    /// Which part of the hour.
    pub sequence: u32,
}

impl Event for UsageSealed {
    const TYPE: &'static str = "billing.usage_sealed";
}
