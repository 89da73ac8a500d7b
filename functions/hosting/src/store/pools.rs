//! Pools of hosts, and who waits for room in them.

use std::time::Duration;

use domain::hosting::pool::LaunchRefused;
use domain::hosting::{CapacityWanted, Host, Pool, PoolSettings, Waiter};
use domain::{SiteId, Timestamp};
use platform::event::Origin;
use platform::lease::{self, Lease};
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{HostingOfAll, hosts, keys};

impl HostingOfAll {
    /// A pool; a new one when nobody has looked at it.
    pub(crate) async fn pool(&self, name: &str) -> Result<Option<Stored<Pool>>> {
        self.table.get_consistent(&keys::pool(name)).await
    }

    /// Sets how a pool grows, and has it looked at.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn put_pool(&self, name: &str, settings: &PoolSettings, origin: &Origin) -> Result<()> {
        self.ensure_pool(name).await?;
        let wake = CapacityWanted { pool: name.to_owned(), units: 0 };
        let changed = Write::update(keys::pool(name)).set("settings", settings);
        self.table.write(changed.event(origin.envelope(None, &wake))).await
    }

    async fn ensure_pool(&self, name: &str) -> Result<()> {
        if self.pool(name).await?.is_some() {
            return Ok(());
        }
        let first = Write::create(keys::pool(name), "pool", &Pool::new(name)).or(Error::Conflict);
        match self.table.write(first).await {
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the pool's lease; `None` while another worker has it.
    pub(crate) async fn take_pool(
        &self,
        name: &str,
        owner: &str,
        now: Timestamp,
        time: Duration,
    ) -> Result<Option<(Stored<Pool>, Lease)>> {
        self.ensure_pool(name).await?;
        lease::take(&self.table, keys::pool(name), owner, now, time).await
    }

    /// Who waits for room in a pool.
    pub(crate) async fn waiters(&self, pool: &str) -> Result<Vec<Stored<Waiter>>> {
        let waiters = Query::pk(keys::pool_partition(pool)).begins(keys::WAITER).consistent();
        self.table.query_all(waiters).await
    }

    /// A site waits for room: counted once, however often it asks.
    pub(crate) async fn wait_for_room(&self, waiter: &Waiter, origin: &Origin, fenced: Write) -> Result<()> {
        let wanted = CapacityWanted { pool: waiter.pool.clone(), units: waiter.units };
        let write = Write::create(keys::waiter(&waiter.pool, waiter.site), "waiter", waiter)
            .event(origin.envelope(None, &wanted))
            .or(Error::refused(WAITING, "It waits already."));
        match self.table.transact([write, fenced]).await {
            Ok(()) | Err(Error::Refused { code: WAITING, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A host is wanted: stored before it is launched, and only by who has the pool's lease.
    pub(crate) async fn want_host(&self, host: &Host, lease: &Lease) -> Result<()> {
        let fenced = Write::check(keys::pool(&host.pool)).holding(lease);
        self.table.transact(hosts::create(host).into_iter().chain([fenced])).await
    }

    /// The pool after a look at it: the lease is given back.
    pub(crate) async fn leave_pool(
        &self,
        stored: &Stored<Pool>,
        pool: &Pool,
        refused: Option<&LaunchRefused>,
        lease: &Lease,
        origin: &Origin,
    ) -> Result<()> {
        let mut write = Write::replace(stored, pool).releasing(lease);
        if let Some(refused) = refused {
            write = write.event(origin.envelope(None, refused));
        }
        let write = match pool.next_at {
            Some(at) => write.index(Index::Gsi2, keys::DUE_POOL, format!("{at}#{}", pool.name)),
            None => write.unindex(Index::Gsi2),
        };
        self.table.write(write).await
    }

    /// Pools that should have been looked at by now.
    pub(crate) async fn due_pools(&self, now: Timestamp) -> Result<Vec<Stored<Pool>>> {
        let due = Query::pk(keys::DUE_POOL).index(Index::Gsi2).up_to(now.to_string());
        self.table.query_all(due).await
    }
}

const WAITING: &str = "already_waiting";

/// A site waits no more.
pub(crate) fn no_longer_waiting(pool: &str, site: SiteId) -> Write {
    Write::delete(keys::waiter(pool, site))
}
