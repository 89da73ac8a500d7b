//! Hosts: instances that carry sites, from their launch to their end, and the room on them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Event, HostId, OperationId, OrgId, Refusal, SiteId, Timestamp};

/// The memory of one unit of a host's room.
pub const UNIT_MEMORY_MIB: u64 = 256;
/// The disk of one unit of a host's room.
pub const UNIT_DISK_MIB: u64 = 2_048;
/// How often a host reports.
pub const BEAT: Duration = Duration::from_secs(30);
/// How many beats a host may miss before it is taken for dead.
pub const MOST_MISSED_BEATS: u32 = 3;
/// How often a host reports while it copies a site.
pub const COPYING_BEAT: Duration = Duration::from_secs(5);
/// How long an instance may take from the request to its first report.
pub const LAUNCH_PATIENCE: Duration = Duration::from_secs(10 * 60);
/// After so long without a beat a host is taken for lost.
pub const LOST_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long a host must have carried nothing before it may go.
pub const IDLE_AFTER: Duration = Duration::from_secs(60 * 60);
/// EC2 shows a launch of the last minutes late: so long an instance of unknown id is looked for.
pub const UNSEEN_FOR: Duration = Duration::from_secs(5 * 60);
/// How long what became of a host can be looked up.
pub const TERMINATED_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// An instance that carries sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// The pool it belongs to.
    pub pool: String,
    /// Where it stands.
    pub state: HostState,
    /// Its room, in units.
    pub cap_units: u64,
    /// What is left of it.
    pub free_units: u64,
    /// Its disk.
    pub cap_disk_mib: u64,
    /// What is left of it.
    pub free_disk_mib: u64,
    /// How many sites keep room on it.
    pub sites: u64,
    /// How many sites it may carry.
    pub max_sites: u64,
    /// The one site that it was launched for; absent for a host that sites share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_site: Option<SiteId>,
    /// Which version of its manifest it shall apply.
    pub generation: u64,
    /// Which version it says it has applied.
    pub applied_generation: u64,
    /// How it is launched, until the instance is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launch>,
    /// The instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Its public address, an Elastic IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// SHA-256 of the one-time token in its user data, until it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<String>,
    /// SHA-256 of the key that its agent speaks with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When its agent used the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
    /// Its last report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_at: Option<Timestamp>,
    /// When a site last gave its room back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// When it was given up, or wanted no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// What a launch is asked for with, chosen before the call so that a repeat asks for the same instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Launch {
    /// Makes repeats of one call one instance.
    pub client_token: String,
    /// The one-time token that goes into the user data. It is gone from here as soon as the instance is known.
    pub host_token: String,
    /// Which of the pool's launch options is tried.
    pub option: usize,
}

/// Where a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Wanted; the launch may or may not have reached EC2.
    Requested,
    /// The instance is known, its address is not.
    Launching,
    /// The instance runs; its agent has not reported.
    Bootstrapping,
    /// Carries sites, takes more.
    Ready,
    /// Missed its beats; carries what it carries, takes no more.
    Unhealthy,
    /// Serves what is still on it, takes no more, and ends when it is empty.
    Draining,
    /// Never came up; its instance is to be terminated.
    Failed,
    /// Carries nothing and is wanted no more; its instance is to be terminated.
    Terminating,
    /// Its instance is gone.
    Terminated,
}

impl Host {
    /// A host is wanted.
    #[must_use]
    pub fn requested(
        id: HostId,
        pool: &str,
        units: u64,
        launch: Launch,
        token_hash: String,
        now: Timestamp,
    ) -> Self {
        Self::launched_for(None, id, pool, units, launch, token_hash, now)
    }

    /// A host is wanted for one site alone, of exactly the room that the site takes.
    #[must_use]
    pub fn dedicated(
        site: SiteId,
        id: HostId,
        pool: &str,
        units: u64,
        launch: Launch,
        token_hash: String,
        now: Timestamp,
    ) -> Self {
        Self::launched_for(Some(site), id, pool, units, launch, token_hash, now)
    }

    fn launched_for(
        for_site: Option<SiteId>,
        id: HostId,
        pool: &str,
        units: u64,
        launch: Launch,
        token_hash: String,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            pool: pool.to_owned(),
            state: HostState::Requested,
            cap_units: units,
            free_units: units,
            cap_disk_mib: units * UNIT_DISK_MIB,
            free_disk_mib: units * UNIT_DISK_MIB,
            sites: 0,
            max_sites: if for_site.is_some() { 1 } else { units },
            for_site,
            generation: 0,
            applied_generation: 0,
            launch: Some(launch),
            instance_id: None,
            ip: None,
            token_hash: Some(token_hash),
            key_hash: None,
            requested_at: now,
            registered_at: None,
            heartbeat_at: None,
            released_at: None,
            ended_at: None,
        }
    }

    /// No capacity where it was tried: the next option, under a new client token.
    #[must_use]
    pub fn tried_elsewhere(self, client_token: String) -> Self {
        let launch = self.launch.map(|launch| Launch { client_token, option: launch.option + 1, ..launch });
        Self { launch, ..self }
    }

    /// EC2 made the instance.
    #[must_use]
    pub fn launched(self, instance_id: String) -> Self {
        Self { state: HostState::Launching, instance_id: Some(instance_id), launch: None, ..self }
    }

    /// The instance runs at this address.
    #[must_use]
    pub fn bootstrapping(self, ip: String) -> Self {
        Self { state: HostState::Bootstrapping, ip: Some(ip), ..self }
    }

    /// The agent on the instance uses the one-time token and gets a key.
    ///
    /// The comparison of the token's hash is the caller's: it stands in the condition of the write, too.
    ///
    /// # Errors
    /// `token_used` when the token was used, or the host never came up in time.
    pub fn registered(self, key_hash: String, now: Timestamp) -> Result<Self, Refusal> {
        let rising =
            matches!(self.state, HostState::Requested | HostState::Launching | HostState::Bootstrapping);
        if self.token_hash.is_none() || !rising {
            return Err(Refusal::conflict("token_used", "The host token is used or expired."));
        }
        Ok(Self { key_hash: Some(key_hash), token_hash: None, registered_at: Some(now), ..self })
    }

    /// The agent reports.
    ///
    /// # Errors
    /// `stale_generation` when it reports less than it reported before or more than there is, `host_gone` when the host
    /// is given up.
    pub fn beat(self, applied: u64, now: Timestamp) -> Result<(Self, Option<HostRecovered>), Refusal> {
        if matches!(self.state, HostState::Failed | HostState::Terminating | HostState::Terminated) {
            return Err(Refusal::gone("host_gone", "The host is given up."));
        }
        if applied < self.applied_generation || applied > self.generation {
            let message = format!("Generation {applied} is not between the one applied and the newest.");
            let refusal = Refusal::conflict("stale_generation", message);
            return Err(refusal.with("applied", self.applied_generation).with("newest", self.generation));
        }
        let recovered = (self.state == HostState::Unhealthy).then(|| HostRecovered {
            host: self.id,
            pool: self.pool.clone(),
            sites: self.sites,
        });
        let state = match self.state {
            HostState::Bootstrapping | HostState::Unhealthy => HostState::Ready,
            state => state,
        };
        Ok((Self { state, applied_generation: applied, heartbeat_at: Some(now), ..self }, recovered))
    }

    /// What the passing of time does to it; `None` when nothing.
    #[must_use]
    pub fn check(&self, now: Timestamp) -> Option<HostTrouble> {
        match self.state {
            HostState::Requested | HostState::Launching | HostState::Bootstrapping
                if now.since(self.requested_at) >= LAUNCH_PATIENCE =>
            {
                let host = self.clone().given_up(now);
                let failed = HostFailed { host: self.id, pool: self.pool.clone() };
                Some(HostTrouble::Failed(host, failed))
            }
            HostState::Ready if now.since(self.heartbeat_at?) >= BEAT * MOST_MISSED_BEATS => {
                let host = Self { state: HostState::Unhealthy, ..self.clone() };
                let unhealthy = HostUnhealthy { host: self.id, pool: self.pool.clone(), sites: self.sites };
                Some(HostTrouble::Unhealthy(host, unhealthy))
            }
            _ => None,
        }
    }

    /// Its instance died before it came up; what is left of it is to be terminated.
    #[must_use]
    pub fn given_up(self, now: Timestamp) -> Self {
        Self { state: HostState::Failed, token_hash: None, ended_at: Some(now), ..self }
    }

    /// It is wanted no more; only for one that carries nothing.
    #[must_use]
    pub fn retired(self, now: Timestamp) -> Self {
        Self { state: HostState::Terminating, ended_at: Some(now), ..self }
    }

    /// Whether it has been silent for so long that its instance is probably gone.
    #[must_use]
    pub fn is_lost(&self, now: Timestamp) -> bool {
        let silent = self.heartbeat_at.is_some_and(|at| now.since(at) >= LOST_AFTER);
        self.state == HostState::Unhealthy && silent
    }

    /// Whether it is up and has carried nothing for long.
    #[must_use]
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let since = self.released_at.max(self.registered_at).unwrap_or(self.requested_at);
        self.is_ready() && self.sites == 0 && now.since(since) >= IDLE_AFTER
    }

    /// Whether EC2 may still hide the instance of a host that was given up.
    #[must_use]
    pub fn may_be_unseen(&self, now: Timestamp) -> bool {
        self.instance_id.is_none() && self.ended_at.is_some_and(|at| now.since(at) < UNSEEN_FOR)
    }

    /// Its instance is gone.
    #[must_use]
    pub fn terminated(self) -> Self {
        Self { state: HostState::Terminated, launch: None, ..self }
    }

    /// It takes no more sites, and ends when the last one has left.
    ///
    /// # Errors
    /// 409 `not_ready` unless it carries sites or could.
    pub fn drained(self) -> Result<Self, Refusal> {
        if !matches!(self.state, HostState::Ready | HostState::Unhealthy | HostState::Draining) {
            return Err(Refusal::conflict("not_ready", "Only a host that is up can be drained."));
        }
        Ok(Self { state: HostState::Draining, ..self })
    }

    /// Whether it was launched for a site that neither is on it nor waits for it. `waiting` are the sites that wait.
    #[must_use]
    pub fn is_left_alone(&self, waiting: &[SiteId]) -> bool {
        self.is_ready() && self.sites == 0 && self.for_site.is_some_and(|site| !waiting.contains(&site))
    }

    /// Whether it carries nothing any more and shall end.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.state == HostState::Draining && self.sites == 0
    }

    /// Whether what its manifest says is, or soon will be, what it serves.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(self.state, HostState::Ready | HostState::Draining)
    }

    /// Whether it takes sites.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == HostState::Ready
    }

    /// The room it will have when it is up; `None` once it is up or given up.
    #[must_use]
    pub fn coming_units(&self) -> Option<u64> {
        let rising =
            matches!(self.state, HostState::Requested | HostState::Launching | HostState::Bootstrapping);
        rising.then_some(self.cap_units)
    }
}

/// What the passing of time did to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostTrouble {
    /// It never came up.
    Failed(Host, HostFailed),
    /// It missed its beats.
    Unhealthy(Host, HostUnhealthy),
}

/// Room that a host keeps for a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reservation {
    /// Which host.
    pub host: HostId,
    /// For which site.
    pub site: SiteId,
    /// Whose.
    pub org: OrgId,
    /// By which operation.
    pub operation: OperationId,
    /// The site's name.
    pub fqdn: String,
    /// How much room.
    pub units: u64,
    /// How much disk.
    pub disk_mib: u64,
    /// Whether the host's manifest names the site.
    pub serving: bool,
    /// The bucket with the site's content, once it is served or copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// A second name that the site is served at while it is renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// Whether visitors are told that the site is suspended.
    #[serde(default)]
    pub suspended: bool,
    /// Whether the host copies the site's files and tells of its copy.
    #[serde(default)]
    pub copying: bool,
    /// The host's copy of the site's files, as it last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<Copied>,
    /// Since when.
    pub reserved_at: Timestamp,
}

/// A host's copy of a site's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Copied {
    /// The fingerprint of the files ([`super::content::listing`]).
    pub fingerprint: String,
    /// The host looked at its copy when it had applied this generation of its manifest.
    pub generation: u64,
}

impl Reservation {
    /// Room is kept, and nothing is served yet.
    #[must_use]
    pub fn kept(
        host: HostId,
        (org, site, operation): (OrgId, SiteId, OperationId),
        fqdn: &str,
        (units, disk_mib): (u64, u64),
        now: Timestamp,
    ) -> Self {
        Self {
            host,
            site,
            org,
            operation,
            fqdn: fqdn.to_owned(),
            units,
            disk_mib,
            serving: false,
            bucket: None,
            also: None,
            suspended: false,
            copying: false,
            copy: None,
            reserved_at: now,
        }
    }

    /// Whether the host may answer under a name, and have a certificate for it.
    #[must_use]
    pub fn answers(&self, name: &str) -> bool {
        (self.serving || self.copying) && (self.fqdn == name || self.also.as_deref() == Some(name))
    }
}

/// `hosting.host_unhealthy`: a host missed its beats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostUnhealthy {
    /// Which.
    pub host: HostId,
    /// Of which pool.
    pub pool: String,
    /// How many sites it carries.
    pub sites: u64,
}

/// `hosting.host_recovered`: an unhealthy host reports again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRecovered {
    /// Which.
    pub host: HostId,
    /// Of which pool.
    pub pool: String,
    /// How many sites it carries.
    pub sites: u64,
}

/// `hosting.host_failed`: an instance did not come up in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostFailed {
    /// Which.
    pub host: HostId,
    /// Of which pool.
    pub pool: String,
}

impl Event for HostUnhealthy {
    const TYPE: &'static str = "hosting.host_unhealthy";
}

impl Event for HostRecovered {
    const TYPE: &'static str = "hosting.host_recovered";
}

impl Event for HostFailed {
    const TYPE: &'static str = "hosting.host_failed";
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn requested() -> Host {
        let launch = Launch { client_token: "c".into(), host_token: "t".into(), option: 0 };
        Host::requested(HostId::from_ulid(1), "eu-west-1/shared", 10, launch, "hash".into(), NOW)
    }

    fn ready() -> Host {
        let host = requested().launched("i-1".into()).registered("key".into(), NOW).expect("rising");
        host.bootstrapping("203.0.113.1".into()).beat(0, NOW).expect("alive").0
    }

    #[test]
    fn a_host_comes_up_whichever_of_agent_and_describe_is_first() {
        assert!(ready().is_ready());
        let early =
            requested().registered("key".into(), NOW).expect("the agent may be faster than our own commit");
        let early = early.beat(0, NOW).expect("alive").0;
        assert_eq!(early.state, HostState::Requested);
        let host = early.launched("i-1".into()).bootstrapping("203.0.113.1".into());
        assert!(host.beat(0, NOW).expect("alive").0.is_ready());
    }

    #[test]
    fn a_token_works_once() {
        let host = requested().registered("key".into(), NOW).expect("first");
        assert_eq!(host.registered("other".into(), NOW).map_err(|refusal| refusal.code), Err("token_used"));
    }

    #[test]
    fn reports_only_go_on() {
        let host = Host { generation: 5, ..ready() };
        let host = host.beat(3, NOW).expect("behind, but going on").0;
        for wrong in [2, 6] {
            assert_eq!(
                host.clone().beat(wrong, NOW).map_err(|refusal| refusal.code),
                Err("stale_generation")
            );
        }
        assert!(host.beat(5, NOW).is_ok());
    }

    #[test]
    fn three_missed_beats_make_it_unhealthy_once_and_one_beat_heals_it() {
        let host = ready();
        assert_eq!(host.check(NOW + Duration::from_millis(89_999)), None);
        let Some(HostTrouble::Unhealthy(host, _)) = host.check(NOW + Duration::from_secs(90)) else {
            panic!("three beats are missed");
        };
        assert_eq!(host.check(NOW + Duration::from_secs(9_000)), None, "told once");
        let (host, recovered) = host.beat(0, NOW + Duration::from_secs(9_001)).expect("alive");
        assert!(host.is_ready() && recovered.is_some());
    }

    #[test]
    fn a_host_ends_when_its_last_site_has_left() {
        let host = Host { sites: 1, ..ready() }.drained().expect("it is up");
        assert!(!host.is_ready() && !host.is_drained() && host.serves());
        assert_eq!(host.clone().beat(0, NOW).map(|(host, _)| host.state), Ok(HostState::Draining));
        assert!(Host { sites: 0, ..ready().drained().expect("it is up") }.is_drained());
        assert_eq!(requested().drained().map_err(|refusal| refusal.code), Err("not_ready"));
    }

    #[test]
    fn a_host_of_one_site_is_left_alone_when_nobody_waits_for_it() {
        let site = SiteId::from_ulid(5);
        let host = Host { for_site: Some(site), ..ready() };
        assert!(host.is_left_alone(&[]) && !host.is_left_alone(&[site]));
        assert!(!Host { sites: 1, ..host }.is_left_alone(&[]));
        assert!(!ready().is_left_alone(&[]), "shared hosts wait for more");
    }

    #[test]
    fn an_instance_that_does_not_come_up_is_given_up() {
        let host = requested().launched("i-1".into());
        assert_eq!(host.check(NOW + Duration::from_secs(599)), None);
        let Some(HostTrouble::Failed(host, _)) = host.check(NOW + LAUNCH_PATIENCE) else {
            panic!("ten minutes are over");
        };
        assert_eq!(
            host.clone().registered("key".into(), NOW).map_err(|refusal| refusal.code),
            Err("token_used")
        );
        assert_eq!(host.beat(0, NOW).map_err(|refusal| refusal.code), Err("host_gone"));
    }

    #[test]
    fn an_instance_of_unknown_id_is_looked_for_some_minutes() {
        let host = requested().given_up(NOW);
        assert!(host.may_be_unseen(NOW + Duration::from_secs(299)) && !host.may_be_unseen(NOW + UNSEEN_FOR));
        assert!(!requested().launched("i-1".into()).given_up(NOW).may_be_unseen(NOW));
    }

    #[test]
    fn a_host_is_idle_an_hour_after_its_last_site_and_lost_after_a_quarter_of_silence() {
        let host = ready();
        assert!(!host.is_idle(NOW + Duration::from_secs(3_599)) && host.is_idle(NOW + IDLE_AFTER));
        assert!(!Host { sites: 1, ..host.clone() }.is_idle(NOW + IDLE_AFTER));
        let emptied = Host { released_at: Some(NOW + Duration::from_secs(1)), ..host.clone() };
        assert!(!emptied.is_idle(NOW + IDLE_AFTER));
        let silent = Host { state: HostState::Unhealthy, ..host.clone() };
        assert!(!silent.is_lost(NOW + Duration::from_secs(899)) && silent.is_lost(NOW + LOST_AFTER));
        assert!(!host.is_lost(NOW + LOST_AFTER), "not before it is known as unhealthy");
        assert_eq!(host.retired(NOW).beat(0, NOW).map_err(|refusal| refusal.code), Err("host_gone"));
    }
}
