//! What was paid, what of it went back, and what its payers dispute.

use domain::billing::{Charge, Dispute, Refund, Transition};
use domain::{OrgId, Timestamp};
use platform::event::Origin;
use platform::store::{Index, LastKey, Page, Query, Stored, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Billing, BillingOfAll, keys, when_due};
use crate::tell::envelope;

const DISPUTE_DUE: &str = "DISPUTE";

/// Where a dispute lies: all of them stand in one list for staff.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    org: OrgId,
    dispute: String,
}

impl Billing {
    /// A charge; `None` if it is none of the organisation's.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn charge(&self, id: &str) -> Result<Option<Stored<Charge>>> {
        self.table.get_consistent(&keys::charge(self.org, id)).await
    }

    /// The charges that paid an invoice.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn charges_of(&self, invoice: &str) -> Result<Vec<Stored<Charge>>> {
        let all = Query::pk(keys::partition(self.org)).begins(keys::CHARGE).consistent();
        let mut charges = self.table.query_all::<Charge>(all).await?;
        charges.retain(|charge| charge.invoice == invoice);
        Ok(charges)
    }

    /// The write of a charge that is new, or changed.
    #[must_use]
    pub fn charged(&self, was: Option<&Stored<Charge>>, is: &Charge) -> Write {
        match was {
            Some(was) => Write::replace(was, is),
            None => Write::create(keys::charge(self.org, &is.id), "charge", is).or(Error::Conflict).index(
                Index::Gsi1,
                keys::by_stripe(&is.id),
                "CHARGE",
            ),
        }
    }

    /// A refund; `None` for one that was never seen.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn refund(&self, id: &str) -> Result<Option<Stored<Refund>>> {
        self.table.get_consistent(&keys::refund(self.org, id)).await
    }

    /// The write of a refund as Stripe has it now; none if it is known like that.
    #[must_use]
    pub fn refunded(
        &self,
        was: Option<&Stored<Refund>>,
        transition: &Transition<Refund>,
        origin: &Origin,
    ) -> Option<Write> {
        let refund = &transition.next;
        let write = match was {
            Some(was) if !transition.changes(&was.value) => return None,
            Some(was) => Write::replace(was, refund),
            None => Write::create(keys::refund(self.org, &refund.id), "refund", refund).or(Error::Conflict),
        };
        Some(match &transition.event {
            Some(event) => write.event(envelope(origin, self.org, event)),
            None => write,
        })
    }

    /// A dispute; `None` for one that was never seen.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn dispute(&self, id: &str) -> Result<Option<Stored<Dispute>>> {
        self.table.get_consistent(&keys::dispute(self.org, id)).await
    }

    /// The writes of a dispute as Stripe has it now; none if it is known like that.
    #[must_use]
    pub fn disputed(
        &self,
        was: Option<&Stored<Dispute>>,
        transition: &Transition<Dispute>,
        origin: &Origin,
    ) -> Vec<Write> {
        let dispute = &transition.next;
        let write = match was {
            Some(was) if !transition.changes(&was.value) => return Vec::new(),
            Some(was) => Write::replace(was, dispute),
            None => Write::create(keys::dispute(self.org, &dispute.id), "dispute", dispute)
                .or(Error::Conflict)
                .index(Index::Gsi1, keys::by_stripe(&dispute.id), "DISPUTE"),
        };
        let write = when_due(write, DISPUTE_DUE, self.org, dispute.next_at, &dispute.id);
        let write = match &transition.event {
            Some(event) => write.event(envelope(origin, self.org, event)),
            None => write,
        };
        let place = was.is_none().then(|| {
            let place = Place { org: self.org, dispute: dispute.id.clone() };
            Write::put(keys::dispute_place(dispute.created_at, &dispute.id), "dispute_place", &place)
        });
        [write].into_iter().chain(place).collect()
    }

    /// Stores a dispute that staff did something about.
    ///
    /// # Errors
    /// `version_conflict` when another write came between.
    pub async fn put_dispute(&self, was: &Stored<Dispute>, is: &Dispute, once: Option<Write>) -> Result<()> {
        let write = when_due(Write::replace(was, is), DISPUTE_DUE, self.org, is.next_at, &is.id);
        self.table.transact([write].into_iter().chain(once)).await
    }
}

impl BillingOfAll {
    /// Whose charge this is; `None` for one that paid no invoice of ours.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn payer_of(&self, charge: &str) -> Result<Option<OrgId>> {
        let found = Query::pk(keys::by_stripe(charge)).index(Index::Gsi1).limit(1);
        Ok(self.table.query::<Charge>(found).await?.values().next().map(|charge| charge.org))
    }

    /// Whose dispute this is.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn disputer(&self, dispute: &str) -> Result<OrgId> {
        let found = Query::pk(keys::by_stripe(dispute)).index(Index::Gsi1).limit(1);
        let page = self.table.query::<Dispute>(found).await?;
        page.values().next().map(|dispute| dispute.org).ok_or(Error::NotFound)
    }

    /// All disputes, newest first.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn disputes(&self, limit: u32, after: Option<LastKey>) -> Result<Page<Dispute>> {
        let all = Query::pk(keys::DISPUTES).reverse().limit(limit).after(after);
        let places = self.table.query::<Place>(all).await?;
        let mut items = Vec::new();
        for place in places.items {
            items.extend(self.one(place.org).dispute(&place.dispute).await?);
        }
        Ok(Page { items, last: places.last })
    }

    /// Disputes in one shard whose evidence is due within a day.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_disputes(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<Dispute>>> {
        let due = Query::pk(keys::due_shard(DISPUTE_DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
        self.table.query_all(due).await
    }
}
