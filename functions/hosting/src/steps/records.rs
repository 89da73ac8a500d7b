//! The site's DNS records: asked for, awaited, taken away. The worker of the zone carries them to Route 53.

use std::time::Duration;

use domain::hosting::dns::{ADDRESS_TTL, MailTokens, RecordState, records_of_site};
use domain::hosting::{DnsAction, ManagedRecord, RecordSet, RecordType, StepName};
use domain::{HostId, Timestamp};
use platform::store::{Stored, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::moving;
use crate::engine::{Outcome, Run};
use crate::store::zones;

/// Name servers take seconds to a minute as a rule.
const FIRST_LOOKS: Duration = Duration::from_secs(5);
const LATER_LOOKS: Duration = Duration::from_secs(30);

pub(super) async fn queue(run: &Run<'_>) -> Result<Outcome> {
    let mail: MailTokens = run.outputs(StepName::CreateIdentity)?;
    let Some(ip) = run.store.host(run.host()?).await?.value.ip else {
        return Ok(Outcome::Wait(FIRST_LOOKS));
    };
    let (zone, fqdn) = (&run.site.zone, run.fqdn());
    let there = run.store.records_under(zone, &fqdn).await?;
    let owner = (run.site.org, run.site.id, run.operation.id);
    let mut writes = Vec::new();
    let records = records_of_site(&fqdn, &ip, &mail, &run.settings.aws_region);
    let count = records.len();
    for record in records {
        let before = there
            .iter()
            .find(|stored| stored.record.name == record.name && stored.record.kind == record.kind);
        if let Some(foreign) = before.filter(|stored| stored.site != Some(run.site.id)) {
            let message = "A record of the site's name belongs to another site.";
            let remedy = format!("Find out why {:?} still has records under this name.", foreign.site);
            return Ok(Outcome::Abort(run.failure("record_conflict", message, remedy)));
        }
        let wanted =
            ManagedRecord::wanted(zone, record, owner, before.map(|stored| &stored.value), run.now());
        let wake = writes.is_empty().then(|| zones::wake(zone, &run.origin));
        writes.extend(zones::wish(&wanted, before, &run.origin, wake));
    }
    Ok(Outcome::Done { outputs: json!({"records": count, "ip": ip}), writes, site: None })
}

pub(super) async fn wait(run: &Run<'_>) -> Result<Outcome> {
    let records = own(run).await?;
    if let Some(outcome) = refused(run, &records).await? {
        return Ok(outcome);
    }
    if records.iter().all(|record| record.state == RecordState::Insync) {
        return Outcome::with(json!({"insync_at": run.now()}));
    }
    Ok(Outcome::Wait(look_again(run)))
}

/// Wishes the records away and waits until they are.
pub(super) async fn delete(run: &Run<'_>) -> Result<Outcome> {
    let records = own(run).await?;
    if records.is_empty() {
        return Ok(Outcome::done());
    }
    let standing: Vec<_> = records.iter().filter(|record| record.action == DnsAction::Upsert).collect();
    if standing.is_empty() {
        return Ok(refused(run, &records).await?.unwrap_or_else(|| Outcome::Wait(look_again(run))));
    }
    wish(run, standing, |record| record.unwanted(Some(run.operation.id), run.now())).await
}

/// Stores new wishes about records and waits for them.
async fn wish(
    run: &Run<'_>,
    records: Vec<&Stored<ManagedRecord>>,
    change: impl Fn(ManagedRecord) -> ManagedRecord,
) -> Result<Outcome> {
    let mut writes: Vec<Write> = vec![run.fenced()];
    for (index, stored) in records.into_iter().enumerate() {
        let wake = (index == 0).then(|| zones::wake(&run.site.zone, &run.origin));
        writes.extend(zones::wish(&change(stored.value.clone()), Some(stored), &run.origin, wake));
    }
    run.store.table().transact(writes).await?;
    Ok(Outcome::Wait(FIRST_LOOKS))
}

/// How far the name is on its way to another address.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Turned {
    /// It was asked to lead back.
    #[serde(default)]
    back: bool,
    /// Every name server says the new address; whoever asked one before forgets the old one within its time to live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    insync_at: Option<Timestamp>,
}

/// Asks for the site's name to lead to the new host.
pub(super) async fn point(run: &Run<'_>) -> Result<Outcome> {
    if let Some(abort) = moving::too_long(run)? {
        return Ok(abort);
    }
    let (writes, ip) = lead(run, run.host()?).await?;
    Ok(Outcome::Done { outputs: json!({"ip": ip}), writes, site: None })
}

/// Waits until everybody who asks is led to the new address, and whoever asked before has forgotten the old one.
pub(super) async fn wait_for_all(run: &Run<'_>) -> Result<Outcome> {
    let turned: Turned = run.params()?;
    let records = own(run).await?;
    if let Some(halt) = refused(run, &records).await? {
        return Ok(halt);
    }
    let Some(since) = turned.insync_at else {
        if !records.iter().all(|record| record.state == RecordState::Insync) {
            return Ok(Outcome::Wait(look_again(run)));
        }
        return Outcome::again(Turned { insync_at: Some(run.now()), ..turned });
    };
    let known = Duration::from_secs(ADDRESS_TTL);
    let waited = run.now().since(since);
    if waited < known {
        return Ok(Outcome::Wait(known - waited));
    }
    Outcome::with(json!({"insync_at": since}))
}

/// Leads the name back to where the site is, and waits as long as for the way there.
pub(super) async fn point_back(run: &Run<'_>) -> Result<Outcome> {
    let turned: Turned = run.params()?;
    if turned.back {
        return wait_for_all(run).await;
    }
    let Some(source) = run.site.host else { return Ok(Outcome::done()) };
    let (writes, _) = lead(run, source).await?;
    if writes.is_empty() && own(run).await?.iter().all(|record| record.state == RecordState::Insync) {
        return Ok(Outcome::done());
    }
    if !writes.is_empty() {
        run.store.table().transact(writes.into_iter().chain([run.fenced()])).await?;
    }
    Outcome::again(Turned { back: true, insync_at: None })
}

/// The writes that make the site's name lead to a host: none when it does, or is about to.
async fn lead(run: &Run<'_>, host: HostId) -> Result<(Vec<Write>, String)> {
    let Some(ip) = run.store.host(host).await?.value.ip else {
        return Err(Error::internal(format!("host {host} has no address")));
    };
    let fqdn = run.fqdn();
    let records = own(run).await?;
    let Some(address) =
        records.iter().find(|record| record.record.kind == RecordType::A && record.record.name == fqdn)
    else {
        return Err(Error::internal(format!("site {} has no address record", run.site.id)));
    };
    if address.action == DnsAction::Upsert && address.record.values == [ip.clone()] {
        return Ok((Vec::new(), ip));
    }
    let record = RecordSet { values: vec![ip.clone()], ..address.record.clone() };
    let owner = (run.site.org, run.site.id, run.operation.id);
    let wanted = ManagedRecord::wanted(&run.site.zone, record, owner, Some(&address.value), run.now());
    let wake = Some(zones::wake(&run.site.zone, &run.origin));
    Ok((zones::wish(&wanted, Some(address), &run.origin, wake).into(), ip))
}

async fn own(run: &Run<'_>) -> Result<Vec<Stored<ManagedRecord>>> {
    let records = run.store.records_under(&run.site.zone, &run.fqdn()).await?;
    Ok(records.into_iter().filter(|record| record.site == Some(run.site.id)).collect())
}

/// What records that Route 53 refuses ask for: people look at a refusal; what they have looked at is wished again.
async fn refused(run: &Run<'_>, records: &[Stored<ManagedRecord>]) -> Result<Option<Outcome>> {
    let refused: Vec<_> = records.iter().filter(|record| record.state == RecordState::Rejected).collect();
    let looked_at = run.operation.error.as_ref().map(|failure| failure.at);
    let Some(bad) = refused.iter().find(|record| !looked_at.is_some_and(|at| record.is_wished_by(at))) else {
        return match refused.is_empty() {
            true => Ok(None),
            false => wish(run, refused, |record| record.wished_again(run.now())).await.map(Some),
        };
    };
    let message = "The name servers refuse a record of the site.";
    let why = bad.error.as_deref().unwrap_or("no reason");
    let remedy = format!("Route 53 says of {} {}: {why}", bad.record.kind.as_str(), bad.record.name);
    Ok(Some(Outcome::Halt(run.failure("dns_rejected", message, remedy))))
}

fn look_again(run: &Run<'_>) -> Duration {
    let waited = run.now().since(run.started_at());
    if waited < Duration::from_secs(120) { FIRST_LOOKS } else { LATER_LOOKS }
}
