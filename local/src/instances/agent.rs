//! The host agent that runs on an instance: registers once, then reports and serves what the answer says.
//!
//! Everything it learns is in a file before it is acted on, as a real agent keeps it on the machine's disk: a stack that
//! was killed goes on with the same keys and the same sites.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use domain::hosting::host::COPYING_BEAT;
use domain::hosting::host_protocol::{
    AgentConfig, HostCapacity, HostCredentials, HostRegistration, HostReport, Manifest, ManifestSite,
    ManifestState, SiteReport, SiteReportState,
};
use domain::{HostId, SiteId, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::harness::web::{Answer, Web};

/// From `running` to the agent's first call.
pub(super) const BOOT: Duration = Duration::from_secs(5);
/// How old the measure of the disk may be: walking through all files takes a machine a while.
const MEASURED_EVERY: Duration = Duration::from_secs(5 * 60);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const VERSION: &str = "1.0.0";

/// What an agent keeps on its disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Agent {
    pub(super) instance: String,
    pub(super) config: AgentConfig,
    ip: Ipv4Addr,
    capacity: HostCapacity,
    nonce: String,
    #[serde(default)]
    identity: Option<Identity>,
    /// The manifest that is applied.
    pub(super) manifest: Manifest,
    /// Names that the platform let this host obtain a certificate for.
    #[serde(default)]
    certified: BTreeSet<String>,
    #[serde(default)]
    refused: BTreeSet<String>,
    /// Fingerprints of the copies that the manifest asks about.
    #[serde(default)]
    copies: BTreeMap<SiteId, String>,
    /// Its next call.
    pub(super) next_at: Timestamp,
    #[serde(default)]
    disk_used_bytes: u64,
    #[serde(default)]
    measured_at: Option<Timestamp>,
    #[serde(default)]
    failures: u32,
    /// The last answer that was no success, for the page.
    #[serde(default)]
    pub(super) trouble: Option<String>,
}

/// Who the agent is once it has registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Identity {
    host: HostId,
    key: String,
    report_every_seconds: u32,
}

/// As long as the gateway's own patience.
const PATIENCE: Duration = Duration::from_secs(35);

/// The way to the platform. It leads to where this stack listens now: after a restart on another port, user data still
/// names the old one.
#[derive(Clone)]
pub(super) struct Api(pub(super) Web);

impl Api {
    /// One call; the trouble is told in one line, without secrets.
    async fn call(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
            headers.insert(AUTHORIZATION, bearer.map_err(|_| "the key is no header's value".to_owned())?);
        }
        let sent = self.0.send(method, path, &headers, body.into());
        let answer = tokio::time::timeout(PATIENCE, sent).await;
        answer.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())
    }

    /// A call whose answer is read.
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, String> {
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        let answer = self.call(Method::POST, path, key, body).await?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("{}: {}", answer.status, answer.text()));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| format!("{}, but not the expected answer: {error}", answer.status))
    }
}

/// What a turn has brought.
pub(super) enum Turn {
    /// Something was applied or learnt: keep it, then take the next turn at once.
    More,
    /// Nothing to do until `next_at`.
    Rest,
}

impl Agent {
    /// An agent on an instance that has just begun to run.
    pub(super) fn boot(
        instance: &str,
        config: AgentConfig,
        ip: Ipv4Addr,
        capacity: HostCapacity,
        nonce: String,
        now: Timestamp,
    ) -> Self {
        Self {
            instance: instance.to_owned(),
            config,
            ip,
            capacity,
            nonce,
            identity: None,
            manifest: Manifest::default(),
            certified: BTreeSet::new(),
            refused: BTreeSet::new(),
            copies: BTreeMap::new(),
            next_at: now + BOOT,
            disk_used_bytes: 0,
            measured_at: None,
            failures: 0,
            trouble: None,
        }
    }

    /// The agent at the machine's new address; `None` if it has it.
    pub(super) fn at(&self, ip: Ipv4Addr) -> Option<Self> {
        (self.ip != ip).then(|| Self { ip, ..self.clone() })
    }

    /// Whether the disk is to be measured before the next report.
    pub(super) fn wants_measure(&self, now: Timestamp) -> bool {
        self.measured_at.is_none_or(|measured| now.since(measured) >= MEASURED_EVERY)
    }

    /// The disk was measured.
    pub(super) fn measured(&mut self, disk_used_bytes: u64, now: Timestamp) {
        self.disk_used_bytes = disk_used_bytes;
        self.measured_at = Some(now);
    }

    /// Whether it has a key of its own.
    pub(super) fn is_registered(&self) -> bool {
        self.identity.is_some()
    }

    /// The site that this host answers for under a name, and the host it is.
    pub(super) fn serves(&self, name: &str) -> Option<(HostId, ManifestSite)> {
        let answered = |site: &&ManifestSite| site.fqdn == name && site.state != ManifestState::Copying;
        let site = self.manifest.sites.iter().find(answered)?;
        (!self.refused.contains(name)).then(|| (self.config.host, site.clone()))
    }

    /// The sites whose copies are to be told of, with their buckets.
    pub(super) fn copying(&self) -> Vec<(SiteId, String)> {
        let asked = self.manifest.sites.iter().filter(|site| site.fingerprint);
        asked.map(|site| (site.site, site.bucket.clone())).collect()
    }

    /// The copies were looked at.
    pub(super) fn copied(&mut self, copies: BTreeMap<SiteId, String>) {
        self.copies = copies;
    }

    /// One call to the platform, and what follows from its answer.
    pub(super) async fn turn(&mut self, api: &Api, now: Timestamp) -> Turn {
        let done = match self.identity.clone() {
            None => self.register(api).await,
            Some(identity) => self.report(api, &identity, now).await,
        };
        match done {
            Ok(turn) => {
                self.failures = 0;
                self.trouble = None;
                turn
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                self.next_at = now + LONGEST_PAUSE.min(Duration::from_secs(2 << self.failures.min(5)));
                self.failures = self.failures.saturating_add(1);
                Turn::Rest
            }
        }
    }

    async fn register(&mut self, api: &Api) -> Result<Turn, String> {
        let registration = HostRegistration {
            host: self.config.host,
            token: self.config.token.clone(),
            nonce: self.nonce.clone(),
            instance_id: self.instance.clone(),
            ip: self.ip,
            agent_version: VERSION.to_owned(),
            capacity: self.capacity,
        };
        let credentials: HostCredentials = api.post("/v1/hosts/register", None, &registration).await?;
        let HostCredentials { host, key, report_every_seconds, .. } = credentials;
        // Its manifest comes again with the first report's answer, when the key is on disk.
        self.identity = Some(Identity { host, key, report_every_seconds });
        Ok(Turn::More)
    }

    async fn report(&mut self, api: &Api, identity: &Identity, now: Timestamp) -> Result<Turn, String> {
        let sites = self.manifest.sites.iter().map(|site| self.state_of(site)).collect();
        let report =
            HostReport { generation: self.manifest.generation, sites, disk_used_bytes: self.disk_used_bytes };
        let path = format!("/v1/hosts/{}/report", identity.host);
        let manifest: Manifest = api.post(&path, Some(&identity.key), &report).await?;
        let usual = Duration::from_secs(u64::from(identity.report_every_seconds));
        let pause = |manifest: &Manifest| {
            if manifest.sites.iter().any(|site| site.fingerprint) { COPYING_BEAT } else { usual }
        };
        self.next_at = now + pause(&manifest);
        if manifest.generation <= self.manifest.generation {
            return Ok(Turn::Rest);
        }
        self.apply(api, identity, manifest).await?;
        Ok(Turn::More)
    }

    /// Serves what the manifest names, once there is a certificate for each name.
    async fn apply(&mut self, api: &Api, identity: &Identity, manifest: Manifest) -> Result<(), String> {
        let mut refused = BTreeSet::new();
        for site in &manifest.sites {
            if self.certified.contains(&site.fqdn) {
                continue;
            }
            let path = format!("/v1/hosts/{}/names/{}", identity.host, site.fqdn);
            let status = api.call(Method::GET, &path, Some(&identity.key), Vec::new()).await?.status;
            match status {
                200..300 => {
                    self.certified.insert(site.fqdn.clone());
                }
                404 => {
                    refused.insert(site.fqdn.clone());
                }
                _ => return Err(format!("the check of the name {} was answered {status}", site.fqdn)),
            }
        }
        self.certified.retain(|name| manifest.sites.iter().any(|site| site.fqdn == *name));
        self.refused = refused;
        self.manifest = manifest;
        Ok(())
    }

    fn state_of(&self, site: &ManifestSite) -> SiteReport {
        let state = match site.state {
            _ if self.refused.contains(&site.fqdn) => SiteReportState::Failed,
            ManifestState::Serving => SiteReportState::Serving,
            ManifestState::Suspended => SiteReportState::Suspended,
            ManifestState::Copying => SiteReportState::Copying,
        };
        SiteReport { site: site.site, state, copy: self.copies.get(&site.site).cloned() }
    }
}
