//! Parts of an hour of use: added to, sealed, sent, and looked up again.

use domain::billing::usage::MOST;
use domain::billing::{Micro, Rollup, RollupState, Transition, UsageEntry};
use domain::{OrgId, Timestamp};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};
use serde_json::json;

use super::{Billing, BillingOfAll, keys, when_due};
use crate::tell::envelope;

const KIND: &str = "rollup";
const DUE: &str = "ROLL";

impl Billing {
    /// The write that adds an entry to its hour, and the part of the hour that it comes to.
    pub(super) async fn rolled_up(&self, entry: &UsageEntry, now: Timestamp) -> Result<(u32, Write)> {
        let last = self.last_part(&entry.meter, entry.hour()).await?;
        let new = match last {
            Some(open) if open.takes(entry.quantity) => {
                let room = MOST.0.saturating_sub(entry.quantity.0);
                let write = Write::update(open.key.clone()).add("quantity", entry.quantity.0);
                let values = [(":open", json!("open")), (":room", json!(room))];
                return Ok((open.sequence, write.when("state = :open AND quantity <= :room", values)));
            }
            Some(closed) => closed.late(entry, now),
            None => Rollup::open(entry),
        };
        let key = keys::rollup(self.org, &new.meter, new.hour, new.sequence);
        Ok((new.sequence, due(Write::create(key, KIND, &new).or(Error::Conflict), &new)))
    }

    async fn last_part(&self, meter: &str, hour: Timestamp) -> Result<Option<Stored<Rollup>>> {
        let parts = Query::pk(keys::partition(self.org)).begins(format!("{}{hour}#", keys::rollups(meter)));
        let last = self.table.query::<Rollup>(parts.reverse().limit(1).consistent()).await?;
        Ok(last.items.into_iter().next())
    }

    /// A part of an hour.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn rollup(&self, meter: &str, hour: Timestamp, sequence: u32) -> Result<Stored<Rollup>> {
        let key = keys::rollup(self.org, meter, hour, sequence);
        self.table.get_consistent(&key).await?.ok_or(Error::NotFound)
    }

    /// The parts of a meter's hours that begin with this text: of a day, or of one hour.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn rollups(&self, meter: &str, beginning: &str) -> Result<Vec<Stored<Rollup>>> {
        let parts = Query::pk(keys::partition(self.org));
        let parts = parts.begins(format!("{}{beginning}", keys::rollups(meter))).consistent();
        self.table.query_all(parts).await
    }

    /// Stores a part that moved on.
    ///
    /// # Errors
    /// `version_conflict` when another write came between.
    pub async fn move_rollup(
        &self,
        was: &Stored<Rollup>,
        transition: &Transition<Rollup>,
        origin: &Origin,
    ) -> Result<()> {
        let rollup = &transition.next;
        let write = Write::replace(was, rollup);
        let has_arrived = rollup.state == RollupState::Confirmed && rollup.quantity != Micro(0);
        let write = if has_arrived {
            let place = keys::arrived(&keys::day(origin.now), self.org.ulid() % keys::SHARDS);
            write.index(Index::Gsi2, place, rollup.identifier())
        } else {
            due(write, rollup)
        };
        self.table
            .write(match &transition.event {
                Some(event) => write.event(envelope(origin, self.org, event)),
                None => write,
            })
            .await
    }
}

impl BillingOfAll {
    /// Parts in one shard that must be looked at.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_rollups(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<Rollup>>> {
        let due = Query::pk(keys::due_shard(DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
        self.table.query_all(due).await
    }

    /// The days of use that arrived at Stripe on a day, in one shard: whose, of what, and when it was used.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn arrived_on(&self, day: &str, shard: u128) -> Result<Vec<(OrgId, String, String)>> {
        let arrived = Query::pk(keys::arrived(day, shard)).index(Index::Gsi2);
        let parts = self.table.query_all::<Rollup>(arrived).await?;
        let mut days: Vec<_> =
            parts.iter().map(|part| (part.org, part.meter.clone(), keys::day(part.hour))).collect();
        days.sort();
        days.dedup();
        Ok(days)
    }
}

fn due(write: Write, rollup: &Rollup) -> Write {
    when_due(write, DUE, rollup.org, rollup.next_at, &rollup.identifier())
}
