//! What the daily comparison with Stripe found.

use domain::billing::Product;
use domain::{OrgId, Timestamp, UserId};
use platform::store::{Index, LastKey, Page, Query, Stored, Write};
use platform::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BillingOfAll, keys};

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reconciliation {
    /// The day, in UTC.
    pub date: String,
    /// How many of Stripe's subscriptions, open invoices, movements of money and days of metered use were looked at.
    pub checked: u64,
    /// How many things were found on that day that were not as they were kept here, by earlier runs too.
    pub differing: u64,
    /// How many of them could not be looked at; the log says why.
    #[serde(default)]
    pub failed: u64,
    /// It had no time for subscriptions that were made then or earlier: the next one begins with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues_before: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// Something that was not as it was kept here. It is as Stripe has it since; but for metered use, which people settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Stripe's id of it; for metered use the meter, the day and the organisation.
    pub object: String,
    /// Whose it is.
    pub org: OrgId,
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// Its status, or how much was used, as it was kept here; absent if nothing was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Its status, or how much was used, at Stripe.
    pub found: String,
    /// When that was seen.
    pub at: Timestamp,
    /// What staff said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolution>,
}

/// What staff said of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resolution {
    /// What it came from.
    pub note: String,
    /// Who says so.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

impl BillingOfAll {
    /// Keeps a difference. What staff said of one that was found before stays.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn note(&self, date: &str, difference: &Difference) -> Result<()> {
        let key = keys::difference(date, &difference.object);
        match self.table.write(Write::create(key, "difference", difference).or(Error::Conflict)).await {
            Err(Error::Conflict) => Ok(()),
            noted => noted,
        }
    }

    /// How many differences were found on a day.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn differing(&self, date: &str) -> Result<u64> {
        let all = Query::pk(keys::reconciliation(date).pk).begins(keys::DIFFERENCE).consistent();
        Ok(self.table.query_all::<Difference>(all).await?.len() as u64)
    }

    /// Keeps what came of a comparison.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn conclude(&self, run: &Reconciliation) -> Result<()> {
        let write = Write::put(keys::reconciliation(&run.date), "reconciliation", run);
        self.table.write(write.index(Index::Gsi1, keys::RECONCILIATIONS, run.date.clone())).await
    }

    /// The comparisons, newest first.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn reconciliations(&self, limit: u32, after: Option<LastKey>) -> Result<Page<Reconciliation>> {
        let all = Query::pk(keys::RECONCILIATIONS).index(Index::Gsi1).reverse();
        self.table.query(all.limit(limit).after(after)).await
    }

    /// A difference; `None` if there is none.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn difference(&self, date: &str, object: &str) -> Result<Option<Stored<Difference>>> {
        self.table.get_consistent(&keys::difference(date, object)).await
    }

    /// Stores what staff said of a difference.
    ///
    /// # Errors
    /// `version_conflict` when another write came between.
    pub async fn resolve(
        &self,
        was: &Stored<Difference>,
        is: &Difference,
        once: Option<Write>,
    ) -> Result<()> {
        self.table.transact([Write::replace(was, is)].into_iter().chain(once)).await
    }

    /// A day's comparison and what it found; `None` if there was none.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn reconciliation(&self, date: &str) -> Result<Option<(Reconciliation, Vec<Difference>)>> {
        let key = keys::reconciliation(date);
        let Some(run) = self.table.get::<Reconciliation>(&key).await? else { return Ok(None) };
        let found = Query::pk(key.pk).begins(keys::DIFFERENCE);
        let found = self.table.query_all::<Difference>(found).await?;
        Ok(Some((run.value, found.into_iter().map(|stored| stored.value).collect())))
    }
}
