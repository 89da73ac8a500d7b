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
    wish(run, standing, |record| record.unwanted(run.operation.id, run.now())).await
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

async fn own(run: &Run<'_>) -> Result<Vec<Stored<ManagedRecord>>> {
    let records = run.store.records_under(&run.site.zone, &run.site.fqdn).await?;
    Ok(records.into_iter().filter(|record| record.site == run.site.id).collect())
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
