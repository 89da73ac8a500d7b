//! The daily comparison with Stripe: what is not as it is kept here is looked at, and told.

use std::time::Duration;

use domain::OrgId;
use domain::billing::{Product, Subscription};
use platform::event::Origin;
use platform::store::Stored;
use platform::stripe::balance::{BalanceFilter, BalanceTransaction};
use platform::stripe::invoice::{InvoiceFilter, InvoiceStatus};
use platform::stripe::subscription::SubscriptionFilter;
use platform::stripe::{Created, Stripe};
use platform::{App, Error, Result};

use crate::calls::Calls;
use crate::store::BillingOfAll;
use crate::store::reconciliations::{Difference, Reconciliation};
use crate::{inbox, project, send_usage};

/// How far back the movements of money are compared: a run that failed is made good by the next.
const COMPARED: Duration = Duration::from_secs(3 * 24 * 3_600);

/// Compares every subscription and every open invoice that Stripe has, what moved its balance lately, and the use of the day
/// before, and keeps what came of it.
///
/// # Errors
/// What Stripe refuses.
pub async fn reconcile(app: &App, stripe: &Stripe, origin: &Origin) -> Result<Reconciliation> {
    let all = BillingOfAll::of(app);
    let date: String = origin.now.to_string().chars().take(10).collect();
    let (mut checked, mut differing) = (0, 0);
    let filter = SubscriptionFilter { status: Some("all".to_owned()), ..SubscriptionFilter::default() };
    for fetched in stripe.subscriptions().all(&filter).await? {
        let Some((org, product)) = project::owner(&fetched.metadata) else { continue };
        checked += 1;
        let calls = Calls { app, stripe: stripe.clone(), billing: all.one(org), origin };
        let before = kept(&calls, product).await?;
        project::subscription::look(&calls, product, &fetched.id).await?;
        let after = kept(&calls, product).await?;
        if let Some(difference) = difference(org, before.as_ref(), after.as_ref(), origin) {
            differing += 1;
            all.note(&date, &difference).await?;
        }
    }
    let filter = InvoiceFilter { status: Some(InvoiceStatus::Open), ..InvoiceFilter::default() };
    for fetched in stripe.invoices().all(&filter).await? {
        let details = fetched.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        let Some((org, _)) = details.and_then(|details| project::owner(&details.metadata)) else { continue };
        checked += 1;
        let calls = Calls { app, stripe: stripe.clone(), billing: all.one(org), origin };
        project::invoice::look(&calls, &fetched.id).await?;
    }
    for moved in movements(stripe, origin).await? {
        let Some((source, org)) = moved_for(app, &all, stripe, &moved, origin).await? else { continue };
        checked += 1;
        let calls = Calls { app, stripe: stripe.clone(), billing: all.one(org), origin };
        if let Some(difference) = missed(&calls, &moved, source).await? {
            differing += 1;
            all.note(&date, &difference).await?;
        }
    }
    let (days, unequal) = send_usage::reconcile(app, stripe, origin).await?;
    (checked, differing) = (checked + days, differing + unequal);
    app.count("ReconciliationDifferences", differing);
    let run = Reconciliation { date, checked, differing, ended_at: app.time() };
    all.conclude(&run).await?;
    Ok(run)
}

/// What moved Stripe's balance since the comparison before the last.
async fn movements(stripe: &Stripe, origin: &Origin) -> Result<Vec<BalanceTransaction>> {
    let created = Created { gte: Some(origin.now - COMPARED), ..Created::default() };
    let filter = BalanceFilter { created: Some(created), ..BalanceFilter::default() };
    Ok(stripe.balance_transactions().all(&filter).await?)
}

/// What moved the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Charge { is_known: bool },
    Refund,
    Dispute,
}

/// By what the balance was moved, and for whom; `None` for what is not of an invoice of ours.
async fn moved_for(
    app: &App,
    all: &BillingOfAll,
    stripe: &Stripe,
    moved: &BalanceTransaction,
    origin: &Origin,
) -> Result<Option<(Source, OrgId)>> {
    let Some(id) = &moved.source else { return Ok(None) };
    let (source, charge) = match id.split('_').next() {
        Some("ch" | "py") => {
            let is_known = all.payer_of(id).await?.is_some();
            (Source::Charge { is_known }, Some(id.clone()))
        }
        Some("re" | "pyr") => {
            (Source::Refund, stripe.refunds().get(id).await?.charge.map(|charge| charge.id().to_owned()))
        }
        Some("dp" | "du") => (Source::Dispute, Some(stripe.disputes().get(id).await?.charge.id().to_owned())),
        _ => return Ok(None),
    };
    let Some(charge) = charge else { return Ok(None) };
    let org = inbox::payer(app, all, stripe, &charge, origin).await?;
    Ok(org.map(|org| (source, org)))
}

/// Looks at what moved the balance if it was not in the books, and tells so.
async fn missed(calls: &Calls<'_>, moved: &BalanceTransaction, source: Source) -> Result<Option<Difference>> {
    let id = moved.source.clone().unwrap_or_default();
    let is_known = match source {
        Source::Charge { is_known } => is_known,
        Source::Refund => calls.billing.refund(&id).await?.is_some(),
        Source::Dispute => calls.billing.dispute(&id).await?.is_some(),
    };
    // Known or not, its state may have changed without a word.
    match source {
        Source::Charge { .. } => project::charges::look(calls, &id).await?,
        Source::Refund => project::charges::refund(calls, &id).await.map(drop)?,
        Source::Dispute => project::charges::dispute(calls, &id).await?,
    }
    let found = format!("{} {} {}", moved.kind, moved.amount, moved.currency);
    let org = calls.billing.org();
    let at = calls.origin.now;
    let difference = Difference { object: id, org, product: None, kept: None, found, at, resolved: None };
    Ok((!is_known).then_some(difference))
}

async fn kept(calls: &Calls<'_>, product: Product) -> Result<Option<Stored<Subscription>>> {
    match calls.billing.subscription(product).await {
        Err(Error::NotFound) => Ok(None),
        found => found.map(Some),
    }
}

fn difference(
    org: OrgId,
    before: Option<&Stored<Subscription>>,
    after: Option<&Stored<Subscription>>,
    origin: &Origin,
) -> Option<Difference> {
    let after = after.filter(|after| before.is_none_or(|before| before.version != after.version))?;
    Some(Difference {
        object: after.observed.stripe_id.clone(),
        org,
        product: Some(after.product),
        kept: before.map(|before| word(&before.observed)),
        found: word(&after.observed),
        at: origin.now,
        resolved: None,
    })
}

fn word(observed: &domain::billing::Observed) -> String {
    let status = serde_json::to_value(&observed.status).unwrap_or_default();
    format!("{} {} x{}", status.as_str().unwrap_or_default(), observed.price, observed.quantity)
}
