//! Calls of Stripe that are stored before they are made.

use std::time::Duration;

use domain::Timestamp;
use domain::billing::StripeOp;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{Billing, BillingOfAll, keys, when_due};

const KIND: &str = "stripe_op";
const DUE: &str = "OP";
/// Calls hold names and addresses. Longer than any of them is asked about: Stripe gives nothing back after half a year.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3_600);

impl Billing {
    /// A call by what it does and to what.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn op(&self, action: &str, entity: &str) -> Result<Option<Stored<StripeOp>>> {
        self.table.get_consistent(&keys::op(self.org, action, entity)).await
    }

    /// Stores a call together with what it is made for; one of the same that failed before is replaced.
    ///
    /// # Errors
    /// `version_conflict` if somebody else stored it first.
    pub async fn begin_op(
        &self,
        before: Option<&Stored<StripeOp>>,
        op: &StripeOp,
        with: Vec<Write>,
    ) -> Result<()> {
        let write = match before {
            Some(before) => Write::replace(before, op),
            None => self.planned_op(op),
        };
        let write = due(write, op);
        self.table.transact([write].into_iter().chain(with)).await
    }

    /// The write of a call that is to be made.
    #[must_use]
    pub fn planned_op(&self, op: &StripeOp) -> Write {
        due(Write::create(keys::op(self.org, &op.action, &op.entity), KIND, op).or(Error::Conflict), op)
    }

    /// Stores what came of a call, together with what follows from that.
    ///
    /// # Errors
    /// `version_conflict` if somebody else did, or another write came between.
    pub async fn end_op(&self, was: &Stored<StripeOp>, is: &StripeOp, with: Vec<Write>) -> Result<()> {
        let write = due(Write::replace(was, is), is);
        self.table.transact([write].into_iter().chain(with)).await
    }
}

impl BillingOfAll {
    /// Calls in one shard that nobody has finished.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_ops(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<StripeOp>>> {
        let due = Query::pk(keys::due_shard(DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
        self.table.query_all(due).await
    }
}

fn due(write: Write, op: &StripeOp) -> Write {
    let write = write.expires_at(op.created_at + KEPT);
    when_due(write, DUE, op.org, op.next_at, &format!("{}#{}", op.action, op.entity))
}
