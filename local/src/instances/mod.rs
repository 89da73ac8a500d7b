//! The virtual machines of the fake EC2: each runs the host agent of its user data and serves the sites it is told to.

mod agent;
mod machine;
mod resolver;
mod website;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::Timestamp;
use domain::hosting::host_protocol::{AgentConfig, ManifestState};
use http::header::{HOST, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};

use self::agent::{Agent, Api, Turn};
use self::machine::{Machine, SiteFiles};
use crate::aws::Cloud;
use crate::harness::web::Web;
use crate::{Clock, Context, Result, random};

/// How often an agent may go on at once before it rests: register, report, apply, report again, and some to spare.
const MOST_TURNS: usize = 8;

/// All machines of the stack; clones are the same machines.
#[derive(Clone)]
pub struct Instances {
    shared: Arc<Shared>,
}

struct Shared {
    cloud: Cloud,
    clock: Clock,
    api: Api,
    folder: PathBuf,
    agents: Mutex<BTreeMap<String, Agent>>,
    switched: Mutex<Switched>,
    /// One round of agents at a time: an agent takes one turn after the other.
    round: tokio::sync::Mutex<()>,
}

/// What tests have done to machines.
#[derive(Default)]
struct Switched {
    off: BTreeSet<String>,
    mute: BTreeSet<String>,
}

/// What the page shows of a machine's agent.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AgentView {
    /// The instance it runs on.
    pub instance: String,
    /// The host that the instance is.
    pub host: String,
    /// Whether it has used its token.
    pub registered: bool,
    /// The manifest it has applied.
    pub generation: u64,
    /// The names it serves.
    pub names: Vec<String>,
    /// The last answer that was no success.
    pub trouble: Option<String>,
}

impl Instances {
    /// The machines whose agents keep their files in `folder`, and speak to the platform at `api_base`.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(cloud: Cloud, clock: Clock, folder: &Path, api_base: impl Into<String>) -> Result<Self> {
        std::fs::create_dir_all(folder).context(format!("making {}", folder.display()))?;
        let mut agents = BTreeMap::new();
        for entry in std::fs::read_dir(folder).context(format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = std::fs::read(&path).context(format!("reading {}", path.display()))?;
                let agent: Agent =
                    serde_json::from_slice(&text).context(format!("reading {}", path.display()))?;
                agents.insert(agent.instance.clone(), agent);
            }
        }
        let shared = Shared {
            cloud,
            clock,
            api: Api(Web::new(api_base)),
            folder: folder.to_owned(),
            agents: Mutex::new(agents),
            switched: Mutex::default(),
            round: tokio::sync::Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Boots agents on machines that have come up, forgets those of machines that are gone, and lets every agent whose
    /// call is due take its turns.
    ///
    /// # Errors
    /// When an agent's file cannot be written; agents cope with everything else by trying again later.
    pub async fn tick(&self) -> Result<()> {
        let _round = self.shared.round.lock().await;
        self.follow_machines()?;
        let now = self.shared.clock.now();
        let due: Vec<Agent> = self.agents().values().filter(|agent| agent.next_at <= now).cloned().collect();
        let due = due.into_iter().filter(|agent| self.speaks(&agent.instance));
        let done = futures_util::future::join_all(due.map(|agent| self.turns(agent))).await;
        done.into_iter().collect()
    }

    /// When the next call of an agent is due; now, when a machine has come up or gone since the last tick.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let machines = self.machines();
        let agents = self.agents();
        let unknown = machines.iter().any(|(id, _)| !agents.contains_key(id));
        let gone = agents.keys().any(|id| !machines.contains_key(id));
        if unknown || gone {
            return Some(self.shared.clock.now());
        }
        agents.values().filter(|agent| self.speaks(&agent.instance)).map(|agent| agent.next_at).min()
    }

    /// Answers a request that reached a public address, by the name in its `Host`.
    pub async fn serve(&self, ip: Ipv4Addr, request: &Request<Bytes>) -> Response<Bytes> {
        if ip == Ipv4Addr::from(resolver::ADDRESS) {
            return resolver::answer(&self.shared.cloud, request);
        }
        let machine = machine::running(&self.shared.cloud).into_iter().find(|machine| machine.ip == ip);
        let machine = machine.filter(|machine| !self.switched().off.contains(&machine.id));
        let Some(machine) = machine else {
            return website::text(StatusCode::GATEWAY_TIMEOUT, "No machine answers at this address.\n");
        };
        let name = visited(request);
        let site = self.agents().get(&machine.id).and_then(|agent| agent.serves(&name));
        let Some((host, site)) = site else {
            return website::text(StatusCode::MISDIRECTED_REQUEST, "No site of this name is served here.\n");
        };
        if site.state == ManifestState::Suspended {
            let mut answer = website::text(StatusCode::SERVICE_UNAVAILABLE, "This site is suspended.\n");
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("3600"));
            return answer;
        }
        let files = SiteFiles { cloud: &self.shared.cloud, bucket: &site.bucket };
        website::answer((host, site.site), &site.fqdn, &files, request).await
    }

    /// Switches a machine off: it neither serves nor reports until `start`. Its EC2 state stays `running`, as that of a
    /// machine whose kernel hangs.
    pub fn stop(&self, instance: &str) {
        self.switched().off.insert(instance.to_owned());
    }

    /// Switches a stopped machine on again.
    pub fn start(&self, instance: &str) {
        self.switched().off.remove(instance);
    }

    /// Lets a machine serve but not report, as when the platform cannot be reached from it.
    pub fn mute(&self, instance: &str) {
        self.switched().mute.insert(instance.to_owned());
    }

    /// Lets a mute machine report again.
    pub fn unmute(&self, instance: &str) {
        self.switched().mute.remove(instance);
    }

    /// Every agent, for the page.
    #[must_use]
    pub fn view(&self) -> Vec<AgentView> {
        let view = |agent: &Agent| AgentView {
            instance: agent.instance.clone(),
            host: agent.config.host.to_string(),
            registered: agent.is_registered(),
            generation: agent.manifest.generation,
            names: agent.manifest.sites.iter().map(|site| site.fqdn.clone()).collect(),
            trouble: agent.trouble.clone(),
        };
        self.agents().values().map(view).collect()
    }

    fn follow_machines(&self) -> Result<()> {
        let machines = self.machines();
        let gone: Vec<String> =
            self.agents().keys().filter(|id| !machines.contains_key(*id)).cloned().collect();
        for id in gone {
            std::fs::remove_file(self.file(&id)).context(format!("forgetting the agent of {id}"))?;
            self.agents().remove(&id);
        }
        for (id, (machine, config)) in machines {
            let known = self.agents().get(&id).cloned();
            if let Some(agent) = known {
                if let Some(moved) = agent.at(machine.ip) {
                    self.keep(&moved)?;
                }
                continue;
            }
            let nonce = hex::encode(random::bytes::<24>());
            let now = self.shared.clock.now();
            let agent = Agent::boot(&id, config, machine.ip, machine.capacity(), nonce, now);
            self.keep(&agent)?;
        }
        Ok(())
    }

    async fn turns(&self, mut agent: Agent) -> Result<()> {
        for _ in 0..MOST_TURNS {
            let now = self.shared.clock.now();
            if agent.wants_measure(now) {
                agent.measured(self.disk_used(&agent).await, now);
            }
            let mut copies = BTreeMap::new();
            for (site, bucket) in agent.copying() {
                copies.insert(site, machine::fingerprint(&self.shared.cloud, &bucket).await);
            }
            agent.copied(copies);
            let turn = agent.turn(&self.shared.api, now).await;
            self.keep(&agent)?;
            if matches!(turn, Turn::Rest) {
                break;
            }
        }
        Ok(())
    }

    async fn disk_used(&self, agent: &Agent) -> u64 {
        let mut used = 0;
        for site in &agent.manifest.sites {
            used += machine::bytes_in(&self.shared.cloud, &site.bucket).await;
        }
        used
    }

    /// Running machines with an agent in their user data.
    fn machines(&self) -> BTreeMap<String, (Machine, AgentConfig)> {
        let running = machine::running(&self.shared.cloud).into_iter();
        running
            .filter_map(|machine| {
                let config = AgentConfig::from_user_data(&machine.user_data)?;
                Some((machine.id.clone(), (machine, config)))
            })
            .collect()
    }

    /// Writes an agent's file, then lets the agent's new state be seen: what is served is also what is on disk.
    fn keep(&self, agent: &Agent) -> Result<()> {
        let file = self.file(&agent.instance);
        let fresh = file.with_extension("new");
        let text = serde_json::to_vec_pretty(agent)?;
        std::fs::write(&fresh, text).context(format!("writing {}", fresh.display()))?;
        std::fs::rename(&fresh, &file).context(format!("writing {}", file.display()))?;
        self.agents().insert(agent.instance.clone(), agent.clone());
        Ok(())
    }

    fn file(&self, instance: &str) -> PathBuf {
        self.shared.folder.join(format!("{instance}.json"))
    }

    fn speaks(&self, instance: &str) -> bool {
        let switched = self.switched();
        !switched.off.contains(instance) && !switched.mute.contains(instance)
    }

    fn agents(&self) -> MutexGuard<'_, BTreeMap<String, Agent>> {
        self.shared.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn switched(&self) -> MutexGuard<'_, Switched> {
        self.shared.switched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that a visitor asked for, as names are compared.
fn visited(request: &Request<Bytes>) -> String {
    let header = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let name = header.or_else(|| request.uri().host()).unwrap_or_default();
    let name = name.rsplit_once(':').map_or(name, |(name, _port)| name);
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::HostId;
    use domain::hosting::host_protocol::HostCapacity;

    use super::*;
    use crate::aws::CloudConfig;

    async fn open(folder: &Path) -> Instances {
        let clock = Clock::new(None);
        let config = CloudConfig {
            data: folder.join("aws"),
            clock: clock.clone(),
            region: "eu-west-1".to_owned(),
            account: "000000000000".to_owned(),
            base_url: "http://127.0.0.1:1".to_owned(),
        };
        let cloud = Cloud::open(config).await.unwrap();
        Instances::open(cloud, clock, &folder.join("instances"), "http://127.0.0.1:1").unwrap()
    }

    #[tokio::test]
    async fn an_agent_outlives_the_stack_but_not_its_machine() {
        let folder = tempfile::tempdir().unwrap();
        let before = open(folder.path()).await;
        let config = AgentConfig {
            api: "https://api.example".to_owned(),
            host: HostId::from_ulid(7),
            token: "one-time".to_owned(),
        };
        let capacity = HostCapacity { memory_mib: 4_096, disk_gib: 40 };
        let now = before.shared.clock.now();
        let ip = Ipv4Addr::new(203, 0, 113, 7);
        before
            .keep(&Agent::boot("i-0123456789abcdef0", config, ip, capacity, "nonce".to_owned(), now))
            .unwrap();
        drop(before);

        let after = open(folder.path()).await;
        assert_eq!(after.view()[0].host, HostId::from_ulid(7).to_string());
        assert!(after.next_due().is_some(), "its machine is gone, which is to be noticed");
        after.tick().await.unwrap();
        assert!(after.view().is_empty() && after.next_due().is_none());
        assert!(open(folder.path()).await.view().is_empty());
    }

    #[test]
    fn a_visited_name_is_compared_as_names_are() {
        for (host, name) in
            [("ACME.example:8080", "acme.example"), ("acme.example.", "acme.example"), ("", "")]
        {
            let request = Request::builder().uri("/").header(HOST, host).body(Bytes::new()).unwrap();
            assert_eq!(visited(&request), name, "{host}");
        }
    }
}
