//! Room on a host: found, kept, given back.

use std::time::Duration;

use domain::HostId;
use domain::accounts::Mode;
use domain::hosting::host::UNIT_DISK_MIB;
use domain::hosting::{Desired, Host, OperationKind, Reservation, Site, StepName, Waiter};
use platform::store::{Stored, Write};
use platform::{Error, Result, random};
use serde::{Deserialize, Serialize};

use crate::engine::{Outcome, Run};
use crate::store::{hosts, pools};

/// How many hosts one turn tries when others are faster.
const TRIES: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What room the operation looks for, decided at its beginning: the plan may change while it runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) plan: String,
    pub(super) mode: Mode,
    pub(super) units: u64,
    pub(super) disk_mib: u64,
}

impl Planned {
    pub(super) fn of(desired: &Desired) -> Self {
        let Desired { plan, mode, units, .. } = desired;
        Self { plan: plan.clone(), mode: *mode, units: *units, disk_mib: units * UNIT_DISK_MIB }
    }
}

pub(super) fn planned(run: &Run<'_>) -> Result<Planned> {
    run.outputs(match run.operation.workflow {
        OperationKind::Migrate => StepName::CheckMove,
        _ => StepName::CheckPlan,
    })
}

/// Where the site goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Slot {
    host: HostId,
    units: u64,
}

pub(super) async fn reserve(run: &mut Run<'_>) -> Result<Outcome> {
    let planned = planned(run)?;
    let pool = run.settings.pool(planned.mode);
    let Planned { units, disk_mib, .. } = planned;
    for tries in 0..TRIES {
        if let Some(host) = run.site.target_host {
            return Outcome::with(Slot { host, units });
        }
        let candidates = candidates(run, &pool, &planned).await?;
        let dice = usize::from_le_bytes(random::bytes());
        let Some(choice) = domain::hosting::pool::pick(&candidates, tries, dice) else { break };
        let host = &candidates[choice].value;
        let whose = (run.site.org, run.site.id, run.operation.id);
        let kept = Reservation::kept(host.id, whose, &run.site.fqdn, (units, disk_mib), run.now());
        let [taken, kept] = hosts::reserve(host, &kept);
        let placed = Write::replace(&run.site, &run.site.value.clone().placed(host.id));
        let writes = [taken, kept, placed, pools::no_longer_waiting(&pool, run.site.id), run.fenced()];
        match run.store.table().transact(writes).await {
            Ok(()) | Err(Error::Conflict) => run.reread_site().await?,
            Err(Error::Refused { code: hosts::HOST_FULL, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(host) = run.site.target_host {
        return Outcome::with(Slot { host, units });
    }
    wait_for_room(run, &pool, units).await
}

/// Hosts that could take the site; never the one that it is on.
async fn candidates(run: &Run<'_>, pool: &str, planned: &Planned) -> Result<Vec<Stored<Host>>> {
    let mut found = match planned.mode {
        Mode::Shared => run.store.candidates(pool, planned.units).await?,
        Mode::Dedicated => run.store.hosts_for(pool, run.site.id, planned.units).await?,
    };
    found.retain(|host| run.site.host != Some(host.id));
    Ok(found)
}

async fn wait_for_room(run: &Run<'_>, pool: &str, units: u64) -> Result<Outcome> {
    let blocked = run.store.pool(pool).await?.and_then(|stored| stored.value.blocked);
    if let Some(blocked) = blocked.filter(|blocked| blocked.at >= run.started_at()) {
        let message = "No more hosts can be launched at the moment.";
        return Ok(Outcome::Halt(run.failure(blocked.code, message, blocked.remedy)));
    }
    let waiter = Waiter {
        pool: pool.to_owned(),
        site: run.site.id,
        operation: run.operation.id,
        units,
        since: run.now(),
    };
    run.store.wait_for_room(&waiter, &run.origin, run.fenced()).await?;
    Ok(Outcome::Wait(LOOK_AGAIN))
}

/// Nothing when it is not known yet in which pool.
pub(super) fn no_longer_waiting(run: &Run<'_>) -> Option<Write> {
    let planned = planned(run).ok()?;
    Some(pools::no_longer_waiting(&run.settings.pool(planned.mode), run.site.id))
}

pub(super) async fn await_host(run: &Run<'_>) -> Result<Outcome> {
    let host = run.store.host(run.host()?).await?;
    if host.is_ready() { Ok(Outcome::done()) } else { Ok(Outcome::Wait(LOOK_AGAIN)) }
}

pub(super) async fn release(run: &Run<'_>) -> Result<Outcome> {
    let waiting = no_longer_waiting(run);
    let Outcome::Done { mut writes, site, outputs } = give_back(run, run.host_at_work()).await? else {
        return Err(Error::internal("room is given back in one turn"));
    };
    writes.extend(waiting);
    Ok(Outcome::Done { outputs, writes, site })
}

/// Gives the room on a host back, and takes the host off the site.
pub(super) async fn give_back(run: &Run<'_>, host: Option<HostId>) -> Result<Outcome> {
    let mut writes = Vec::new();
    if let Some(host) = host
        && let Some(reservation) = run.store.reservation(host, run.site.id).await?
    {
        writes.extend(hosts::release(&reservation, run.now()));
    }
    let without = |named: Option<HostId>| named.filter(|named| Some(*named) != host);
    let site = &run.site.value;
    let displaced = Site {
        host: without(site.host),
        target_host: without(site.target_host),
        former_host: without(site.former_host),
        ..site.clone()
    };
    Ok(Outcome::by(writes).changing(displaced, None))
}
