//! The daily comparison with Stripe: what is not as it is kept here is looked at, and told.

use domain::OrgId;
use domain::billing::{Product, Subscription};
use platform::event::Origin;
use platform::store::Stored;
use platform::stripe::Stripe;
use platform::stripe::invoice::{InvoiceFilter, InvoiceStatus};
use platform::stripe::subscription::SubscriptionFilter;
use platform::{App, Error, Result};

use crate::calls::Calls;
use crate::project;
use crate::send_usage;
use crate::store::BillingOfAll;
use crate::store::reconciliations::{Difference, Reconciliation};

/// Compares every subscription, every open invoice and the use of the day before that Stripe has, and keeps what came of it.
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
    let (days, unequal) = send_usage::reconcile(app, stripe, origin).await?;
    (checked, differing) = (checked + days, differing + unequal);
    app.count("ReconciliationDifferences", differing);
    let run = Reconciliation { date, checked, differing, ended_at: app.time() };
    all.conclude(&run).await?;
    Ok(run)
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
        product: after.product,
        kept: before.map(|before| word(&before.observed)),
        found: word(&after.observed),
        at: origin.now,
    })
}

fn word(observed: &domain::billing::Observed) -> String {
    let status = serde_json::to_value(&observed.status).unwrap_or_default();
    format!("{} {} x{}", status.as_str().unwrap_or_default(), observed.price, observed.quantity)
}
