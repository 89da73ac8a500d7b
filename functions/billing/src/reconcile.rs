//! The daily comparison with Stripe: what is not as it is kept here is looked at, and told.

use std::time::Duration;

use domain::billing::{Product, Subscription};
use domain::{OrgId, Timestamp};
use platform::event::Origin;
use platform::store::Stored;
use platform::stripe::balance::{BalanceFilter, BalanceTransaction};
use platform::stripe::invoice::{InvoiceFilter, InvoiceStatus};
use platform::stripe::subscription::SubscriptionFilter;
use platform::stripe::{Created, Stripe};
use platform::{App, Error, Result};

use crate::calls::Calls;
use crate::store::BillingOfAll;
use crate::store::keys::{SHARDS, day};
use crate::store::reconciliations::{Difference, Reconciliation};
use crate::{inbox, project, send_usage};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How far back the movements of money and the use are compared: a run that failed is made good by the next.
const COMPARED_DAYS: u32 = 3;
/// After this long nothing happens any more to a subscription that has ended.
const LONG_OVER: Duration = Duration::from_secs(30 * 24 * 3_600);
/// What the rest of a run may take.
const ENOUGH: Duration = Duration::from_secs(30);

/// Compares every living subscription and every open invoice that Stripe has, what moved its balance lately, and the use
/// that arrived since the comparison before, and keeps what came of it. What fails for one of them is told, and keeps no
/// other from being compared.
///
/// # Errors
/// What the first that failed did with, once the rest is done.
pub async fn reconcile(app: &App, stripe: &Stripe, origin: &Origin) -> Result<Reconciliation> {
    let all = BillingOfAll::of(app);
    let before = all.reconciliations(1, None).await?;
    let before = before.items.first().map(|before| &before.value);
    let earlier = before.filter(|before| before.date == day(origin.now)).map_or(0, |before| before.differing);
    let from = before.and_then(|before| before.continues_before);
    let run = Reconciliation {
        date: day(origin.now),
        checked: 0,
        differing: 0,
        failed: 0,
        continues_before: None,
        ended_at: origin.now,
    };
    let mut night = Night { app, stripe, all, origin, run, failure: None };
    let done = night.movements().await;
    night.go_on(done);
    let done = night.used(before).await;
    night.go_on(done);
    let done = night.invoices().await;
    night.go_on(done);
    // There may be more of them than one night has time for.
    let done = night.subscriptions(from).await;
    night.go_on(done);
    let Night { all, mut run, failure, .. } = night;
    run.ended_at = app.time();
    // A run that failed is made again: what it found and mended is still of that day.
    run.differing = all.differing(&run.date).await?;
    app.count("ReconciliationDifferences", run.differing.saturating_sub(earlier));
    all.conclude(&run).await?;
    failure.map_or(Ok(run), Err)
}

/// One comparison under way.
struct Night<'a> {
    app: &'a App,
    stripe: &'a Stripe,
    all: BillingOfAll,
    origin: &'a Origin,
    run: Reconciliation,
    failure: Option<Error>,
}

impl Night<'_> {
    /// Tells what failed, and goes on without.
    fn go_on<T>(&mut self, done: Result<T>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                self.app.report(self.origin, &error);
                self.run.failed += 1;
                self.failure.get_or_insert(error);
                None
            }
        }
    }

    fn calls(&self, org: OrgId) -> Calls<'_> {
        Calls { app: self.app, stripe: self.stripe.clone(), billing: self.all.one(org), origin: self.origin }
    }

    async fn differs(&mut self, difference: Option<Difference>) -> Result<()> {
        self.run.checked += 1;
        let Some(difference) = difference else { return Ok(()) };
        self.all.note(&self.run.date, &difference).await
    }

    /// A run that is ended from outside would tell nothing.
    fn ensure_time(&self) -> Result<()> {
        if self.app.time_left() > ENOUGH {
            return Ok(());
        }
        Err(Error::internal("the comparison has more to do than it has time"))
    }

    /// The use that arrived on yesterday, and on the days before it to which no comparison came.
    async fn used(&mut self, before: Option<&Reconciliation>) -> Result<()> {
        let whole = before.filter(|before| before.failed == 0);
        for back in 1..=COMPARED_DAYS {
            let arrived_on = day(self.origin.now - DAY * back);
            let was_compared = whole.is_some_and(|whole| arrived_on < whole.date);
            if was_compared && back > 1 {
                break;
            }
            for shard in 0..SHARDS {
                for (org, meter, used_on) in self.all.arrived_on(&arrived_on, shard).await? {
                    self.ensure_time()?;
                    let found = send_usage::compare(&self.calls(org), &meter, &used_on).await;
                    if let Some(found) = self.go_on(found) {
                        self.differs(found).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Every living subscription, newest first; of those made before a moment, if the comparison before had no time for them.
    async fn subscriptions(&mut self, from: Option<Timestamp>) -> Result<()> {
        // Until all are looked at, the next comparison begins no later.
        self.run.continues_before = from;
        let created = from.map(|lte| Created { lte: Some(lte), ..Created::default() });
        let filter =
            SubscriptionFilter { status: Some("all".to_owned()), created, ..SubscriptionFilter::default() };
        let mut pages = self.stripe.subscriptions().pages(&filter);
        while let Some(page) = pages.next().await? {
            for fetched in page {
                let over = fetched.ended_at.is_some_and(|at| self.origin.now.since(at) > LONG_OVER);
                let Some((org, product)) = project::owner(&fetched.metadata).filter(|_| !over) else {
                    continue;
                };
                if self.ensure_time().is_err() {
                    self.run.continues_before = Some(fetched.created);
                    return Ok(());
                }
                let found = subscription(&self.calls(org), product, &fetched.id).await;
                if let Some(found) = self.go_on(found) {
                    self.differs(found).await?;
                }
            }
        }
        self.run.continues_before = None;
        Ok(())
    }

    async fn invoices(&mut self) -> Result<()> {
        let filter = InvoiceFilter { status: Some(InvoiceStatus::Open), ..InvoiceFilter::default() };
        let mut pages = self.stripe.invoices().pages(&filter);
        while let Some(page) = pages.next().await? {
            for fetched in page {
                let details = fetched.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
                let owner = details.and_then(|details| project::owner(&details.metadata));
                let Some((org, _)) = owner else { continue };
                self.ensure_time()?;
                let looked = project::invoice::look(&self.calls(org), &fetched.id).await;
                if self.go_on(looked).is_some() {
                    self.differs(None).await?;
                }
            }
        }
        Ok(())
    }

    /// What moved Stripe's balance since the comparison before the last.
    async fn movements(&mut self) -> Result<()> {
        let created = Created { gte: Some(self.origin.now - DAY * COMPARED_DAYS), ..Created::default() };
        let filter = BalanceFilter { created: Some(created), ..BalanceFilter::default() };
        let mut pages = self.stripe.balance_transactions().pages(&filter);
        while let Some(page) = pages.next().await? {
            for moved in page {
                self.ensure_time()?;
                let owner = moved_for(self.app, &self.all, self.stripe, &moved, self.origin).await;
                // Some of it is none of ours.
                let Some(Some((source, org))) = self.go_on(owner) else { continue };
                let found = missed(&self.calls(org), &moved, source).await;
                if let Some(found) = self.go_on(found) {
                    self.differs(found).await?;
                }
            }
        }
        Ok(())
    }
}

async fn subscription(calls: &Calls<'_>, product: Product, stripe_id: &str) -> Result<Option<Difference>> {
    let before = kept(calls, product).await?;
    project::subscription::look(calls, product, stripe_id).await?;
    let after = kept(calls, product).await?;
    Ok(difference(calls.billing.org(), before.as_ref(), after.as_ref(), calls.origin))
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
