//! The ledger: postings that are written once and never change.

use domain::Timestamp;
use domain::billing::{Posting, Subscription};
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{Billing, BillingOfAll, keys};

impl Billing {
    /// The writes of postings; each source is posted once.
    #[must_use]
    pub fn posted(&self, postings: &[Posting]) -> Vec<Write> {
        postings
            .iter()
            .map(|posting| {
                let key = keys::posting(self.org, posting.at, &posting.source);
                let write = Write::create(key, "posting", posting).or(Error::Conflict);
                write.index(Index::Gsi1, keys::ledger(posting.at, self.org), posting.source.clone())
            })
            .collect()
    }

    /// A posting; `None` if there is none.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn posting(&self, at: Timestamp, source: &str) -> Result<Option<Stored<Posting>>> {
        self.table.get_consistent(&keys::posting(self.org, at, source)).await
    }
}

impl BillingOfAll {
    /// The postings of a month in one shard.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn postings(&self, month: &str, shard: u128) -> Result<Vec<Stored<Posting>>> {
        self.table.query_all(Query::pk(keys::ledger_shard(month, shard)).index(Index::Gsi1)).await
    }

    /// The subscriptions in one shard that are live.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn live_subscriptions(&self, shard: u128) -> Result<Vec<Stored<Subscription>>> {
        self.table.query_all(Query::pk(keys::due_shard(keys::LIVE, shard)).index(Index::Gsi2)).await
    }

    /// The subscriptions that ended in a month, after they had been paid.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn ended_subscriptions(&self, month: &str) -> Result<Vec<Stored<Subscription>>> {
        self.table.query_all(Query::pk(keys::ended(month)).index(Index::Gsi2)).await
    }
}
