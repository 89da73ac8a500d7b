//! The site's DNS records: asked for, awaited, taken away. The worker of the zone carries them to Route 53.

use std::time::Duration;

use domain::hosting::dns::{MailTokens, RecordState, records_of_site};
use domain::hosting::{DnsAction, ManagedRecord, StepName};
use platform::store::{Stored, Write};
use platform::{Error, Result};
use serde_json::json;

use crate::engine::{Outcome, Run};
use crate::store::zones;

/// Name servers take seconds to a minute as a rule.
const FIRST_LOOKS: Duration = Duration::from_secs(5);
const LATER_LOOKS: Duration = Duration::from_secs(30);

pub(super) async fn queue(run: &Run<'_>) -> Result<Outcome> {
    let mail: MailTokens = run.outputs(StepName::CreateIdentity)?;
    let Some(host) = run.site.target_host else {
        return Err(Error::internal(format!("site {} has no room on any host", run.site.id)));
    };
    let Some(ip) = run.store.host(host).await?.value.ip else {
        return Ok(Outcome::Wait(FIRST_LOOKS));
    };
    let zone = &run.site.zone;
    let there = run.store.records_under(zone, &run.site.fqdn).await?;
    let owner = (run.site.org, run.site.id, run.operation.id);
    let mut writes = Vec::new();
    let records = records_of_site(&run.site.fqdn, &ip, &mail, &run.settings.aws_region);
    let count = records.len();
    for record in records {
        let before = there
            .iter()
            .find(|stored| stored.record.name == record.name && stored.record.kind == record.kind);
        if let Some(foreign) = before.filter(|stored| stored.site != run.site.id) {
            let message = "A record of the site's name belongs to another site.";
            let remedy = format!("Find out why site {} still has records under this name.", foreign.site);
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
    if let Some(halt) = rejected(run, &records) {
        return Ok(halt);
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
        return Ok(rejected(run, &records).unwrap_or_else(|| Outcome::Wait(look_again(run))));
    }
    let mut writes: Vec<Write> = vec![run.fenced()];
    for (index, stored) in standing.into_iter().enumerate() {
        let unwanted = stored.value.clone().unwanted(run.operation.id, run.now());
        let wake = (index == 0).then(|| zones::wake(&run.site.zone, &run.origin));
        writes.extend(zones::wish(&unwanted, Some(stored), &run.origin, wake));
    }
    run.store.table().transact(writes).await?;
    Ok(Outcome::Wait(FIRST_LOOKS))
}

async fn own(run: &Run<'_>) -> Result<Vec<Stored<ManagedRecord>>> {
    let records = run.store.records_under(&run.site.zone, &run.site.fqdn).await?;
    Ok(records.into_iter().filter(|record| record.site == run.site.id).collect())
}

fn rejected(run: &Run<'_>, records: &[Stored<ManagedRecord>]) -> Option<Outcome> {
    let bad = records.iter().find(|record| record.state == RecordState::Rejected)?;
    let message = "The name servers refuse a record of the site.";
    let why = bad.error.as_deref().unwrap_or("no reason");
    let remedy = format!("Route 53 says of {} {}: {why}", bad.record.kind.as_str(), bad.record.name);
    Some(Outcome::Halt(run.failure("dns_rejected", message, remedy)))
}

fn look_again(run: &Run<'_>) -> Duration {
    let waited = run.now().since(run.started_at());
    if waited < Duration::from_secs(120) { FIRST_LOOKS } else { LATER_LOOKS }
}
