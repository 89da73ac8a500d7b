//! What was paid, and what of it goes back: charges, refunds and disputes, each with its postings in the ledger.

use domain::billing::ledger::{Occasion, of_invoice};
use domain::billing::{Charge, Currency, Dispute, Invoice, InvoiceStatus, Money, Posting, Product, Refund};
use domain::{OrgId, Timestamp};
use platform::store::{Stored, Write, again};
use platform::stripe::dispute::Dispute as FetchedDispute;
use platform::stripe::invoice::Invoice as FetchedInvoice;
use platform::stripe::payment::Charge as FetchedCharge;
use platform::stripe::refund::RefundStatus;
use platform::{Error, Result};

use crate::calls::Calls;

/// The charge of a payment intent, with what Stripe booked for it.
const BOOKED: &str = "latest_charge.balance_transaction";

/// The writes of the money that an invoice has moved since it was last seen: its charges and its postings.
///
/// # Errors
/// What Stripe refuses; `unavailable` while Stripe has not booked a payment.
pub(super) async fn moved(
    calls: &Calls<'_>,
    previous: Option<&Invoice>,
    next: &Invoice,
    fetched: &FetchedInvoice,
) -> Result<Vec<Write>> {
    let was_paid = previous.is_some_and(|previous| previous.status == InvoiceStatus::Paid);
    let (mut writes, mut fee) = (Vec::new(), 0);
    if next.status == InvoiceStatus::Paid && !was_paid && next.paid.minor > 0 {
        for payment in calls.stripe.invoices().payments(&next.id).await? {
            let has_paid = payment.amount_paid.unwrap_or(0) > 0;
            let Some(intent) = payment.payment.payment_intent.as_ref().filter(|_| has_paid) else { continue };
            let intent = calls.stripe.payment_intents().get(intent.id(), &[BOOKED]).await?;
            let Some(made) = intent.latest_charge.as_ref().and_then(|charge| charge.object()) else {
                continue;
            };
            let booked = made.balance_transaction.as_ref().and_then(|booked| booked.object());
            fee += booked.ok_or_else(|| unbooked(&made.id))?.fee;
            let stored = calls.billing.charge(&made.id).await?;
            writes.push(calls.billing.charged(stored.as_ref(), &charge(next, made)));
        }
    }
    let credit = fetched.total - fetched.amount_due;
    writes.extend(calls.billing.posted(&of_invoice(previous, next, credit, fee)));
    Ok(writes)
}

fn charge(invoice: &Invoice, made: &FetchedCharge) -> Charge {
    let whole = Charge {
        id: made.id.clone(),
        org: invoice.org,
        product: invoice.product,
        invoice: invoice.id.clone(),
        amount: invoice.total,
        tax: invoice.tax.minor,
        refunded: 0,
        disputed: 0,
        reserved: std::collections::BTreeMap::new(),
    };
    // A charge that paid a part of the invoice has a part of its tax.
    let tax = whole.tax_in(made.amount);
    let amount = Money::new(made.amount, invoice.total.currency);
    Charge { amount, tax, ..whole }.refunded(made.amount_refunded)
}

fn unbooked(charge: &str) -> Error {
    Error::partner("stripe", true, format!("charge {charge} is not booked yet"))
}

/// Fetches a charge and stores what of it went back.
///
/// # Errors
/// What Stripe refuses.
pub async fn look(calls: &Calls<'_>, id: &str) -> Result<()> {
    again(async || {
        let Some(stored) = calls.billing.charge(id).await? else { return Ok(()) };
        let fetched = calls.stripe.charges().get(id, &[]).await?;
        let next = stored.refunded(fetched.amount_refunded);
        if next == stored.value {
            return Ok(());
        }
        calls.billing.write(vec![calls.billing.charged(Some(&stored), &next)]).await
    })
    .await
}

/// Fetches a refund and stores it, and what of its charge went back.
///
/// # Errors
/// What Stripe refuses; `not_found` for one of a charge that is not the organisation's.
pub async fn refund(calls: &Calls<'_>, id: &str) -> Result<Stored<Refund>> {
    again(async || {
        let stored = calls.billing.refund(id).await?;
        let fetched = calls.stripe.refunds().get(id).await?;
        let charge_id = fetched.charge.as_ref().ok_or(Error::NotFound)?.id().to_owned();
        let charge = calls.billing.charge(&charge_id).await?.ok_or(Error::NotFound)?;
        let made = calls.stripe.charges().get(&charge_id, &[]).await?;
        let next_charge = charge.refunded(made.amount_refunded);
        let money = |minor: i64| Money::new(minor, charge.amount.currency);
        let next = Refund {
            id: fetched.id.clone(),
            org: calls.billing.org(),
            product: charge.product,
            invoice: Some(charge.invoice.clone()),
            charge: charge_id,
            amount: money(fetched.amount),
            left: money(next_charge.left()),
            status: status(fetched.status.as_ref()),
            reason: fetched.failure_reason.clone().or_else(|| fetched.reason.clone()),
            created_at: fetched.created,
        };
        let previous = stored.as_ref().map(|stored| &stored.value);
        let transition = Refund::project(previous, next);
        let tax = charge.tax_in(fetched.amount);
        let posting = match transition.event.as_ref().map(|event| event.name()) {
            Some("billing.refund_made") => {
                Some(occasion(calls, id, &charge, fetched.created).refunded(fetched.amount, tax))
            }
            Some("billing.refund_failed") => {
                Some(occasion(calls, id, &charge, fetched.created).refund_failed(fetched.amount, tax))
            }
            _ => None,
        };
        let mut writes: Vec<Write> =
            calls.billing.refunded(stored.as_ref(), &transition, calls.origin).into_iter().collect();
        if next_charge != charge.value {
            writes.push(calls.billing.charged(Some(&charge), &next_charge));
        }
        writes.extend(calls.billing.posted(posting.as_slice()));
        calls.billing.write(writes).await
    })
    .await?;
    calls.billing.refund(id).await?.ok_or(Error::NotFound)
}

/// Fetches a dispute and stores it, and what it keeps of its charge.
///
/// # Errors
/// What Stripe refuses; `not_found` for one of a charge that is not the organisation's.
pub async fn dispute(calls: &Calls<'_>, id: &str) -> Result<()> {
    let is_new = again(async || {
        let stored = calls.billing.dispute(id).await?;
        let fetched = calls.stripe.disputes().get(id).await?;
        let charge = calls.billing.charge(fetched.charge.id()).await?.ok_or(Error::NotFound)?;
        let previous = stored.as_ref().map(|stored| &stored.value);
        let transition = Dispute::project(previous, seen(&fetched, calls.billing.org(), previous)?);
        let next_charge = charge.disputed(transition.next.held());
        let mut writes = calls.billing.disputed(stored.as_ref(), &transition, calls.origin);
        if next_charge != charge.value {
            writes.push(calls.billing.charged(Some(&charge), &next_charge));
        }
        let mut postings = Vec::new();
        for posting in booked(calls, &charge, &fetched, &transition.next) {
            if calls.billing.posting(posting.at, &posting.source).await?.is_none() {
                postings.push(posting);
            }
        }
        writes.extend(calls.billing.posted(&postings));
        calls.billing.write(writes).await.map(|()| stored.is_none())
    })
    .await?;
    calls.app.count("DisputesOpened", u64::from(is_new));
    Ok(())
}

fn seen(fetched: &FetchedDispute, org: OrgId, previous: Option<&Dispute>) -> Result<Dispute> {
    let currency: Currency = fetched
        .currency
        .parse()
        .map_err(|_| Error::internal(format!("dispute {} has a strange currency", fetched.id)))?;
    let dispute = Dispute {
        id: fetched.id.clone(),
        org,
        charge: fetched.charge.id().to_owned(),
        amount: Money::new(fetched.amount, currency),
        reason: fetched.reason.clone(),
        status: fetched.status.to_string(),
        due_by: fetched.evidence_details.due_by,
        evidence_at: previous.and_then(|previous| previous.evidence_at),
        created_at: fetched.created,
        next_at: None,
    };
    // Staff who were called once are not called again.
    let is_called = previous.is_some_and(|previous| previous.next_at.is_none());
    let next_at = dispute.call_at().filter(|_| !is_called);
    Ok(Dispute { next_at, ..dispute })
}

/// What Stripe booked for a dispute, as postings.
fn booked(calls: &Calls<'_>, charge: &Charge, fetched: &FetchedDispute, dispute: &Dispute) -> Vec<Posting> {
    let of = || occasion(calls, &fetched.id, charge, fetched.created);
    let taken = fetched.balance_transactions.iter().find(|booked| booked.amount < 0);
    let Some(taken) = taken else { return Vec::new() };
    let mut postings = vec![of().dispute_opened(-taken.amount, taken.fee)];
    if let Some(given) = fetched.balance_transactions.iter().find(|booked| booked.amount > 0) {
        postings.push(of().dispute_won(given.amount, -given.fee));
    } else if dispute.status == "lost" {
        postings.push(of().dispute_lost(-taken.amount));
    }
    postings
}

fn occasion(calls: &Calls<'_>, reference: &str, charge: &Charge, at: Timestamp) -> Occasion {
    let product: Option<Product> = charge.product;
    let currency = charge.amount.currency;
    Occasion { reference: reference.to_owned(), org: calls.billing.org(), product, at, currency }
}

fn status(status: Option<&RefundStatus>) -> domain::billing::refund::RefundStatus {
    use domain::billing::refund::RefundStatus as Ours;
    match status {
        Some(RefundStatus::Pending) | None => Ours::Pending,
        Some(RefundStatus::RequiresAction) => Ours::RequiresAction,
        Some(RefundStatus::Succeeded) => Ours::Succeeded,
        Some(RefundStatus::Failed) => Ours::Failed,
        Some(RefundStatus::Canceled) => Ours::Canceled,
        Some(RefundStatus::Other(other)) => Ours::Other(other.clone()),
    }
}
