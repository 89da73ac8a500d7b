//! Accounts: what is written on invoices, and what there is to see of them.

use domain::billing::{Account, AccountUpdate};
use domain::{StripeOpId, Timestamp};
use platform::store::{Stored, Write, again};
use platform::{Error, Result};

use crate::calls::{Action, Calls, Wanted};
use crate::customer;
use crate::store::Billing;
use crate::view::{AccountView, SubscriptionView};

/// An account with what it pays for.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn view(billing: &Billing, account: &Account, now: Timestamp) -> Result<AccountView> {
    let mut subscriptions = Vec::new();
    for subscription in billing.subscriptions().await? {
        let dunning = billing.standings(subscription.product).await?.values().dunning;
        subscriptions.push(SubscriptionView::of(&subscription, &dunning));
    }
    let entitlements = billing.entitlements().await?.map(|stored| stored.value).unwrap_or_default();
    Ok(AccountView::of(account, entitlements.at(now), subscriptions))
}

/// Changes what is written on invoices, here and at Stripe.
///
/// # Errors
/// 422 where a field breaks a rule; `version_conflict` if somebody changed it since it was read; what Stripe refuses.
pub async fn update(
    calls: &Calls<'_>,
    update: &AccountUpdate,
    expected: Option<u64>,
) -> Result<Stored<Account>> {
    again(async || {
        let stored = calls.billing.account().await?;
        if expected.is_some_and(|expected| expected != stored.version) {
            let message = "The account was changed since it was read.";
            return Err(Error::refused("version_conflict", message));
        }
        let changed = stored.update(update.clone())?;
        let write = Write::replace(&stored, &changed);
        let Some(customer) = &stored.stripe_customer else { return calls.billing.write([write]).await };
        // Of two who change it at once, each has a call of its own.
        let entity = format!("{}:{}", stored.version, calls.origin.id::<StripeOpId>());
        let path = format!("/v1/customers/{customer}");
        let call = Wanted::new(Action::CustomerUpdate, entity, path, &customer::params(&changed))?;
        calls.make(call, vec![write]).await.map(drop)
    })
    .await?;
    calls.billing.account().await
}
