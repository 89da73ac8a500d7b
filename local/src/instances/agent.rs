//! The host agent that runs on an instance: registers once, then reports and serves what the answer says.
//!
//! Everything it learns is in a file before it is acted on, as a real agent keeps it on the machine's disk: a stack that
//! was killed goes on with the same keys and the same sites.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use domain::hosting::host_protocol::{
    AgentConfig, HostCapacity, HostCredentials, HostRegistration, HostReport, Manifest, ManifestSite,
    ManifestState, SiteReport, SiteReportState,
};
use domain::{HostId, SiteId, Timestamp};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// From `running` to the agent's first call.
pub(super) const BOOT: Duration = Duration::from_secs(5);
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
    refused: BTreeSet<SiteId>,
    /// Its next call.
    pub(super) next_at: Timestamp,
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

/// The way to the platform.
pub(super) struct Api<'a> {
    pub(super) http: &'a reqwest::Client,
    /// Where this stack listens now: after a restart on another port, user data still names the old one.
    pub(super) base: &'a str,
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
            next_at: now + BOOT,
            failures: 0,
            trouble: None,
        }
    }

    /// Whether it has a key of its own.
    pub(super) fn is_registered(&self) -> bool {
        self.identity.is_some()
    }

    /// The site that this host serves under a name.
    pub(super) fn site(&self, name: &str) -> Option<&ManifestSite> {
        self.manifest.sites.iter().find(|site| site.fqdn == name && !self.refused.contains(&site.site))
    }

    /// One call to the platform, and what follows from its answer.
    pub(super) async fn turn(&mut self, api: &Api<'_>, disk_used_bytes: u64, now: Timestamp) -> Turn {
        let done = match self.identity.clone() {
            None => self.register(api).await,
            Some(identity) => self.report(api, &identity, disk_used_bytes, now).await,
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

    async fn register(&mut self, api: &Api<'_>) -> Result<Turn, String> {
        let registration = HostRegistration {
            host: self.config.host,
            token: self.config.token.clone(),
            nonce: self.nonce.clone(),
            instance_id: self.instance.clone(),
            ip: self.ip,
            agent_version: VERSION.to_owned(),
            capacity: self.capacity,
        };
        let request = api.http.post(format!("{}/v1/hosts/register", api.base)).json(&registration);
        let credentials: HostCredentials = answer(request).await?;
        let HostCredentials { host, key, report_every_seconds, .. } = credentials;
        // Its manifest comes again with the first report's answer, when the key is on disk.
        self.identity = Some(Identity { host, key, report_every_seconds });
        Ok(Turn::More)
    }

    async fn report(
        &mut self,
        api: &Api<'_>,
        identity: &Identity,
        disk_used_bytes: u64,
        now: Timestamp,
    ) -> Result<Turn, String> {
        let sites = self.manifest.sites.iter().map(|site| self.state_of(site)).collect();
        let report = HostReport { generation: self.manifest.generation, sites, disk_used_bytes };
        let request = api
            .http
            .post(format!("{}/v1/hosts/{}/report", api.base, identity.host))
            .bearer_auth(&identity.key)
            .json(&report);
        let manifest: Manifest = answer(request).await?;
        self.next_at = now + Duration::from_secs(u64::from(identity.report_every_seconds));
        if manifest.generation <= self.manifest.generation {
            return Ok(Turn::Rest);
        }
        self.apply(api, identity, manifest).await?;
        Ok(Turn::More)
    }

    /// Serves what the manifest names, once there is a certificate for each name.
    async fn apply(&mut self, api: &Api<'_>, identity: &Identity, manifest: Manifest) -> Result<(), String> {
        let mut refused = BTreeSet::new();
        for site in &manifest.sites {
            if self.certified.contains(&site.fqdn) {
                continue;
            }
            let path = format!("{}/v1/hosts/{}/names/{}", api.base, identity.host, site.fqdn);
            let sent = api.http.get(path).bearer_auth(&identity.key).send().await;
            let status = sent.map_err(|error| error.to_string())?.status();
            match status {
                status if status.is_success() => {
                    self.certified.insert(site.fqdn.clone());
                }
                StatusCode::NOT_FOUND => {
                    refused.insert(site.site);
                }
                status => return Err(format!("the check of the name {} was answered {status}", site.fqdn)),
            }
        }
        self.certified.retain(|name| manifest.sites.iter().any(|site| site.fqdn == *name));
        self.refused = refused;
        self.manifest = manifest;
        Ok(())
    }

    fn state_of(&self, site: &ManifestSite) -> SiteReport {
        let state = match site.state {
            _ if self.refused.contains(&site.site) => SiteReportState::Failed,
            ManifestState::Serving => SiteReportState::Serving,
            ManifestState::Suspended => SiteReportState::Suspended,
        };
        SiteReport { site: site.site, state }
    }
}

/// Sends a call; the trouble is told in one line, without secrets.
async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, String> {
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.bytes().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    serde_json::from_slice(&body).map_err(|error| format!("{status}, but not the expected answer: {error}"))
}
