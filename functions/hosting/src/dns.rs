//! The worker of a zone: carries queued changes to Route 53, a batch at a time, and sees when every name server has them.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_route53::Client;
use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use domain::EventId;
use domain::hosting::dns::{DnsChangeRejected, MOST_CHANGES, RecordState, next_batch};
use domain::hosting::step::back_off;
use domain::hosting::{DnsAction, DnsChange, ManagedRecord, RecordSet, RecordType, Zone};
use platform::store::{Stored, Write};
use platform::{App, Error, Origin, Result, random};
use serde::Deserialize;

use crate::due::{LEASE, ZoneDue, fence_of};
use crate::store::zones;
use crate::{HostingOfAll, domains};

/// How soon the name servers are asked again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How soon a wake-up tries again that found another worker at the zone: that one may have looked before.
const WAKE_AGAIN: Duration = Duration::from_secs(5);

/// How many records of a zone that ends are taken away in one turn: two writes each in one transaction.
const ENDED_AT_ONCE: u32 = 40;

#[derive(Debug, Deserialize)]
struct Settings {
    sites_domain: String,
    sites_zone_id: String,
}

/// Takes a turn at a zone's queue.
///
/// # Errors
/// What the table, the queue or Route 53 fail with.
pub async fn work(app: &App, due: &ZoneDue, origin: &Origin) -> Result<()> {
    let settings: Settings = app.config()?;
    let store = HostingOfAll::of(app);
    let seen = store.zone(&due.zone).await?;
    let own = (due.zone == settings.sites_domain).then(|| settings.sites_zone_id.clone());
    match (&own, &seen) {
        (Some(_), None) => store.begin_zone(&due.zone).await?,
        // A customer's zone that is gone has nothing to do: this is a wake-up that its end has overtaken.
        (None, seen) if seen.as_ref().is_none_or(|seen| seen.zone_id.is_none()) => return Ok(()),
        _ => {}
    }
    if let (Some(fence), Some(seen)) = (due.fence, seen)
        && fence != fence_of(&seen)
    {
        return Ok(());
    }
    let owner = origin.id::<EventId>().to_string();
    let Some((stored, lease)) = store.take_zone(&due.zone, &owner, origin.now, LEASE).await? else {
        // Its worker may have read the queue before the change that this wake-up is about was in it.
        return match due.fence {
            Some(_) => Ok(()),
            None => app.queue("DNS_QUEUE").send(origin, None, due, WAKE_AGAIN).await,
        };
    };
    // Since it was seen, another may have taken the place of the one that ended.
    let Some(zone_id) = own.or_else(|| stored.zone_id.clone()) else {
        return store.leave_zone(&stored, &stored.value, &lease).await;
    };
    let poll = stored.next_at.is_none_or(|at| at <= origin.now);
    let zone = Courier { app, store: &store, client: Client::new(app.aws()), zone_id, origin };
    let turn = match zone.turn(&due.zone, poll).await {
        Ok(Left::Nothing) if stored.ends => zone.end(&due.zone).await,
        turn => turn,
    };
    if let (Ok(Left::Gone), Some(org)) = (&turn, stored.org) {
        return store.forget_domain(org, &stored).await;
    }
    let left = match &turn {
        Ok(Left::Nothing | Left::Gone) => Zone { next_at: None, throttled: 0, ..stored.value.clone() },
        Ok(Left::Waiting) => {
            // A wake-up submits and leaves the time of the next look as it is: many of them must not put it off for ever.
            let next_at = if poll { None } else { stored.next_at };
            Zone { next_at: next_at.or(Some(origin.now + LOOK_AGAIN)), throttled: 0, ..stored.value.clone() }
        }
        Ok(Left::Throttled) | Err(_) => {
            let throttled = stored.throttled + 1;
            let after = back_off(throttled, u64::from_le_bytes(random::bytes()));
            Zone { next_at: Some(origin.now + after), throttled, ..stored.value.clone() }
        }
    };
    store.leave_zone(&stored, &left, &lease).await?;
    if let Some(at) = left.next_at {
        let due = ZoneDue { zone: due.zone.clone(), fence: Some(lease.fence) };
        app.queue("DNS_QUEUE").send(origin, None, &due, at.since(origin.now)).await?;
    }
    // For the log: the message comes again, finds its turn taken and is dropped.
    turn.map(drop)
}

/// What a turn leaves behind.
enum Left {
    Nothing,
    /// Not even the zone.
    Gone,
    /// Changes that wait or are under way.
    Waiting,
    /// Route 53 wants to be left alone for a while.
    Throttled,
}

/// What became of a batch that was offered to Route 53.
enum Offered {
    Taken(String),
    /// Something in it is wrong; the reason, when it is one change alone.
    Wrong(String),
    Throttled,
}

struct Courier<'a> {
    app: &'a App,
    store: &'a HostingOfAll,
    client: Client,
    zone_id: String,
    origin: &'a Origin,
}

impl Courier<'_> {
    async fn turn(&self, zone: &str, poll: bool) -> Result<Left> {
        let changes = self.store.changes(zone).await?;
        let values: Vec<DnsChange> = changes.iter().map(|stored| stored.value.clone()).collect();
        let batch = next_batch(&values, MOST_CHANGES);
        let find = |wanted: &[DnsChange]| -> Vec<Stored<DnsChange>> {
            let wanted: BTreeSet<_> = wanted.iter().map(|change| change.id).collect();
            changes.iter().filter(|change| wanted.contains(&change.id)).cloned().collect()
        };
        let superseded = find(&batch.superseded).into_iter().map(|change| (change, None)).collect();
        self.store.finish_changes(superseded).await?;
        let mut throttled = !self.submit(&find(&batch.submit)).await?;
        if poll && !throttled {
            let carried: Vec<_> = changes.into_iter().filter(|change| change.submitted.is_some()).collect();
            throttled = !self.poll(carried).await?;
        }
        Ok(match () {
            () if throttled => Left::Throttled,
            () if self.store.changes(zone).await?.is_empty() => Left::Nothing,
            () => Left::Waiting,
        })
    }

    /// Takes a customer's zone away: its records first, a batch at a time, then the zone itself.
    async fn end(&self, zone: &str) -> Result<Left> {
        let records = self.store.some_records(zone, ENDED_AT_ONCE).await?;
        if records.is_empty() {
            if !self.clear(zone).await? {
                return Ok(Left::Waiting);
            }
            domains::delete_zone(self.app, &self.zone_id).await?;
            return Ok(Left::Gone);
        }
        let mut writes = Vec::new();
        for record in records.iter().filter(|record| record.state != RecordState::Rejected) {
            let unwanted = record.value.clone().unwanted(None, self.origin.now);
            writes.extend(zones::wish(&unwanted, Some(record), self.origin, None));
        }
        // What Route 53 refused is not there; what was there before it goes with the rest of the zone.
        writes.extend(records.iter().filter(|one| one.state == RecordState::Rejected).map(Write::remove));
        self.store.table().transact(writes).await?;
        Ok(Left::Waiting)
    }

    /// Deletes what the zone has that is not kept here, such as the values before a change that was refused. True when there
    /// was nothing.
    async fn clear(&self, zone: &str) -> Result<bool> {
        let listed = self.client.list_resource_record_sets().hosted_zone_id(&self.zone_id).max_items(100);
        let listed = match listed.send().await {
            Ok(listed) => listed,
            // It is gone: whoever took it away did not live to tell.
            Err(error) if error.code() == Some("NoSuchHostedZone") => return Ok(true),
            Err(error) => return Err(Error::aws("route53", error)),
        };
        let is_own = |set: &ResourceRecordSet| {
            plain(set.name()) == zone && matches!(set.r#type(), RrType::Ns | RrType::Soa)
        };
        let left = listed.resource_record_sets.into_iter().filter(|set| !is_own(set));
        let changes = left.map(deletion).collect::<Result<Vec<_>>>()?;
        if changes.is_empty() {
            return Ok(true);
        }
        match self.offer_changes(changes).await? {
            Offered::Taken(_) | Offered::Throttled => Ok(false),
            Offered::Wrong(reason) => Err(Error::partner("route53", true, reason)),
        }
    }

    /// The record set that the zone has of a name and type.
    async fn live(&self, change: &DnsChange) -> Result<Option<ResourceRecordSet>> {
        let kind = route53_type(change.record.kind);
        let call = self.client.list_resource_record_sets().hosted_zone_id(&self.zone_id).max_items(1);
        let call = call.start_record_name(&change.record.name).start_record_type(kind.clone());
        let listed = call.send().await.map_err(|error| Error::aws("route53", error))?;
        let first = listed.resource_record_sets.into_iter().next();
        Ok(first.filter(|set| plain(set.name()) == change.record.name && *set.r#type() == kind))
    }

    /// Deletes whatever values there are of a record whose deletion with the values that are kept here was refused: it is
    /// gone already, by a turn that was killed after its call, or a change before it was refused. False when Route 53 is too
    /// busy.
    async fn delete_live(&self, change: &Stored<DnsChange>) -> Result<bool> {
        let Some(set) = self.live(change).await? else {
            self.finish(vec![change.clone()]).await?;
            return Ok(true);
        };
        match self.offer_changes(vec![deletion(set)?]).await? {
            Offered::Taken(batch) => self.store.submitted(std::slice::from_ref(change), &batch).await?,
            Offered::Throttled => return Ok(false),
            Offered::Wrong(reason) => self.reject(change, &reason).await?,
        }
        Ok(true)
    }

    /// Offers changes to Route 53, which takes a batch as a whole or not at all: one that it refuses is offered in halves,
    /// so that a bad record holds nobody else up. False when Route 53 is too busy; what was not taken stays queued.
    async fn submit(&self, changes: &[Stored<DnsChange>]) -> Result<bool> {
        let mut parts = vec![changes];
        while let Some(part) = parts.pop() {
            let Some(first) = part.first() else { continue };
            match self.offer(part).await? {
                Offered::Taken(batch) => self.store.submitted(part, &batch).await?,
                Offered::Throttled => return Ok(false),
                Offered::Wrong(_) if part.len() > 1 => {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([right, left]);
                }
                Offered::Wrong(_) if first.action == DnsAction::Delete => {
                    if !self.delete_live(first).await? {
                        return Ok(false);
                    }
                }
                Offered::Wrong(reason) => self.reject(first, &reason).await?,
            }
        }
        Ok(true)
    }

    async fn offer(&self, part: &[Stored<DnsChange>]) -> Result<Offered> {
        let changes = part.iter().map(|change| route53_change(change)).collect::<Result<Vec<_>>>()?;
        self.offer_changes(changes).await
    }

    async fn offer_changes(&self, changes: Vec<Change>) -> Result<Offered> {
        let count = changes.len() as u64;
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build().map_err(Error::caused)?;
        let call =
            self.client.change_resource_record_sets().hosted_zone_id(&self.zone_id).change_batch(batch);
        let error = match call.send().await {
            Ok(answer) => {
                let id = answer.change_info.map(|info| info.id).unwrap_or_default();
                self.app.count("DnsChangesSubmitted", count);
                return Ok(Offered::Taken(id));
            }
            Err(error) => error,
        };
        if is_throttled(error.code()) {
            return Ok(Offered::Throttled);
        }
        match error.as_service_error() {
            Some(refusal) if refusal.is_invalid_change_batch() || refusal.is_invalid_input() => {
                Ok(Offered::Wrong(reason(refusal)))
            }
            _ => Err(Error::aws("route53", error)),
        }
    }

    async fn poll(&self, carried: Vec<Stored<DnsChange>>) -> Result<bool> {
        let batches: BTreeSet<_> = carried.iter().filter_map(|change| change.submitted.clone()).collect();
        let mut arrived = BTreeSet::new();
        for batch in batches {
            match self.client.get_change().id(batch.trim_start_matches("/change/")).send().await {
                Ok(answer) => {
                    let status = answer.change_info.map(|info| info.status);
                    if status == Some(ChangeStatus::Insync) {
                        arrived.insert(batch);
                    }
                }
                // Route 53 forgets changes that are long done.
                Err(error) if error.code() == Some("NoSuchChange") => drop(arrived.insert(batch)),
                Err(error) if is_throttled(error.code()) => return Ok(false),
                Err(error) => return Err(Error::aws("route53", error)),
            }
        }
        let is_there =
            |change: &Stored<DnsChange>| change.submitted.as_ref().is_some_and(|id| arrived.contains(id));
        self.finish(carried.into_iter().filter(is_there).collect()).await?;
        Ok(true)
    }

    /// Every name server has the changes.
    async fn finish(&self, changes: Vec<Stored<DnsChange>>) -> Result<()> {
        let mut finished = Vec::with_capacity(changes.len());
        for change in changes {
            let record = self.current(&change).await?.map(|record| match change.action {
                DnsAction::Upsert => {
                    let insync =
                        ManagedRecord { state: RecordState::Insync, error: None, ..record.value.clone() };
                    Write::replace(&record, &insync)
                }
                DnsAction::Delete => Write::remove(&record),
            });
            finished.push((change, record));
        }
        self.store.finish_changes(finished).await
    }

    async fn reject(&self, change: &Stored<DnsChange>, reason: &str) -> Result<()> {
        self.app.count("DnsChangesRejected", 1);
        let record = self.current(change).await?.map(|record| {
            let rejected = DnsChangeRejected {
                zone: change.zone.clone(),
                site: change.site,
                name: change.record.name.clone(),
                record_type: change.record.kind,
                reason: reason.to_owned(),
            };
            let error = Some(reason.to_owned());
            let refused = ManagedRecord { state: RecordState::Rejected, error, ..record.value.clone() };
            let event = self.origin.event(record.org, &rejected);
            Write::replace(&record, &refused).event(event)
        });
        self.store.finish_changes(vec![(change.clone(), record)]).await
    }

    /// The record that a change is about, unless there is a newer wish about it.
    async fn current(&self, change: &DnsChange) -> Result<Option<Stored<ManagedRecord>>> {
        let record = self.store.record_of(&change.zone, &change.record).await?;
        Ok(record.filter(|record| record.revision == change.revision))
    }
}

fn is_throttled(code: Option<&str>) -> bool {
    matches!(code, Some("Throttling" | "ThrottlingException" | "PriorRequestNotComplete"))
}

fn reason(
    refusal: &aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError,
) -> String {
    use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError as Refusal;
    let messages = match refusal {
        Refusal::InvalidChangeBatch(batch) => batch.messages().join("; "),
        _ => String::new(),
    };
    if messages.is_empty() { refusal.message().unwrap_or("refused").to_owned() } else { messages }
}

fn route53_change(change: &DnsChange) -> Result<Change> {
    let action = match change.action {
        DnsAction::Upsert => ChangeAction::Upsert,
        DnsAction::Delete => ChangeAction::Delete,
    };
    let kind = route53_type(change.record.kind);
    let values = change.record.values.iter().map(|value| ResourceRecord::builder().value(value).build());
    let set = ResourceRecordSet::builder()
        .name(&change.record.name)
        .r#type(kind)
        .ttl(i64::try_from(change.record.ttl_secs).unwrap_or(300))
        .set_resource_records(Some(values.collect::<Result<_, _>>().map_err(Error::caused)?))
        .build()
        .map_err(Error::caused)?;
    Change::builder().action(action).resource_record_set(set).build().map_err(Error::caused)
}

fn route53_type(kind: RecordType) -> RrType {
    match kind {
        RecordType::A => RrType::A,
        RecordType::Aaaa => RrType::Aaaa,
        RecordType::Cname => RrType::Cname,
        RecordType::Mx => RrType::Mx,
        RecordType::Txt => RrType::Txt,
    }
}

fn deletion(set: ResourceRecordSet) -> Result<Change> {
    Change::builder().action(ChangeAction::Delete).resource_record_set(set).build().map_err(Error::caused)
}

/// What Route 53 has, as it is kept here; `None` for a type that is not.
pub(crate) fn record_set(set: &ResourceRecordSet) -> Option<RecordSet> {
    use RecordType::{A, Aaaa, Cname, Mx, Txt};
    let kind = [A, Aaaa, Cname, Mx, Txt].into_iter().find(|kind| route53_type(*kind) == set.r#type)?;
    let values = set.resource_records().iter().map(|record| record.value.clone()).collect();
    let ttl_secs = set.ttl.and_then(|ttl| u64::try_from(ttl).ok())?;
    Some(RecordSet { name: plain(&set.name), kind, ttl_secs, values })
}

/// A name as it is kept here: without the last dot, its star as a star.
pub(crate) fn plain(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*")
}
