//! Hosts and the room on them.

use domain::hosting::host::{HostTrouble, TERMINATED_KEPT};
use domain::hosting::{Host, HostState, Reservation};
use domain::{HostId, Refusal, SiteId, Timestamp};
use platform::event::{EventEnvelope, Origin};
use platform::store::{Index, LastKey, Page, Query, Stored, Write};
use platform::{Error, Result};
use serde_json::json;

use super::{HostingOfAll, keys};

const KIND: &str = "host";
/// The error code of a placement whose host was taken by others.
pub(crate) const HOST_FULL: &str = "host_full";
/// How many hosts a placement looks at.
const CANDIDATES: u32 = 10;
/// How often a change of a host is tried when others change it in the same moment.
const TRIES: u32 = 5;

impl HostingOfAll {
    /// A host.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn host(&self, host: HostId) -> Result<Stored<Host>> {
        self.table.get_consistent(&keys::host(host)).await?.ok_or(Error::NotFound)
    }

    /// The room that a host keeps for sites: what its manifest is made of.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn reservations(&self, host: HostId) -> Result<Vec<Reservation>> {
        let all = Query::pk(keys::host_partition(host)).begins(keys::RESERVATION).consistent();
        Ok(self.table.query_all(all).await?.into_iter().map(|stored| stored.value).collect())
    }

    /// The room that a host keeps for one site.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn reservation(&self, host: HostId, site: SiteId) -> Result<Option<Stored<Reservation>>> {
        self.table.get_consistent(&keys::reservation(host, site)).await
    }

    /// An agent uses its one-time token; `token_hash` is the hash of the one it sent. Answers the host with its key.
    ///
    /// # Errors
    /// `token_used` when the token is another's, used or expired.
    pub async fn register(
        &self,
        stored: &Stored<Host>,
        token_hash: &str,
        key_hash: String,
        now: Timestamp,
    ) -> Result<Host> {
        let host = stored.value.clone().registered(key_hash, now)?;
        let write = replace(stored, &host)
            .when("token_hash = :token", [(":token", token_hash)])
            .or(Refusal::conflict("token_used", "The host token is used or expired."));
        self.table.write(write).await?;
        Ok(host)
    }

    /// An agent reports that it has applied a generation of its manifest. Answers the host after it.
    ///
    /// # Errors
    /// `stale_generation`, `host_gone`.
    pub async fn beat(&self, stored: Stored<Host>, applied: u64, origin: &Origin) -> Result<Host> {
        let mut stored = stored;
        for _ in 0..TRIES {
            let (host, recovered) = stored.value.clone().beat(applied, origin.now)?;
            let write = if host.state == stored.state {
                // Sites come and go in the same moment: only what the report is about is written.
                Write::update(stored.key.clone())
                    .set("heartbeat_at", host.heartbeat_at)
                    .set("applied_generation", applied)
                    .when(
                        "state = :state AND applied_generation <= :applied",
                        [(":state", json!(host.state)), (":applied", json!(applied))],
                    )
            } else {
                let write = replace(&stored, &host);
                match &recovered {
                    Some(recovered) => write.event(origin.envelope(None, recovered)),
                    None => write,
                }
            };
            match self.table.write(write).await {
                Ok(()) => return Ok(host),
                Err(Error::Conflict) => stored = self.host(host.id).await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }

    /// Hosts of a pool with so much free room, the fullest first. Others may be faster: a hint, no promise.
    pub(crate) async fn candidates(&self, pool: &str, units: u64) -> Result<Vec<Stored<Host>>> {
        let fitting =
            Query::pk(keys::pool_index(pool, true)).index(Index::Gsi1).from(units).limit(CANDIDATES);
        Ok(self.table.query(fitting).await?.items)
    }

    /// Hosts that were launched for one site and wait for it.
    pub(crate) async fn hosts_for(&self, pool: &str, site: SiteId, units: u64) -> Result<Vec<Stored<Host>>> {
        // Only those without their site have room, which are few.
        let own = Query::pk(keys::pool_index(pool, true))
            .index(Index::Gsi1)
            .from(units)
            .filter("for_site = :site", [(":site", site)]);
        self.table.query_all(own).await
    }

    /// Every host of a pool that is not gone.
    pub(crate) async fn hosts(&self, pool: &str) -> Result<Vec<Stored<Host>>> {
        let members = Query::pk(keys::pool_partition(pool)).begins(keys::MEMBER).consistent();
        let members = self.table.query_all::<Member>(members).await?;
        let mut hosts = Vec::with_capacity(members.len());
        for member in members {
            // One by one, because a batch read may be a second old: an old answer here would launch a host too many.
            if let Some(host) = self.table.get_consistent(&keys::host(member.host)).await? {
                hosts.push(host);
            }
        }
        Ok(hosts)
    }

    /// The hosts of a pool that are not gone, oldest first.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn host_page(&self, pool: &str, limit: u32, after: Option<LastKey>) -> Result<Page<Host>> {
        let members = Query::pk(keys::pool_partition(pool)).begins(keys::MEMBER).limit(limit).after(after);
        let Page { items, last } = self.table.query::<Member>(members).await?;
        let keys: Vec<_> = items.iter().map(|member| keys::host(member.host)).collect();
        Ok(Page { items: self.table.get_many(&keys).await?, last })
    }

    /// A host takes no more sites.
    ///
    /// # Errors
    /// `version_conflict`.
    pub async fn drain(&self, stored: &Stored<Host>, host: &Host, now: Timestamp) -> Result<()> {
        self.change_host(stored, host, None, now).await
    }

    /// Changes a host unless it changed meanwhile.
    pub(crate) async fn change_host(
        &self,
        stored: &Stored<Host>,
        host: &Host,
        event: Option<EventEnvelope>,
        now: Timestamp,
    ) -> Result<()> {
        let write = replace(stored, host);
        let write = match event {
            Some(event) => write.event(event),
            None => write,
        };
        if host.state == HostState::Terminated {
            let write = write.expires_at(now + TERMINATED_KEPT);
            let left = Write::delete(keys::member(&host.pool, host.id));
            return self.table.transact([write, left]).await;
        }
        self.table.write(write).await
    }

    /// What the passing of time did to a host is stored once.
    pub(crate) async fn troubled(
        &self,
        stored: &Stored<Host>,
        trouble: &HostTrouble,
        origin: &Origin,
    ) -> Result<()> {
        let (host, event) = match trouble {
            HostTrouble::Failed(host, event) => (host, origin.envelope(None, event)),
            HostTrouble::Unhealthy(host, event) => (host, origin.envelope(None, event)),
        };
        self.change_host(stored, host, Some(event), origin.now).await
    }
}

/// A host's place in its pool.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Member {
    /// Which host.
    pub(super) host: HostId,
}

/// A new host and its place in the pool.
pub(crate) fn create(host: &Host) -> [Write; 2] {
    let write = Write::create(keys::host(host.id), KIND, host);
    let member = Write::create(keys::member(&host.pool, host.id), "member", &Member { host: host.id });
    [by_room(write, host), member]
}

fn replace(stored: &Stored<Host>, host: &Host) -> Write {
    by_room(Write::replace(stored, host), host)
}

fn by_room(write: Write, host: &Host) -> Write {
    write.index(Index::Gsi1, keys::pool_index(&host.pool, host.is_ready()), host.free_units)
}

/// Takes room on a host for a site, if the host is still ready and still has it.
pub(crate) fn reserve(host: &Host, kept: &Reservation) -> [Write; 2] {
    let taken = Write::update(keys::host(host.id))
        .set_expr(
            "free_units = free_units - :u, gsi1sk = gsi1sk - :u, free_disk_mib = free_disk_mib - :d, sites = sites + :one",
            [(":u", kept.units), (":d", kept.disk_mib), (":one", 1)],
        )
        .when(
            "state = :ready AND free_units >= :u AND free_disk_mib >= :d AND sites < max_sites",
            [(":ready", json!(HostState::Ready))],
        )
        .or(Error::refused(HOST_FULL, "The host was filled by others."));
    [taken, Write::create(keys::reservation(host.id, kept.site), "reservation", kept).or(Error::Conflict)]
}

/// Gives a site's room back to its host.
pub(crate) fn release(stored: &Stored<Reservation>, now: Timestamp) -> [Write; 2] {
    let given_back = Write::update(keys::host(stored.host)).set("released_at", now).set_expr(
        "free_units = free_units + :u, gsi1sk = gsi1sk + :u, free_disk_mib = free_disk_mib + :d, sites = sites - :one",
        [(":u", stored.units), (":d", stored.disk_mib), (":one", 1)],
    );
    [given_back, Write::remove(stored)]
}

/// Changes what a host's manifest says of a site; the manifest gets a new number.
pub(crate) fn tell(stored: &Stored<Reservation>, reservation: &Reservation) -> [Write; 2] {
    [Write::replace(stored, reservation), count(stored.host)]
}

/// Gives the manifest of a host a new number, so that the host looks at everything again.
pub(crate) fn count(host: HostId) -> Write {
    Write::update(keys::host(host)).add("generation", 1)
}
