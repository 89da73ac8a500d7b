//! The worker of a pool: launches hosts for who waits, gives each an address that stays, follows them until they are up, lets
//! those go that never come up or that nobody needs.
//!
//! What is launched is stored first, with the token that makes a repeated launch the same instance. One worker at a time looks
//! at a pool, so what it counts is what there is.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::accounts::Mode;
use domain::hosting::host::Launch;
use domain::hosting::host_protocol::AgentConfig;
use domain::hosting::pool::{Blocked, LaunchOption, LaunchRefused, hosts_spare, hosts_wanted, without_host};
use domain::hosting::{Host, HostState, Pool, PoolSettings, Waiter};
use domain::{EventId, HostId, SiteId};
use platform::ec2::{self, Address, Ec2, Ec2Error, Instance};
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
    dedicated_instance_types: Vec<String>,
    max_dedicated_hosts: u64,
}

/// The name of the pool of hosts that sites share, or of those that carry one site each.
#[must_use]
pub fn pool(region: &str, mode: Mode) -> String {
    match mode {
        Mode::Shared => format!("{region}/shared"),
        Mode::Dedicated => format!("{region}/dedicated"),
    }
}

/// Both pools of a deployment.
#[must_use]
pub fn pools(region: &str) -> [String; 2] {
    [Mode::Shared, Mode::Dedicated].map(|mode| pool(region, mode))
}

impl Settings {
    fn pool(&self, mode: Mode) -> PoolSettings {
        match mode {
            Mode::Shared => self.shared(),
            Mode::Dedicated => self.dedicated(),
        }
    }

    /// `t3.large:28` is an instance type with the units that it holds.
    fn dedicated(&self) -> PoolSettings {
        let options = self.dedicated_instance_types.iter().flat_map(|text| {
            let (instance_type, units) = text.split_once(':').unwrap_or((text, ""));
            self.host_subnet_ids.iter().map(move |subnet| LaunchOption {
                instance_type: instance_type.to_owned(),
                subnet: Some(subnet.clone()),
                units: units.parse().ok(),
            })
        });
        PoolSettings {
            units_per_host: 0,
            max_hosts: self.max_dedicated_hosts,
            target_free: 0,
            options: options.collect(),
        }
    }

    fn shared(&self) -> PoolSettings {
        let options = self.host_instance_types.iter().flat_map(|instance_type| {
            self.host_subnet_ids.iter().map(|subnet| LaunchOption {
                instance_type: instance_type.clone(),
                subnet: Some(subnet.clone()),
                units: None,
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
    let modes = [Mode::Shared, Mode::Dedicated];
    let Some(mode) = modes.into_iter().find(|mode| due.pool == pool(&settings.aws_region, *mode)) else {
        let message = format!("No pool {} belongs to this deployment.", due.pool);
        return Err(Error::refused("unknown_pool", message));
    };
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
    let pool = stored.value.settings.clone().unwrap_or_else(|| settings.pool(mode));
    let ec2 = Ec2::new(app);
    let was_refused = stored.blocked.as_ref().is_some_and(|blocked| blocked.is_recent(origin.now));
    let (refused, launched) = (None, false);
    let mut look =
        Look { app, store: &store, ec2, settings, mode, pool, origin, was_refused, refused, launched };
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
    mode: Mode,
    pool: PoolSettings,
    origin: &'a Origin,
    /// Whether EC2 said lately that it launches no more.
    was_refused: bool,
    /// Why EC2 launches no more, if it said so in this turn.
    refused: Option<Blocked>,
    launched: bool,
}

impl Look<'_> {
    /// How soon to look again; `None` when nothing is under way.
    async fn turn(&mut self, pool: &str, lease: &Lease) -> Result<Option<Duration>> {
        let (mut no_capacity, mut trouble) = (false, None);
        for host in self.store.hosts(pool).await? {
            match self.look_at(host).await {
                Ok(has_capacity) => no_capacity |= !has_capacity,
                // Its agent was faster: the next look sees what it said.
                Err(Error::Conflict) => {}
                // The other hosts are not to wait for this one.
                Err(error) => drop(trouble.get_or_insert(error)),
            }
        }
        // The order matters: room that was taken between the two reads is counted as free and seen as waited for no more.
        let hosts = self.store.hosts(pool).await?;
        let waiters: Vec<Waiter> =
            self.store.waiters(pool).await?.into_iter().map(|stored| stored.value).collect();
        for wanted in self.wanted(&hosts, &waiters) {
            if self.refused.is_some() || no_capacity {
                break;
            }
            let host = self.want(pool, wanted, lease).await?;
            match self.launch(host).await {
                Ok(has_capacity) => no_capacity |= !has_capacity,
                Err(Error::Conflict) => {}
                Err(error) => {
                    trouble.get_or_insert(error);
                    break;
                }
            }
        }
        self.let_go(&hosts, &waiters).await?;
        if let Some(error) = trouble {
            return Err(error);
        }
        let coming = self.store.hosts(pool).await?.iter().any(|host| {
            matches!(
                host.state,
                HostState::Requested | HostState::Launching | HostState::Failed | HostState::Terminating
            )
        });
        Ok(match () {
            () if coming => Some(LOOK_AGAIN),
            () if no_capacity => Some(NO_CAPACITY_AGAIN),
            () => None,
        })
    }

    /// The hosts to launch: how much room each has, and for which site it is if it is for one alone.
    fn wanted(&self, hosts: &[Stored<Host>], waiters: &[Waiter]) -> Vec<(u64, Option<SiteId>)> {
        match self.mode {
            Mode::Shared => {
                let units: Vec<u64> = waiters.iter().map(|waiter| waiter.units).collect();
                let room: Vec<u64> = hosts.iter().filter_map(|host| room(host)).collect();
                let count = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
                // A launch that was refused lately would be refused again. Whoever waits is told so; a reserve can wait itself.
                let target_free = if self.was_refused { 0 } else { self.pool.target_free };
                let growth = PoolSettings { target_free, ..self.pool.clone() };
                let wanted = hosts_wanted(&units, &room, &growth, count);
                (0..wanted).map(|_| (self.pool.units_per_host, None)).collect()
            }
            Mode::Dedicated => {
                // A host that carries its site is no host for that site to move to.
                let free = hosts.iter().filter(|host| !is_ending(host) && host.sites == 0);
                let free: Vec<Option<SiteId>> = free.map(|host| host.for_site).collect();
                let wanted = without_host(waiters, &free, &self.pool, hosts.len());
                wanted.iter().map(|waiter| (waiter.units, Some(waiter.site))).collect()
            }
        }
    }

    /// Moves one host on. False when no option of a launch has capacity.
    async fn look_at(&mut self, host: Stored<Host>) -> Result<bool> {
        match host.state {
            HostState::Requested => return self.launch(host).await,
            HostState::Launching => self.follow(host).await?,
            HostState::Failed | HostState::Terminating => self.terminate(host).await?,
            HostState::Draining if host.is_drained() => self.retire(&host).await?,
            HostState::Unhealthy if host.is_lost(self.origin.now) => {
                if host.sites == 0 {
                    self.retire(&host).await?;
                } else {
                    // Told at every look: nobody but an operator brings its sites back.
                    self.app.count("HostsLost", 1);
                }
            }
            HostState::Bootstrapping
            | HostState::Draining
            | HostState::Ready
            | HostState::Unhealthy
            | HostState::Terminated => {}
        }
        Ok(true)
    }

    /// Lets hosts go that nobody will miss: those of one site that is not there any more, and shared ones that have carried
    /// nothing for long.
    async fn let_go(&self, hosts: &[Stored<Host>], waiters: &[Waiter]) -> Result<()> {
        let waiting: Vec<SiteId> = waiters.iter().map(|waiter| waiter.site).collect();
        let left_alone = hosts.iter().filter(|host| host.is_left_alone(&waiting));
        let spare = if waiters.is_empty() { self.spare(hosts) } else { Vec::new() };
        for host in left_alone.chain(spare) {
            match self.retire(host).await {
                // A site was placed on it, or it reported: the next look decides anew.
                Ok(()) | Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Shared hosts that have carried nothing for long, as far as the reserve stays.
    fn spare<'h>(&self, hosts: &'h [Stored<Host>]) -> Vec<&'h Stored<Host>> {
        if self.mode == Mode::Dedicated {
            return Vec::new();
        }
        let free = hosts.iter().filter(|host| host.is_ready()).map(|host| host.free_units).sum();
        let idle: Vec<_> = hosts.iter().filter(|host| host.is_idle(self.origin.now)).collect();
        let units: Vec<u64> = idle.iter().map(|host| host.free_units).collect();
        hosts_spare(free, &units, self.pool.target_free).into_iter().map(|place| idle[place]).collect()
    }

    async fn retire(&self, host: &Stored<Host>) -> Result<()> {
        self.change(host, host.value.clone().retired(self.origin.now)).await?;
        self.app.count("HostsRetired", 1);
        Ok(())
    }

    async fn change(&self, stored: &Stored<Host>, host: Host) -> Result<()> {
        self.store.change_host(stored, &host, None, self.origin.now).await
    }

    async fn want(
        &self,
        pool: &str,
        (units, site): (u64, Option<SiteId>),
        lease: &Lease,
    ) -> Result<Stored<Host>> {
        let id: HostId = self.origin.id();
        let host_token = random::token();
        let hash = hash::sha256_hex(&host_token);
        let launch = Launch { client_token: client_token(id, 0), host_token, option: 0 };
        let now = self.origin.now;
        let host = match site {
            Some(site) => Host::dedicated(site, id, pool, units, launch, hash, now),
            None => Host::requested(id, pool, units, launch, hash, now),
        };
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
            let mut fitting = self.pool.options.iter().filter(|option| option.holds(stored.cap_units));
            let Some(option) = fitting.nth(launch.option).cloned() else {
                // Every option answered, so no instance of this host exists.
                self.change(&stored, stored.value.clone().terminated()).await?;
                return Ok(false);
            };
            match self.ec2.run_instances(&self.order(&stored, &launch, &option)).await {
                Ok(instance) => {
                    self.app.count("HostsLaunched", 1);
                    self.launched = true;
                    self.change(&stored, stored.value.clone().launched(instance.id)).await?;
                    return Ok(true);
                }
                Err(error) if is_without_capacity(&error) => {
                    let token = client_token(stored.id, launch.option + 1);
                    self.change(&stored, stored.value.clone().tried_elsewhere(token)).await?;
                    stored = self.store.host(stored.id).await?;
                }
                // The deployment's settings have changed since an earlier try, which may have launched something.
                Err(error) if error.code == "IdempotentParameterMismatch" => {
                    self.change(&stored, stored.value.clone().given_up(self.origin.now)).await?;
                    return Ok(true);
                }
                Err(error) => {
                    let Some(blocked) = Blocked::by(&error.code, self.origin.now) else {
                        // Unknown: the same token asks again in the next turn.
                        return Err(error.into());
                    };
                    self.app.count("LaunchesRefused", 1);
                    self.refused = Some(blocked);
                    self.change(&stored, stored.value.clone().terminated()).await?;
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
        ec2::Launch {
            client_token: launch.client_token.clone(),
            image: self.settings.host_image_id.clone(),
            instance_type: option.instance_type.clone(),
            subnet: option.subnet.clone(),
            security_groups: vec![self.settings.host_security_group_id.clone()],
            instance_profile: Some(self.settings.host_instance_profile_arn.clone()),
            user_data: BASE64_STANDARD.encode(agent.to_user_data()),
            tags: self.tags(host),
        }
    }

    fn tags(&self, host: &Host) -> BTreeMap<String, String> {
        let site = host.for_site.map(|site| ("tenantry:site", site.to_string()));
        let tags = [
            (HOST_TAG, host.id.to_string()),
            ("tenantry:stage", self.settings.stage.clone()),
            ("Name", format!("tenantry-{}-{}", self.settings.stage, host.id)),
        ];
        tags.into_iter().chain(site).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    async fn follow(&mut self, stored: Stored<Host>) -> Result<()> {
        let Some(instance) = self.instance_of(&stored).await? else { return Ok(()) };
        let host = match instance.state.as_str() {
            "running" => match self.address_for(&stored, &instance).await? {
                Some(ip) => stored.value.clone().bootstrapping(ip),
                None => stored.value.clone().given_up(self.origin.now),
            },
            "shutting-down" | "terminated" | "stopped" => stored.value.clone().given_up(self.origin.now),
            _ => return Ok(()),
        };
        self.change(&stored, host).await
    }

    /// An Elastic IP that leads to the instance, so that sites' names stay right when it is stopped and started; `None` when
    /// the account may have no more of them.
    async fn address_for(&mut self, host: &Host, instance: &Instance) -> Result<Option<String>> {
        let address = match self.addresses_of(host).await?.into_iter().next() {
            Some(address) => address,
            None => match self.ec2.allocate_address(&self.tags(host)).await {
                Ok(address) => address,
                Err(error) => {
                    let Some(blocked) = Blocked::by(&error.code, self.origin.now) else {
                        return Err(error.into());
                    };
                    self.app.count("LaunchesRefused", 1);
                    self.refused = Some(blocked);
                    return Ok(None);
                }
            },
        };
        if address.instance_id.as_ref() != Some(&instance.id) {
            self.ec2.associate_address(&address.id, &instance.id).await?;
        }
        Ok(Some(address.public_ip))
    }

    async fn terminate(&self, stored: Stored<Host>) -> Result<()> {
        // An instance whose launch was never answered is found by its tag.
        let instance = match &stored.instance_id {
            Some(id) => Some(id.clone()),
            None => self.instance_of(&stored).await?.map(|instance| instance.id),
        };
        match instance {
            Some(id) => gone(self.ec2.terminate_instances(&[&id]).await)?,
            None if stored.may_be_unseen(self.origin.now) => return Ok(()),
            None => {}
        }
        // All of them: of two allocations whose answers were lost, the host knows one.
        for address in self.addresses_of(&stored).await? {
            if let Some(association) = &address.association_id {
                gone(self.ec2.disassociate_address(association).await)?;
            }
            gone(self.ec2.release_address(&address.id).await)?;
        }
        self.change(&stored, stored.value.clone().terminated()).await
    }

    /// The instance of a host; none also when EC2 does not show it yet.
    async fn instance_of(&self, host: &Host) -> Result<Option<Instance>> {
        let (tag, id) = (format!("tag:{HOST_TAG}"), host.id.to_string());
        Ok(self.ec2.describe_instances(&[], &[(&tag, &[&id])]).await?.into_iter().next())
    }

    async fn addresses_of(&self, host: &Host) -> Result<Vec<Address>> {
        let (tag, id) = (format!("tag:{HOST_TAG}"), host.id.to_string());
        Ok(self.ec2.describe_addresses(&[(&tag, &[&id])]).await?)
    }
}

/// What is to go may be gone already.
fn gone(answer: Result<(), Ec2Error>) -> Result<()> {
    match answer {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_ending(host: &Host) -> bool {
    matches!(
        host.state,
        HostState::Failed | HostState::Draining | HostState::Terminating | HostState::Terminated
    )
}

fn room(host: &Host) -> Option<u64> {
    if host.is_ready() { Some(host.free_units) } else { host.coming_units() }
}

/// The same for every repeat of one try, another for the next option.
fn client_token(host: HostId, option: usize) -> String {
    format!("{host}-{option}")
}

fn is_without_capacity(error: &Ec2Error) -> bool {
    matches!(
        error.code.as_str(),
        "InsufficientInstanceCapacity"
            | "InsufficientHostCapacity"
            | "InsufficientFreeAddressesInSubnet"
            | "Unsupported"
    )
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
