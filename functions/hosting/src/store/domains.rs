//! Customers' domains: their zones, and the records in them.

use domain::hosting::site::limit_reached;
use domain::hosting::{CustomDomain, ManagedRecord, RecordType, Zone};
use domain::{OrgId, Timestamp};
use platform::event::Origin;
use platform::store::{Index, LastKey, Page, Query, Stored, Write};
use platform::{Error, Result};

use super::{Hosting, HostingOfAll, keys, zones};

const KIND: &str = "custom_domain";

impl Hosting {
    /// A domain of the organisation.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn domain(&self, name: &str) -> Result<Stored<CustomDomain>> {
        self.find_domain(name).await?.ok_or(Error::NotFound)
    }

    /// A domain of the organisation, if it has it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn find_domain(&self, name: &str) -> Result<Option<Stored<CustomDomain>>> {
        self.table.get_consistent(&keys::domain(self.org, name)).await
    }

    /// Takes a domain for the organisation, before Route 53 is asked for its zone.
    ///
    /// # Errors
    /// `owned_elsewhere` when somebody else has it, `limit_reached`.
    pub async fn add_domain(&self, domain: &CustomDomain, plan: &str, most: u64) -> Result<()> {
        let taken = Error::refused("owned_elsewhere", "The domain belongs to another organisation here.");
        let counted = Write::update(keys::usage(self.org))
            .add("domains", 1)
            .when("attribute_not_exists(domains) OR domains < :most", [(":most", most)])
            .or(limit_reached("custom_domains", plan, most));
        let writes = [
            Write::create(keys::zone(&domain.name), "zone", &Zone::of(&domain.name, self.org)).or(taken),
            counted,
            due(
                Write::create(keys::domain(self.org, &domain.name), KIND, domain).or(Error::Conflict),
                domain,
            ),
        ];
        self.table.transact(writes).await
    }

    /// Takes back that the organisation has a domain, of which Route 53 has no zone.
    ///
    /// # Errors
    /// `version_conflict`.
    pub async fn undo_domain(&self, stored: &Stored<CustomDomain>) -> Result<()> {
        let zone = Write::delete(keys::zone(&stored.name))
            .when("org = :org AND attribute_not_exists(zone_id)", [(":org", self.org)]);
        let uncounted = Write::update(keys::usage(self.org)).add("domains", -1);
        self.table.transact([Write::remove(stored), zone, uncounted]).await
    }

    /// Route 53 has the domain's zone.
    ///
    /// # Errors
    /// `version_conflict`.
    pub async fn domain_made(&self, stored: &Stored<CustomDomain>, domain: &CustomDomain) -> Result<()> {
        let zone = Write::update(keys::zone(&domain.name))
            .set("zone_id", &domain.zone_id)
            .when("org = :org", [(":org", self.org)]);
        self.table.transact([replace(stored, domain), zone]).await
    }

    /// A domain after a look at its delegation.
    ///
    /// # Errors
    /// `version_conflict`.
    pub async fn change_domain(&self, stored: &Stored<CustomDomain>, domain: &CustomDomain) -> Result<()> {
        // It may have been deleted and added again while a resolver was asked: versions begin anew then.
        let same =
            replace(stored, domain).when("reference = :reference", [(":reference", &stored.reference)]);
        self.table.write(same).await
    }

    /// Lets a domain go: the worker of its zone takes its records and the zone away.
    ///
    /// # Errors
    /// `version_conflict`.
    pub async fn end_domain(
        &self,
        stored: &Stored<CustomDomain>,
        domain: &CustomDomain,
        origin: &Origin,
    ) -> Result<()> {
        let ends = Write::update(keys::zone(&domain.name))
            .set("ends", true)
            .when("org = :org", [(":org", self.org)])
            .event(zones::wake(&domain.name, origin));
        self.table.transact([replace(stored, domain), ends]).await
    }

    /// The records in a domain of the organisation, by name.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn records(
        &self,
        domain: &CustomDomain,
        limit: u32,
        after: Option<LastKey>,
    ) -> Result<Page<ManagedRecord>> {
        let records = Query::pk(keys::zone_partition(&domain.name)).begins(keys::RECORD);
        self.table.query(records.limit(limit).after(after)).await
    }

    /// The records of one name in a domain of the organisation.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn records_of(&self, domain: &CustomDomain, name: &str) -> Result<Vec<Stored<ManagedRecord>>> {
        let records = Query::pk(keys::zone_partition(&domain.name))
            .begins(format!("{}#", keys::records_under(name)))
            .consistent();
        self.table.query_all(records).await
    }

    /// Stores a wish about a record; the worker of the zone carries it out.
    ///
    /// # Errors
    /// `version_conflict` when another wish was faster, `domain_not_ready` when the domain went in this moment.
    pub async fn wish_record(
        &self,
        record: &ManagedRecord,
        before: Option<&Stored<ManagedRecord>>,
        origin: &Origin,
        once: Option<Write>,
    ) -> Result<()> {
        let wake = Some(zones::wake(&record.zone, origin));
        let stands = zones::stands(&record.zone, self.org);
        let wish = zones::wish(record, before, origin, wake).into_iter();
        self.table.transact(wish.chain([stands]).chain(once)).await
    }
}

impl HostingOfAll {
    /// Domains of which somebody should have looked by now whether they end.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_domains(&self, now: Timestamp) -> Result<Vec<Stored<CustomDomain>>> {
        let mut domains = Vec::new();
        for shard in 0..keys::SITE_SHARDS {
            let due = Query::pk(keys::due_domains(shard)).index(Index::Gsi2).up_to(now.to_string());
            domains.extend(self.table.query_all(due).await?);
        }
        Ok(domains)
    }

    /// Every record in a zone, a page at a time.
    pub(crate) async fn some_records(&self, zone: &str, limit: u32) -> Result<Vec<Stored<ManagedRecord>>> {
        let records = Query::pk(keys::zone_partition(zone)).begins(keys::RECORD).consistent();
        Ok(self.table.query(records.limit(limit)).await?.items)
    }

    /// A domain whose zone Route 53 no longer has is forgotten.
    pub(crate) async fn forget_domain(&self, org: OrgId, zone: &Stored<Zone>) -> Result<()> {
        let writes = [
            Write::remove(zone),
            Write::delete(keys::domain(org, &zone.name)),
            Write::update(keys::usage(org)).add("domains", -1),
        ];
        self.table.transact(writes).await
    }
}

/// A domain that changed; it is found when its time may be over.
fn replace(stored: &Stored<CustomDomain>, domain: &CustomDomain) -> Write {
    due(Write::replace(stored, domain), domain)
}

fn due(write: Write, domain: &CustomDomain) -> Write {
    match domain.due_at() {
        Some(at) => {
            let shard = keys::due_domains(domain.org.ulid() % keys::SITE_SHARDS);
            write.index(Index::Gsi2, shard, format!("{at}#{}", domain.name))
        }
        None => write.unindex(Index::Gsi2),
    }
}

/// Types of the records that a name has, apart from those that are on their way out.
#[must_use]
pub fn standing_types(records: &[Stored<ManagedRecord>]) -> Vec<RecordType> {
    let standing = records.iter().filter(|record| record.action == domain::hosting::DnsAction::Upsert);
    standing.map(|record| record.record.kind).collect()
}
