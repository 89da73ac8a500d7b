//! Invoices: fetched, stored, and what an unpaid one sets going.

use domain::billing::dunning::{Dunning, Failure};
use domain::billing::{
    Currency, DunningTrigger, Invoice, InvoiceStatus, Money, Pending, Product, Transition,
};
use platform::store::{Write, again};
use platform::stripe::invoice::{self as stripe, BillingReason};
use platform::stripe::payment::{IntentStatus, PaymentIntent};
use platform::{Error, Result};

use super::{charges, owner};
use crate::calls::Calls;
use crate::store::standing::Standings;

/// Fetches an invoice and stores it, with what follows from it.
///
/// # Errors
/// What Stripe refuses.
pub async fn look(calls: &Calls<'_>, stripe_id: &str) -> Result<()> {
    let told = again(async || {
        let stored = calls.billing.invoice(stripe_id).await?;
        let fetched = match calls.stripe.invoices().get(stripe_id, &[]).await {
            Err(error) if error.is_not_found() => return Ok(Told::default()),
            other => other?,
        };
        let product = product_of(&fetched);
        let standings = match product {
            Some(product) => Some(calls.billing.standings(product).await?),
            None => None,
        };
        let invoice = invoice(calls, &fetched, product)?;
        let transition = Invoice::project(stored.as_ref().map(|stored| &stored.value), invoice);
        let mut told = Told { paid: paid(&transition), ..Told::default() };
        let mut writes: Vec<Write> = Vec::new();
        if stored.as_ref().is_none_or(|stored| transition.changes(&stored.value)) {
            writes.extend(calls.billing.invoiced(stored.as_ref(), &transition, calls.origin));
            let previous = stored.as_ref().map(|stored| &stored.value);
            writes.extend(charges::moved(calls, previous, &transition.next, &fetched).await?);
        }
        if let Some(standings) = &standings {
            let ladder = climb(calls, standings, &transition.next, &fetched).await?;
            if let Some((product, ladder)) = product.zip(ladder) {
                told.failed =
                    matches!(&ladder.event, Some(event) if event.name() == "billing.payment_failed");
                writes.extend(dunned(calls, standings, product, ladder));
            }
        }
        calls.billing.write(writes).await.map(|()| told)
    })
    .await?;
    calls.app.count("InvoicesPaid", u64::from(told.paid));
    calls.app.count("PaymentsFailed", u64::from(told.failed));
    Ok(())
}

/// What is counted of an invoice.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    paid: bool,
    failed: bool,
}

fn paid(transition: &Transition<Invoice>) -> bool {
    matches!(&transition.event, Some(event) if event.name() == "billing.invoice_paid")
}

fn dunned(
    calls: &Calls<'_>,
    standings: &Standings,
    product: Product,
    ladder: Transition<Dunning>,
) -> Vec<Write> {
    let was = standings.dunning.iter().find(|stored| stored.invoice == ladder.next.invoice);
    let mut values = standings.values();
    values.dunning.retain(|dunning| dunning.invoice != ladder.next.invoice);
    values.dunning.push(ladder.next.clone());
    let writes = vec![calls.billing.dunned(was, &ladder, calls.origin)];
    calls.billing.entitled(writes, standings, product, &values, calls.origin)
}

/// What an invoice makes of its ladder; `None` if nothing.
async fn climb(
    calls: &Calls<'_>,
    standings: &Standings,
    invoice: &Invoice,
    fetched: &stripe::Invoice,
) -> Result<Option<Transition<Dunning>>> {
    let now = calls.origin.now;
    let stored = standings.dunning.iter().find(|stored| stored.invoice == invoice.id);
    let moved = |trigger: DunningTrigger| {
        stored
            .map(|stored| (stored.step(&trigger, now), stored))
            .and_then(|(transition, stored)| transition.changes(&stored.value).then_some(transition))
    };
    if invoice.status.is_settled() {
        return Ok(moved(DunningTrigger::InvoiceSettled));
    }
    // A first payment that fails ends nothing: there was nothing yet.
    let renews = fetched.billing_reason != Some(BillingReason::SubscriptionCreate);
    let is_unpaid = invoice.status == InvoiceStatus::Open && invoice.attempts > 0 && renews;
    let (Some(subscription), Some(product), true) = (&invoice.subscription, invoice.product, is_unpaid)
    else {
        return Ok(None);
    };
    let intent = intent(calls, &invoice.id).await?;
    let status = intent.as_ref().map(|intent| intent.status.clone());
    // On its way for days, or just arrived: the invoice will tell.
    if matches!(status, Some(IntentStatus::Processing | IntentStatus::Succeeded)) {
        return Ok(None);
    }
    let asks = (status == Some(IntentStatus::RequiresAction)).then(|| invoice.hosted_url.clone()).flatten();
    let reason = intent.as_ref().and_then(|intent| intent.last_payment_error.as_ref());
    let reason = reason.and_then(|error| error.decline_code.clone().or_else(|| error.code.clone()));
    let next_attempt_at = invoice.next_attempt_at;
    let asked = asks.map(|url| DunningTrigger::ActionRequired { url });
    // An upgrade that waits for its payment is dropped by itself when it is declined: nothing is owed for it.
    let pending = standings.subscription.as_ref().and_then(|stored| stored.observed.pending.as_ref());
    let is_change = fetched.billing_reason == Some(BillingReason::SubscriptionUpdate);
    let waits = is_change && matches!(pending, Some(Pending::Payment { .. }));
    if waits && asked.is_none() {
        return Ok(None);
    }
    if stored.is_none() {
        let failure = Failure {
            org: calls.billing.org(),
            product,
            invoice: invoice.id.clone(),
            subscription: subscription.clone(),
            amount: invoice.remaining,
            attempt: invoice.attempts,
            next_attempt_at,
            reason,
            pay_url: invoice.hosted_url.clone(),
        };
        let begun = Dunning::begin(failure, now);
        // Whoever must only confirm a payment is not told that it failed.
        return Ok(Some(match &asked {
            Some(asked) => begun.next.step(asked, now),
            None => begun,
        }));
    }
    let failed = DunningTrigger::PaymentFailed { attempt: invoice.attempts, next_attempt_at, reason };
    let failed = (!waits).then_some(failed).and_then(moved);
    Ok(failed.or_else(|| asked.and_then(moved)))
}

/// The payment that an invoice waits for.
async fn intent(calls: &Calls<'_>, invoice: &str) -> Result<Option<PaymentIntent>> {
    let payments = calls.stripe.invoices().payments(invoice).await?;
    let intent = payments.iter().rev().find_map(|payment| payment.payment.payment_intent.as_ref());
    match intent {
        Some(intent) => Ok(Some(calls.stripe.payment_intents().get(intent.id(), &[]).await?)),
        None => Ok(None),
    }
}

fn product_of(fetched: &stripe::Invoice) -> Option<Product> {
    let details = fetched.parent.as_ref()?.subscription_details.as_ref()?;
    owner(&details.metadata).map(|(_, product)| product)
}

/// An invoice as the domain sees it.
fn invoice(calls: &Calls<'_>, fetched: &stripe::Invoice, product: Option<Product>) -> Result<Invoice> {
    let currency: Currency = fetched
        .currency
        .parse()
        .map_err(|_| Error::internal(format!("invoice {} has a strange currency", fetched.id)))?;
    let money = |minor: i64| Money::new(minor, currency);
    let tax = fetched.total_taxes.iter().map(|tax| tax.amount).sum();
    let line = fetched.lines.data.last();
    Ok(Invoice {
        id: fetched.id.clone(),
        org: calls.billing.org(),
        product,
        subscription: fetched.subscription().map(str::to_owned),
        number: fetched.number.clone(),
        status: status(fetched.status.as_ref()),
        reason: fetched.billing_reason.as_ref().map(ToString::to_string),
        subtotal: money(fetched.subtotal),
        tax: money(tax),
        total: money(fetched.total),
        paid: money(fetched.amount_paid),
        remaining: money(fetched.amount_remaining),
        attempts: u32::try_from(fetched.attempt_count).unwrap_or(0),
        next_attempt_at: fetched.next_payment_attempt,
        due_at: fetched.due_date,
        period_start: line.map(|line| line.period.start),
        period_end: line.map(|line| line.period.end),
        hosted_url: fetched.hosted_invoice_url.clone(),
        pdf_url: fetched.invoice_pdf.clone(),
        finalization_error: fetched.last_finalization_error.as_ref().and_then(|error| error.code.clone()),
        created_at: fetched.created,
        finalized_at: fetched.status_transitions.finalized_at,
        paid_at: fetched.status_transitions.paid_at,
    })
}

fn status(status: Option<&stripe::InvoiceStatus>) -> InvoiceStatus {
    match status {
        Some(stripe::InvoiceStatus::Draft) | None => InvoiceStatus::Draft,
        Some(stripe::InvoiceStatus::Open) => InvoiceStatus::Open,
        Some(stripe::InvoiceStatus::Paid) => InvoiceStatus::Paid,
        Some(stripe::InvoiceStatus::Void) => InvoiceStatus::Void,
        Some(stripe::InvoiceStatus::Uncollectible) => InvoiceStatus::Uncollectible,
        Some(stripe::InvoiceStatus::Other(other)) => InvoiceStatus::Other(other.clone()),
    }
}
