//! Room on a host: found, kept, given back.

use std::time::Duration;

use domain::hosting::{Reservation, Waiter};
use platform::store::Write;
use platform::{Error, Result, random};
use serde::{Deserialize, Serialize};

use crate::engine::{Outcome, Run};
use crate::store::{hosts, pools};

/// How many hosts one turn tries when others are faster.
const TRIES: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Where the site goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) host: domain::HostId,
    pub(super) units: u64,
}

pub(super) async fn reserve(run: &mut Run<'_>) -> Result<Outcome> {
    let pool = run.settings.shared_pool();
    for tries in 0..TRIES {
        if let Some(host) = run.site.target_host {
            return Outcome::with(Slot { host, units: run.site.units });
        }
        let candidates = run.store.candidates(&pool, run.site.units).await?;
        let dice = usize::from_le_bytes(random::bytes());
        let Some(choice) = domain::hosting::pool::pick(&candidates, tries, dice) else { break };
        let host = &candidates[choice].value;
        let reservation = Reservation {
            host: host.id,
            site: run.site.id,
            org: run.site.org,
            operation: run.operation.id,
            fqdn: run.site.fqdn.clone(),
            units: run.site.units,
            disk_mib: run.site.disk_mib,
            serving: false,
            bucket: None,
            reserved_at: run.now(),
        };
        let [taken, kept] = hosts::reserve(host, &run.site, &reservation);
        let placed = Write::replace(&run.site, &run.site.value.clone().placed(host.id));
        let writes = [taken, kept, placed, no_longer_waiting(run), run.fenced()];
        match run.store.table().transact(writes).await {
            Ok(()) | Err(Error::Conflict) => run.reread_site().await?,
            Err(Error::Refused { code: hosts::HOST_FULL, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(host) = run.site.target_host {
        return Outcome::with(Slot { host, units: run.site.units });
    }
    wait_for_room(run, &pool).await
}

async fn wait_for_room(run: &Run<'_>, pool: &str) -> Result<Outcome> {
    let blocked = run.store.pool(pool).await?.and_then(|stored| stored.value.blocked);
    if let Some(blocked) = blocked.filter(|blocked| blocked.at >= run.started_at()) {
        let message = "No more hosts can be launched at the moment.";
        return Ok(Outcome::Halt(run.failure(blocked.code, message, blocked.remedy)));
    }
    let waiter = Waiter {
        pool: pool.to_owned(),
        site: run.site.id,
        operation: run.operation.id,
        units: run.site.units,
        since: run.now(),
    };
    run.store.wait_for_room(&waiter, &run.origin, run.fenced()).await?;
    Ok(Outcome::Wait(LOOK_AGAIN))
}

pub(super) fn no_longer_waiting(run: &Run<'_>) -> Write {
    pools::no_longer_waiting(&run.settings.shared_pool(), run.site.id)
}

pub(super) async fn await_host(run: &Run<'_>) -> Result<Outcome> {
    let Some(id) = run.site.target_host else {
        return Err(Error::internal(format!("site {} has no room on any host", run.site.id)));
    };
    let host = run.store.host(id).await?;
    if host.is_ready() { Ok(Outcome::done()) } else { Ok(Outcome::Wait(LOOK_AGAIN)) }
}

pub(super) async fn release(run: &Run<'_>) -> Result<Outcome> {
    let mut writes = vec![no_longer_waiting(run)];
    if let Some(host) = run.site.target_host.or(run.site.host)
        && let Some(reservation) = run.store.reservation(host, run.site.id).await?
    {
        writes.extend(hosts::release(&reservation, run.now()));
    }
    Ok(Outcome::by(writes).changing(run.site.value.clone().displaced(), None))
}
