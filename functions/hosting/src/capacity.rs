//! The worker of a pool: launches hosts for who waits, follows them until they are up, gives up those that never come up.
//!
//! What is launched is stored first, with the token that makes a repeated launch the same instance. One worker at a time looks
//! at a pool, so what it counts is what there is.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::hosting::host::Launch;
use domain::hosting::host_protocol::AgentConfig;
use domain::hosting::pool::{Blocked, LaunchOption, LaunchRefused, hosts_wanted};
use domain::hosting::{Host, HostState, Pool, PoolSettings};
use domain::{EventId, HostId};
use platform::ec2::{self, Ec2, Ec2Error, Instance};
use platform::lease::Lease;
use platform::store::Stored;
use platform::{App, Error, Origin, Result, hash, random};
use serde::Deserialize;

use crate::HostingOfAll;
use crate::due::{LEASE, PoolDue, fence_of};

const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Where no option has capacity, it comes back in minutes rather than seconds.
const NO_CAPACITY_AGAIN: Duration = Duration::from_secs(30);
const HOST_TAG: &str = "tenantry:host";

/// What a deployment launches hosts with.
#[derive(Debug, Clone, Deserialize)]
struct Settings {
    stage: String,
    aws_region: String,
    api_url: String,
    host_image_id: String,
    host_instance_profile_arn: String,
    host_security_group_id: String,
    host_subnet_ids: Vec<String>,
    host_instance_types: Vec<String>,
    units_per_host: u64,
    max_hosts: u64,
    target_free_units: u64,
}

impl Settings {
    fn pool(&self) -> PoolSettings {
        let options = self.host_instance_types.iter().flat_map(|instance_type| {
            self.host_subnet_ids.iter().map(|subnet| LaunchOption {
                instance_type: instance_type.clone(),
                subnet: Some(subnet.clone()),
            })
        });
        PoolSettings {
            units_per_host: self.units_per_host,
            max_hosts: self.max_hosts,
            target_free: self.target_free_units,
            options: options.collect(),
        }
    }
}

/// Looks at a pool.
///
/// # Errors
/// What the table, the queue or EC2 fail with.
pub async fn scale(app: &App, due: &PoolDue, origin: &Origin) -> Result<()> {
    let settings: Settings = app.config()?;
    if due.pool != format!("{}/shared", settings.aws_region) {
        return Err(Error::refused(
            "unknown_pool",
            format!("No pool {} belongs to this deployment.", due.pool),
        ));
    }
    let store = HostingOfAll::of(app);
    if let (Some(fence), Some(seen)) = (due.fence, store.pool(&due.pool).await?)
        && fence != fence_of(&seen)
    {
        return Ok(());
    }
    let owner = origin.id::<EventId>().to_string();
    let Some((stored, lease)) = store.take_pool(&due.pool, &owner, origin.now, LEASE).await? else {
        return match due.fence {
            Some(_) => Ok(()),
            None => app.queue("CAPACITY_QUEUE").send(origin, None, due, LOOK_AGAIN).await,
        };
    };
    let pool = stored.value.settings.clone().unwrap_or_else(|| settings.pool());
    let ec2 = Ec2::new(app);
    let mut look = Look { app, store: &store, ec2, settings, pool, origin, refused: None, launched: false };
    let turn = look.turn(&due.pool, &lease).await;
    let next_at = match &turn {
        Ok(next) => next.map(|after| origin.now + after),
        Err(_) => Some(origin.now + NO_CAPACITY_AGAIN),
    };
    let blocked = match (&look.refused, look.launched) {
        (Some(blocked), _) => Some(blocked.clone()),
        (None, true) => None,
        (None, false) => stored.value.blocked.clone(),
    };
    let refused = look.refused.map(|blocked| LaunchRefused { pool: due.pool.clone(), blocked });
    let left = Pool { blocked, next_at, ..stored.value.clone() };
    store.leave_pool(&stored, &left, refused.as_ref(), &lease, origin).await?;
    if let Some(at) = next_at {
        let due = PoolDue { pool: due.pool.clone(), fence: Some(lease.fence) };
        app.queue("CAPACITY_QUEUE").send(origin, None, &due, at.since(origin.now)).await?;
    }
    // For the log: the message comes again, finds its turn taken and is dropped.
    turn.map(drop)
}

struct Look<'a> {
    app: &'a App,
    store: &'a HostingOfAll,
    ec2: Ec2,
    settings: Settings,
    pool: PoolSettings,
    origin: &'a Origin,
    /// Why EC2 launches no more, if it said so in this turn.
    refused: Option<Blocked>,
    launched: bool,
}

impl Look<'_> {
    /// How soon to look again; `None` when nothing is under way.
    async fn turn(&mut self, pool: &str, lease: &Lease) -> Result<Option<Duration>> {
        let mut no_capacity = false;
        for host in self.store.hosts(pool).await? {
            match host.state {
                HostState::Requested => no_capacity |= !self.launch(host).await?,
                HostState::Launching => self.follow(host).await?,
                HostState::Failed => self.terminate(host).await?,
                HostState::Bootstrapping
                | HostState::Ready
                | HostState::Unhealthy
                | HostState::Terminated => {}
            }
        }
        // The order matters: room that was taken between the two reads is counted as free and seen as waited for no more.
        let hosts = self.store.hosts(pool).await?;
        let waiters: Vec<u64> = self.store.waiters(pool).await?.iter().map(|waiter| waiter.units).collect();
        let room: Vec<u64> = hosts.iter().filter_map(|host| room(host)).collect();
        let count = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
        let mut wanted = hosts_wanted(&waiters, &room, &self.pool, count);
        while wanted > 0 && self.refused.is_none() && !no_capacity {
            let host = self.want(pool, lease).await?;
            no_capacity |= !self.launch(host).await?;
            wanted -= 1;
        }
        let coming = self.store.hosts(pool).await?.iter().any(|host| {
            matches!(host.state, HostState::Requested | HostState::Launching | HostState::Failed)
        });
        Ok(match () {
            () if coming => Some(LOOK_AGAIN),
            () if no_capacity => Some(NO_CAPACITY_AGAIN),
            () => None,
        })
    }

    async fn want(&self, pool: &str, lease: &Lease) -> Result<Stored<Host>> {
        let id: HostId = self.origin.id();
        let host_token = random::token();
        let hash = hash::sha256_hex(&host_token);
        let launch = Launch { client_token: client_token(id, 0), host_token, option: 0 };
        let host = Host::requested(id, pool, self.pool.units_per_host, launch, hash, self.origin.now);
        self.store.want_host(&host, lease).await?;
        self.store.host(id).await
    }

    /// Launches what is stored, trying one option after the other. False when none has capacity.
    async fn launch(&mut self, stored: Stored<Host>) -> Result<bool> {
        let mut stored = stored;
        loop {
            let Some(launch) = stored.launch.clone() else {
                return Err(Error::internal(format!("host {} does not know how to be launched", stored.id)));
            };
            let Some(option) = self.pool.options.get(launch.option).cloned() else {
                // Every option answered, so no instance of this host exists.
                self.store.change_host(&stored, &stored.value.clone().terminated(), None).await?;
                return Ok(false);
            };
            match self.ec2.run_instances(&self.order(&stored, &launch, &option)).await {
                Ok(instance) => {
                    self.app.count("HostsLaunched", 1);
                    self.launched = true;
                    let host = stored.value.clone().launched(instance.id);
                    self.store.change_host(&stored, &host, None).await?;
                    return Ok(true);
                }
                Err(error) if is_without_capacity(&error) => {
                    let token = client_token(stored.id, launch.option + 1);
                    let host = stored.value.clone().tried_elsewhere(token);
                    self.store.change_host(&stored, &host, None).await?;
                    stored = self.store.host(stored.id).await?;
                }
                Err(error) => {
                    let Some(blocked) = Blocked::by(&error.code, self.origin.now) else {
                        // Unknown: the same token asks again in the next turn.
                        return Err(error.into());
                    };
                    self.app.count("LaunchesRefused", 1);
                    self.refused = Some(blocked);
                    self.store.change_host(&stored, &stored.value.clone().terminated(), None).await?;
                    return Ok(true);
                }
            }
        }
    }

    fn order(&self, host: &Host, launch: &Launch, option: &LaunchOption) -> ec2::Launch {
        let agent = AgentConfig {
            api: self.settings.api_url.clone(),
            host: host.id,
            token: launch.host_token.clone(),
        };
        let tags = [
            (HOST_TAG, host.id.to_string()),
            ("tenantry:stage", self.settings.stage.clone()),
            ("Name", format!("tenantry-{}-{}", self.settings.stage, host.id)),
        ];
        ec2::Launch {
            client_token: launch.client_token.clone(),
            image: self.settings.host_image_id.clone(),
            instance_type: option.instance_type.clone(),
            subnet: option.subnet.clone(),
            security_groups: vec![self.settings.host_security_group_id.clone()],
            instance_profile: Some(self.settings.host_instance_profile_arn.clone()),
            user_data: BASE64_STANDARD.encode(agent.to_user_data()),
            tags: tags.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    async fn follow(&self, stored: Stored<Host>) -> Result<()> {
        let Some(instance) = self.instance_of(&stored).await? else { return Ok(()) };
        let host = match (instance.state.as_str(), instance.public_ip) {
            ("running", Some(ip)) => stored.value.clone().bootstrapping(ip),
            ("shutting-down" | "terminated" | "stopped", _) => stored.value.clone().given_up(),
            _ => return Ok(()),
        };
        self.store.change_host(&stored, &host, None).await
    }

    async fn terminate(&self, stored: Stored<Host>) -> Result<()> {
        // An instance whose launch was never answered is found by its tag.
        if let Some(instance) = self.instance_of(&stored).await?
            && let Err(error) = self.ec2.terminate_instances(&[&instance.id]).await
            && !error.is_not_found()
        {
            return Err(error.into());
        }
        self.store.change_host(&stored, &stored.value.clone().terminated(), None).await
    }

    /// The instance of a host; none also when EC2 does not show it yet.
    async fn instance_of(&self, host: &Host) -> Result<Option<Instance>> {
        let (tag, id) = (format!("tag:{HOST_TAG}"), host.id.to_string());
        Ok(self.ec2.describe_instances(&[], &[(&tag, &[&id])]).await?.into_iter().next())
    }
}

fn room(host: &Host) -> Option<u64> {
    if host.is_ready() { Some(host.free_units) } else { host.coming_units() }
}

/// The same for every repeat of one try, another for the next option.
fn client_token(host: HostId, option: usize) -> String {
    format!("{host}-{option}")
}

fn is_without_capacity(error: &Ec2Error) -> bool {
    matches!(error.code.as_str(), "InsufficientInstanceCapacity" | "InsufficientHostCapacity" | "Unsupported")
}

/// Looks at every host's heartbeat, tells once of each that is in trouble, and has the pool looked at.
///
/// # Errors
/// What the table or the queue fail with.
pub async fn check(app: &App, pool: &str, origin: &Origin) -> Result<()> {
    let store = HostingOfAll::of(app);
    for stored in store.hosts(pool).await? {
        let Some(trouble) = stored.check(origin.now) else { continue };
        match store.troubled(&stored, &trouble, origin).await {
            Ok(()) => app.count("HostsInTrouble", 1),
            // It reported in this moment.
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    let due = PoolDue { pool: pool.to_owned(), fence: None };
    app.queue("CAPACITY_QUEUE").send(origin, None, &due, Duration::ZERO).await
}
