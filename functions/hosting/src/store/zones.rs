//! Zones, the records that the product keeps in them, and the queue of changes.

use std::time::Duration;

use domain::hosting::{DnsChange, DnsChangesQueued, ManagedRecord, RecordSet, Zone};
use domain::{OrgId, Refusal, Timestamp};
use platform::event::{EventEnvelope, Origin};
use platform::lease::{self, Lease};
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{HostingOfAll, keys};

/// How many waiting changes are looked at in one turn.
const MOST_WAITING: u32 = 1_000;

impl HostingOfAll {
    /// A zone's queue; `None` until something was put into it.
    pub(crate) async fn zone(&self, name: &str) -> Result<Option<Stored<Zone>>> {
        self.table.get_consistent(&keys::zone(name)).await
    }

    /// Begins the queue of the sites' own zone. A customer's begins with the domain, and is gone with it.
    pub(crate) async fn begin_zone(&self, name: &str) -> Result<()> {
        let first = Write::create(keys::zone(name), "zone", &Zone::new(name)).or(Error::Conflict);
        match self.table.write(first).await {
            Err(Error::Conflict) => Ok(()),
            begun => begun,
        }
    }

    /// Takes a zone's lease; `None` while another worker has it, and when there is no such zone.
    pub(crate) async fn take_zone(
        &self,
        name: &str,
        owner: &str,
        now: Timestamp,
        time: Duration,
    ) -> Result<Option<(Stored<Zone>, Lease)>> {
        lease::take(&self.table, keys::zone(name), owner, now, time).await
    }

    /// The zone after a look at its queue: the lease is given back.
    pub(crate) async fn leave_zone(&self, stored: &Stored<Zone>, zone: &Zone, lease: &Lease) -> Result<()> {
        let write = Write::replace(stored, zone).releasing(lease);
        let write = match zone.next_at {
            Some(at) => write.index(Index::Gsi2, keys::DUE_ZONE, format!("{at}#{}", zone.name)),
            None => write.unindex(Index::Gsi2),
        };
        self.table.write(write).await
    }

    /// Zones that should have been looked at by now.
    pub(crate) async fn due_zones(&self, now: Timestamp) -> Result<Vec<Stored<Zone>>> {
        let due = Query::pk(keys::DUE_ZONE).index(Index::Gsi2).up_to(now.to_string());
        self.table.query_all(due).await
    }

    /// The changes in a zone's queue, oldest first.
    pub(crate) async fn changes(&self, zone: &str) -> Result<Vec<Stored<DnsChange>>> {
        let changes =
            Query::pk(keys::zone_partition(zone)).begins(keys::CHANGE).consistent().limit(MOST_WAITING);
        Ok(self.table.query(changes).await?.items)
    }

    /// The records of a name and of every name under it.
    pub(crate) async fn records_under(&self, zone: &str, name: &str) -> Result<Vec<Stored<ManagedRecord>>> {
        let records = Query::pk(keys::zone_partition(zone)).begins(keys::records_under(name)).consistent();
        self.table.query_all(records).await
    }

    /// What is kept of a record's name and type.
    pub(crate) async fn record_of(
        &self,
        zone: &str,
        record: &RecordSet,
    ) -> Result<Option<Stored<ManagedRecord>>> {
        let key = keys::record(zone, &record.name, record.kind);
        self.table.get_consistent(&key).await
    }

    /// Stores which of Route 53's batches carries some changes.
    pub(crate) async fn submitted(&self, changes: &[Stored<DnsChange>], batch: &str) -> Result<()> {
        for part in changes.chunks(MOST_IN_TRANSACTION) {
            let submitted = part.iter().map(|change| {
                let carried = DnsChange { submitted: Some(batch.to_owned()), ..change.value.clone() };
                Write::replace(change, &carried)
            });
            self.table.transact(submitted).await?;
        }
        Ok(())
    }

    /// Takes changes out of the queue, together with what they did to their records.
    pub(crate) async fn finish_changes(
        &self,
        finished: Vec<(Stored<DnsChange>, Option<Write>)>,
    ) -> Result<()> {
        let mut finished = finished.into_iter().peekable();
        while finished.peek().is_some() {
            let part = finished.by_ref().take(MOST_IN_TRANSACTION / 2);
            let writes: Vec<Write> =
                part.flat_map(|(change, record)| [Some(Write::remove(&change)), record]).flatten().collect();
            self.table.transact(writes).await?;
        }
        Ok(())
    }
}

const MOST_IN_TRANSACTION: usize = 100;

/// A wish about a record, and the change that carries it. `before` is what was stored of the record.
pub(crate) fn wish(
    record: &ManagedRecord,
    before: Option<&Stored<ManagedRecord>>,
    origin: &Origin,
    event: Option<EventEnvelope>,
) -> [Write; 2] {
    let change = record.change(origin.id());
    let key = keys::record(&record.zone, &record.record.name, record.record.kind);
    let wished = match before {
        Some(stored) => Write::replace(stored, record),
        None => Write::create(key, "dns_record", record).or(Error::Conflict),
    };
    let queued =
        Write::create(keys::change(&change.zone, change.id), "dns_change", &change).or(Error::Conflict);
    let queued = match event {
        Some(event) => queued.event(event),
        None => queued,
    };
    [wished, queued]
}

/// Only while a customer's zone is not about to end: what is asked for later would stay, for whoever has the name next.
pub(crate) fn stands(zone: &str, org: OrgId) -> Write {
    let values = [(":org", serde_json::json!(org)), (":no", serde_json::json!(false))];
    Write::check(keys::zone(zone))
        .when("org = :org AND (attribute_not_exists(ends) OR ends = :no)", values)
        .or(Refusal::conflict("domain_not_ready", "The domain is being made or taken away."))
}

/// Wakes the worker of a zone: rides on one of the changes that a transaction queues.
pub(crate) fn wake(zone: &str, origin: &Origin) -> EventEnvelope {
    origin.envelope(None, &DnsChangesQueued { zone: zone.to_owned() })
}
