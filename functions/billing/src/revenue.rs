//! What a month brought, read from the ledger, and what the live subscriptions bring each month.

use std::collections::BTreeMap;

use domain::billing::subscription::SubscriptionStatus;
use domain::billing::{Currency, Interval, LedgerAccount, Posting, Product, Subscription, catalog};
use platform::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::BillingOfAll;
use crate::store::keys::SHARDS;

/// A month's revenue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Revenue {
    /// The month in UTC, such as `2026-11`.
    pub month: String,
    /// What the ledger has of it, by product and currency.
    pub earned: Vec<Earned>,
    /// What the subscriptions that are live now bring each month.
    pub recurring: Vec<Recurring>,
}

/// What a product earned in a currency; amounts in its smallest unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Earned {
    /// The product; absent for what is of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The currency.
    pub currency: String,
    /// Invoiced, without tax, less what was taken back.
    pub invoiced: i64,
    /// Given back, without tax.
    pub refunded: i64,
    /// Lost to disputes.
    pub disputes_lost: i64,
    /// Written off.
    pub written_off: i64,
    /// What Stripe kept.
    pub fees: i64,
    /// What remains.
    pub net: i64,
}

/// What the subscriptions to a product bring each month in a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Recurring {
    /// The product.
    pub product: Product,
    /// The currency.
    pub currency: String,
    /// How many are live.
    pub subscriptions: u64,
    /// What they bring each month, in the currency's smallest unit; a year's price counts a twelfth.
    pub monthly: i64,
    /// How many ended in the month.
    pub ended: u64,
    /// Those that ended, of all that were live or ended in it, in hundredths of a percent.
    pub churn_basis_points: u64,
}

/// Reads a month.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn of_month(all: &BillingOfAll, month: &str) -> Result<Revenue> {
    let mut postings: Vec<Posting> = Vec::new();
    let mut live: Vec<Subscription> = Vec::new();
    for shard in 0..SHARDS {
        postings.extend(all.postings(month, shard).await?.into_iter().map(|stored| stored.value));
        live.extend(all.live_subscriptions(shard).await?.into_iter().map(|stored| stored.value));
    }
    let ended: Vec<Subscription> =
        all.ended_subscriptions(month).await?.into_iter().map(|stored| stored.value).collect();
    Ok(Revenue { month: month.to_owned(), earned: earned(&postings), recurring: recurring(&live, &ended) })
}

fn earned(postings: &[Posting]) -> Vec<Earned> {
    let mut sums: BTreeMap<(Option<Product>, Currency), BTreeMap<LedgerAccount, i128>> = BTreeMap::new();
    for posting in postings {
        let sum = sums.entry((posting.product, posting.currency)).or_default();
        for leg in &posting.legs {
            *sum.entry(leg.account).or_default() += leg.signed();
        }
    }
    sums.into_iter()
        .map(|((product, currency), sum)| {
            let of = |account: LedgerAccount| {
                i64::try_from(sum.get(&account).copied().unwrap_or(0)).unwrap_or(i64::MAX)
            };
            let earned = Earned {
                product,
                currency: currency.as_str().to_owned(),
                invoiced: -of(LedgerAccount::Revenue),
                refunded: of(LedgerAccount::Refunds),
                disputes_lost: of(LedgerAccount::DisputeLosses),
                written_off: of(LedgerAccount::BadDebt),
                fees: of(LedgerAccount::Fees),
                net: 0,
            };
            let lost = earned.refunded + earned.disputes_lost + earned.written_off + earned.fees;
            Earned { net: earned.invoiced - lost, ..earned }
        })
        .collect()
}

fn recurring(live: &[Subscription], ended: &[Subscription]) -> Vec<Recurring> {
    let mut sums: BTreeMap<(Product, Currency), (u64, i64, u64)> = BTreeMap::new();
    for subscription in live {
        let sum = sums.entry((subscription.product, subscription.observed.currency)).or_default();
        sum.0 += 1;
        sum.1 += monthly(subscription);
    }
    for subscription in ended {
        sums.entry((subscription.product, subscription.observed.currency)).or_default().2 += 1;
    }
    sums.into_iter()
        .map(|((product, currency), (subscriptions, monthly, ended))| Recurring {
            product,
            currency: currency.as_str().to_owned(),
            subscriptions,
            monthly,
            ended,
            churn_basis_points: (ended * 10_000).checked_div(subscriptions + ended).unwrap_or(0),
        })
        .collect()
}

/// What a subscription brings each month. One that is paused or unpaid brings nothing.
fn monthly(subscription: &Subscription) -> i64 {
    let observed = &subscription.observed;
    if matches!(observed.status, SubscriptionStatus::Paused | SubscriptionStatus::Unpaid) {
        return 0;
    }
    let Some(sold) = catalog().price(&observed.price) else { return 0 };
    let quantity = i64::try_from(observed.quantity).unwrap_or(i64::MAX);
    let whole = sold.price.minor.saturating_mul(quantity);
    match observed.interval {
        Interval::Month => whole,
        Interval::Year => (whole + 6) / 12,
    }
}
