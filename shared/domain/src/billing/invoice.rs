//! Invoices, as Stripe has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::events::{InvoiceFinalized, InvoicePaid, InvoiceVoided};
use super::{Money, Product, Transition};
use crate::{OrgId, Refusal, Timestamp};

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invoice {
    /// Stripe's id.
    pub id: String,
    /// Whose.
    pub org: OrgId,
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// Of which subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// Its number, once it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Its status.
    pub status: InvoiceStatus,
    /// Why it was made, in Stripe's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Without tax.
    pub subtotal: Money,
    /// The tax.
    pub tax: Money,
    /// With tax.
    pub total: Money,
    /// What of it is paid.
    pub paid: Money,
    /// What of it is still to be paid.
    pub remaining: Money,
    /// How often its payment was tried.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// When it must be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// The beginning of what it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_start: Option<Timestamp>,
    /// The end of what it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<Timestamp>,
    /// Where it can be seen and paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_url: Option<String>,
    /// Where it can be got as a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdf_url: Option<String>,
    /// Why it could not be fixed, such as an address that taxes nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalization_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized_at: Option<Timestamp>,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// An invoice's status, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Still being written.
    Draft,
    /// Fixed, and to be paid.
    Open,
    /// Paid.
    Paid,
    /// Taken back.
    Void,
    /// Given up.
    Uncollectible,
    /// One that came after us.
    #[serde(untagged)]
    Other(String),
}

impl InvoiceStatus {
    /// Whether nobody need pay it, or has to any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Paid | Self::Void | Self::Uncollectible)
    }
}

impl Invoice {
    /// What was fetched takes the place of what is here. That it was fixed, paid or given up is told once each, and if
    /// several are new, the last of them.
    #[must_use]
    pub fn project(previous: Option<&Self>, fetched: Self) -> Transition<Self> {
        let before = previous.map(|previous| &previous.status);
        // Nothing follows these two, whatever a stale answer says.
        if let Some(previous) = previous
            && matches!(previous.status, InvoiceStatus::Paid | InvoiceStatus::Void)
            && fetched.status != previous.status
        {
            return Transition::quiet(previous.clone());
        }
        if before == Some(&fetched.status) {
            return Transition::quiet(fetched);
        }
        let (product, invoice, number) = (fetched.product, fetched.id.clone(), fetched.number.clone());
        match &fetched.status {
            InvoiceStatus::Paid => {
                let event = InvoicePaid {
                    product,
                    invoice,
                    number,
                    paid: fetched.paid,
                    tax: fetched.tax,
                    paid_at: fetched.paid_at.unwrap_or(fetched.created_at),
                    period_end: fetched.period_end,
                    hosted_url: fetched.hosted_url.clone(),
                    pdf_url: fetched.pdf_url.clone(),
                };
                Transition::told(fetched, event)
            }
            InvoiceStatus::Void | InvoiceStatus::Uncollectible => {
                let (total, status) = (fetched.total, fetched.status.clone());
                Transition::told(fetched, InvoiceVoided { product, invoice, number, total, status })
            }
            InvoiceStatus::Open if before != Some(&InvoiceStatus::Uncollectible) => {
                let event = InvoiceFinalized {
                    product,
                    invoice,
                    number,
                    subtotal: fetched.subtotal,
                    tax: fetched.tax,
                    total: fetched.total,
                    due_at: fetched.due_at,
                };
                Transition::told(fetched, event)
            }
            InvoiceStatus::Open | InvoiceStatus::Draft | InvoiceStatus::Other(_) => {
                Transition::quiet(fetched)
            }
        }
    }

    /// Somebody wants to pay it now.
    ///
    /// # Errors
    /// 409 `not_open` unless it is to be paid.
    pub fn ensure_payable(&self) -> Result<(), Refusal> {
        if matches!(self.status, InvoiceStatus::Open | InvoiceStatus::Uncollectible) {
            return Ok(());
        }
        Err(Refusal::conflict("not_open", "The invoice is not to be paid."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::Currency;

    fn invoice(status: InvoiceStatus) -> Invoice {
        let money = |minor| Money::new(minor, Currency::EUR);
        Invoice {
            id: "in_1".to_owned(),
            org: OrgId::from_ulid(1),
            product: Some(Product::Hosting),
            subscription: Some("sub_1".to_owned()),
            number: Some("A-0001".to_owned()),
            status,
            reason: Some("subscription_cycle".to_owned()),
            subtotal: money(10_000),
            tax: money(1_900),
            total: money(11_900),
            paid: money(11_900),
            remaining: money(0),
            attempts: 1,
            next_attempt_at: None,
            due_at: None,
            period_start: None,
            period_end: None,
            hosted_url: None,
            pdf_url: None,
            finalization_error: None,
            created_at: Timestamp::from_secs(1),
            finalized_at: None,
            paid_at: Some(Timestamp::from_secs(2)),
        }
    }

    #[test]
    fn each_step_of_an_invoice_is_told_once() {
        use InvoiceStatus::{Draft, Open, Paid, Uncollectible, Void};
        let told = |before: Option<InvoiceStatus>, after| {
            let before = before.map(invoice);
            Invoice::project(before.as_ref(), invoice(after)).event.map(|event| event.name())
        };
        for (before, after, expected) in [
            (None, Draft, None),
            (Some(Draft), Open, Some("billing.invoice_finalized")),
            (None, Open, Some("billing.invoice_finalized")),
            (Some(Open), Open, None),
            (Some(Open), Paid, Some("billing.invoice_paid")),
            (Some(Draft), Paid, Some("billing.invoice_paid")),
            (None, Paid, Some("billing.invoice_paid")),
            (Some(Paid), Paid, None),
            (Some(Paid), Open, None),
            (Some(Open), Void, Some("billing.invoice_voided")),
            (Some(Open), Uncollectible, Some("billing.invoice_voided")),
            (Some(Uncollectible), Paid, Some("billing.invoice_paid")),
            (Some(Uncollectible), Open, None),
            (Some(Void), Paid, None),
        ] {
            assert_eq!(told(before.clone(), after.clone()), expected, "{before:?} {after:?}");
        }
        let paid = invoice(Paid);
        assert_eq!(
            Invoice::project(Some(&paid), invoice(Open)).next,
            paid,
            "a stale answer takes nothing back"
        );
    }

    #[test]
    fn an_unheard_of_status_is_kept_as_it_is() {
        let read: InvoiceStatus = serde_json::from_str("\"in_review\"").expect("any word");
        assert_eq!(read, InvoiceStatus::Other("in_review".to_owned()));
        assert_eq!(serde_json::to_string(&read).ok(), Some("\"in_review\"".to_owned()));
        assert_eq!(invoice(read).ensure_payable().map_err(|no| no.code), Err("not_open"));
        assert_eq!(invoice(InvoiceStatus::Open).ensure_payable(), Ok(()));
    }
}
