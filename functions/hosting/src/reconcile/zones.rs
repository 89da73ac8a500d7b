//! Whether Route 53 has what the product wants, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{HostedZone, ResourceRecordSet, RrType};
use domain::hosting::dns::{RecordDrifted, RecordState};
use domain::hosting::orphan::OrphanKind;
use domain::hosting::{DnsAction, ManagedRecord, RecordType};
use platform::store::Stored;
use platform::{App, Error, Origin, Result};

use super::{Found, Settings};
use crate::store::zones;
use crate::{HostingOfAll, capacity, dns, domains};

/// The most record sets that Route 53 lists at once.
const PAGE: i32 = 300;

/// What a look at every zone found.
pub(super) struct Zones {
    pub orphans: Found,
    /// Records that are asked for again.
    pub drifted: u64,
}

/// Looks at the zone of sites and at those of customers. What was found until something failed counts.
pub(super) async fn look(
    app: &App,
    store: &HostingOfAll,
    settings: &Settings,
    origin: &Origin,
) -> (Zones, Result<()>) {
    let found = Zones { orphans: Vec::new(), drifted: 0 };
    let mut look =
        Look { store, client: Client::new(app.aws()), origin, region: &settings.aws_region, found };
    let done = look.all(settings).await;
    (look.found, done)
}

/// A record set's name and type.
type Name = (String, RecordType);

struct Look<'a> {
    store: &'a HostingOfAll,
    client: Client,
    origin: &'a Origin,
    region: &'a str,
    found: Zones,
}

impl Look<'_> {
    async fn all(&mut self, settings: &Settings) -> Result<()> {
        self.zone(&settings.sites_domain, &settings.sites_zone_id).await?;
        self.customers_zones(&settings.stage).await
    }

    /// Zones that were made for customers' domains: those that no domain has, and what is in the others.
    async fn customers_zones(&mut self, stage: &str) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.client.list_hosted_zones().set_marker(after).send().await;
            let page = page.map_err(|error| Error::aws("route53", error))?;
            let ours = |zone: &&HostedZone| domains::is_made_here(&zone.caller_reference, stage);
            for zone in page.hosted_zones.iter().filter(ours) {
                let (name, id) = (dns::plain(&zone.name), domains::plain(&zone.id));
                match self.store.zone(&name).await? {
                    // Its worker takes away what is in it.
                    Some(kept) if kept.ends => {}
                    Some(kept) if kept.zone_id.as_ref() == Some(&id) => self.zone(&name, &id).await?,
                    // It is being made.
                    Some(kept) if kept.org.is_some() && kept.zone_id.is_none() => {}
                    _ => self.found.orphans.push((OrphanKind::Zone, format!("{name} {id}"))),
                }
            }
            after = page.next_marker;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// What a zone has beside what is kept of it.
    async fn zone(&mut self, zone: &str, id: &str) -> Result<()> {
        let mut wanted = self.wanted(zone).await?;
        self.addresses(wanted.values()).await?;
        let (mut name, mut kind) = (None, None::<RrType>);
        loop {
            let call = self.client.list_resource_record_sets().hosted_zone_id(id).max_items(PAGE);
            let page = call.set_start_record_name(name).set_start_record_type(kind).send().await;
            let page = page.map_err(|error| Error::aws("route53", error))?;
            for set in &page.resource_record_sets {
                self.record(zone, set, &mut wanted).await?;
            }
            if !page.is_truncated {
                break;
            }
            (name, kind) = (page.next_record_name, page.next_record_type);
        }
        // What is left was in no page.
        for record in wanted.into_values() {
            self.restore(&record, Vec::new()).await?;
        }
        Ok(())
    }

    /// The records that every name server should have.
    async fn wanted(&self, zone: &str) -> Result<BTreeMap<Name, Stored<ManagedRecord>>> {
        let kept = self.store.records_under(zone, zone).await?.into_iter();
        let there = kept.filter(|one| one.state == RecordState::Insync && one.action == DnsAction::Upsert);
        Ok(there.map(|one| ((one.record.name.clone(), one.record.kind), one)).collect())
    }

    /// Sites' names that lead to none of our machines.
    async fn addresses(&mut self, wanted: impl Iterator<Item = &Stored<ManagedRecord>>) -> Result<()> {
        let of_sites = |one: &&Stored<ManagedRecord>| one.record.kind == RecordType::A && one.site.is_some();
        let mut names = wanted.filter(of_sites).peekable();
        if names.peek().is_none() {
            return Ok(());
        }
        // Read after the records: a machine is there before a name leads to it.
        let mut ours = BTreeSet::new();
        for pool in capacity::pools(self.region) {
            ours.extend(self.store.hosts(&pool).await?.into_iter().filter_map(|host| host.value.ip));
        }
        let lost = names.filter(|one| !one.record.values.iter().all(|value| ours.contains(value)));
        self.found.orphans.extend(lost.map(|one| (OrphanKind::Record, format!("{} A", one.record.name))));
        Ok(())
    }

    /// A record set that the zone has; what is wanted of it is taken out of `wanted`.
    async fn record(
        &mut self,
        zone: &str,
        set: &ResourceRecordSet,
        wanted: &mut BTreeMap<Name, Stored<ManagedRecord>>,
    ) -> Result<()> {
        let name = dns::plain(set.name());
        if name == zone && matches!(set.r#type(), RrType::Ns | RrType::Soa) {
            return Ok(());
        }
        let Some(there) = dns::record_set(set) else { return self.unknown(zone, &name, set).await };
        match wanted.remove(&(name.clone(), there.kind)) {
            Some(record) if record.record.says_what(&there) => Ok(()),
            Some(record) => self.restore(&record, there.values).await,
            // It may be on its way, or have come since.
            None => self.unknown(zone, &name, set).await,
        }
    }

    /// A record set that was not wanted when the look began.
    async fn unknown(&mut self, zone: &str, name: &str, set: &ResourceRecordSet) -> Result<()> {
        let kind = set.r#type().as_str();
        let known = self.store.records_under(zone, name).await?;
        if !known.iter().any(|one| one.record.name == name && one.record.kind.as_str() == kind) {
            self.found.orphans.push((OrphanKind::Record, format!("{name} {kind}")));
        }
        Ok(())
    }

    /// Asks for a record again, unless there was another wish about it since.
    async fn restore(&mut self, record: &Stored<ManagedRecord>, found: Vec<String>) -> Result<()> {
        let now = self.store.record_of(&record.zone, &record.record).await?;
        let Some(now) = now.filter(|now| now.value == record.value) else { return Ok(()) };
        let drifted = RecordDrifted {
            zone: record.zone.clone(),
            site: record.site,
            name: record.record.name.clone(),
            record_type: record.record.kind,
            found,
        };
        let again = now.value.clone().wished_again(self.origin.now);
        let wake = zones::wake(&record.zone, self.origin);
        let [wish, change] = zones::wish(&again, Some(&now), self.origin, Some(wake));
        let told = self.origin.event(record.org, &drifted);
        match self.store.table().transact([wish.event(told), change]).await {
            Ok(()) => self.found.drifted += 1,
            // Somebody wished something else in this moment.
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
