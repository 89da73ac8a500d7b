//! Quotes: what Stripe says that a change costs, signed.

use domain::billing::quote::{Preview, QuoteLine};
use domain::billing::{Command, Currency, Money, PlannedChange, Quote, Subscription, catalog};
use platform::store::Stored;
use platform::stripe::invoice::{InvoicePreview, PreviewDetails};
use platform::stripe::subscription::ProrationBehavior;
use platform::{Result, config, hash};

use crate::calls::Calls;
use crate::commands;

/// A quote for a change that may be made.
///
/// # Errors
/// What Stripe refuses.
pub async fn make(
    calls: &Calls<'_>,
    subscription: &Stored<Subscription>,
    planned: PlannedChange,
) -> Result<Quote> {
    let preview = preview(calls, subscription, &planned).await?;
    let now = calls.origin.now;
    let quote = Quote::make(calls.origin.id(), subscription, subscription.version, planned, preview, now);
    let key = config::required("CURSOR_KEY")?;
    let signature = hash::hmac(key.as_bytes(), quote.to_sign().as_bytes());
    Ok(Quote { signature: signature.iter().map(|byte| format!("{byte:02x}")).collect(), ..quote })
}

async fn preview(calls: &Calls<'_>, stored: &Subscription, planned: &PlannedChange) -> Result<Preview> {
    let currency = stored.observed.currency;
    let zero = Money::new(0, currency);
    // Stripe counts whole seconds.
    let proration_date = domain::Timestamp::from_secs(calls.origin.now.as_secs());
    let target = catalog().price(&planned.to);
    let quantity = i64::try_from(planned.quantity).unwrap_or(1);
    let next = target.map_or(0, |target| target.price.minor.saturating_mul(quantity));
    let next_on = stored.observed.period_end;
    if planned.command != Command::UpdateNow {
        let next_amount = Money::new(next, currency);
        return Ok(Preview {
            proration_date,
            due_now: zero,
            tax_now: zero,
            credit: zero,
            next_amount,
            next_on,
            lines: Vec::new(),
        });
    }
    let details = PreviewDetails {
        items: commands::items(calls, stored, &planned.to, planned.quantity).await?,
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        proration_date: Some(proration_date),
        ..PreviewDetails::default()
    };
    let asked = InvoicePreview {
        subscription: Some(stored.observed.stripe_id.clone()),
        subscription_details: Some(details),
        ..InvoicePreview::default()
    };
    let invoice = calls.stripe.invoices().create_preview(&asked).await?;
    let tax: i64 = invoice.total_taxes.iter().map(|tax| tax.amount).sum();
    let line = |line: &platform::stripe::invoice::InvoiceLine| QuoteLine {
        description: line.description.clone().unwrap_or_default(),
        amount: Money::new(line.amount, currency),
    };
    let renewed = if planned.restarts {
        invoice.lines.data.iter().map(|line| line.period.end).max().unwrap_or(next_on)
    } else {
        next_on
    };
    Ok(Preview {
        proration_date,
        due_now: Money::new(invoice.amount_due.max(0), currency),
        tax_now: Money::new(tax, currency),
        credit: Money::new((-invoice.total).max(0), currency),
        next_amount: with_tax(next, invoice.subtotal, tax, currency),
        next_on: renewed,
        lines: invoice.lines.data.iter().map(line).collect(),
    })
}

/// The renewal with tax at the rate of what is paid now: the place and the buyer are the same.
fn with_tax(next: i64, subtotal: i64, tax: i64, currency: Currency) -> Money {
    if subtotal == 0 {
        return Money::new(next, currency);
    }
    let share = i128::from(next) * i128::from(tax);
    let tax = domain::billing::money::round_half_up(share, i128::from(subtotal));
    Money::new(next + tax, currency)
}
