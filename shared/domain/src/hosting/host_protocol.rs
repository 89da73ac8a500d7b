//! What a host's agent and the platform say to each other.
//!
//! An instance starts with an `AgentConfig` in its user data. Its agent registers once with the one-time token, is given
//! a key of its own, and from then on reports: what it has applied, and in the answer what it is to serve. The agent
//! asks, the platform never calls it.

use std::fmt;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::{UNIT_DISK_MIB, UNIT_MEMORY_MIB};
use crate::{HostId, Refusal, SiteId};

/// The file an instance finds its agent's configuration in.
const CONFIG_PATH: &str = "/etc/tenantry/agent.json";

/// What a new instance knows: where the platform is, which host it is to become, and the token that proves it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Base URL of the platform's API, without a slash at its end.
    pub api: String,
    /// The host that this instance is to be.
    pub host: HostId,
    /// Good for one registration.
    pub token: String,
}

impl AgentConfig {
    /// The instance's user data: cloud-init writes the file and starts the agent, which the image contains.
    #[must_use]
    pub fn to_user_data(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default().replace('\'', "''");
        format!(
            "#cloud-config\n\
             write_files:\n  \
               - path: {CONFIG_PATH}\n    \
                 permissions: '0600'\n    \
                 content: '{json}'\n\
             runcmd:\n  \
               - [systemctl, enable, --now, tenantry-agent]\n"
        )
    }

    /// The configuration in an instance's user data, if there is one.
    #[must_use]
    pub fn from_user_data(user_data: &str) -> Option<Self> {
        let file = user_data.strip_prefix("#cloud-config")?.split_once(CONFIG_PATH)?.1;
        let content =
            file.lines().find_map(|line| line.trim().strip_prefix("content: '")?.strip_suffix('\''))?;
        serde_json::from_str(&content.replace("''", "'")).ok()
    }
}

impl fmt::Debug for AgentConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AgentConfig({} at {})", self.host, self.api)
    }
}

/// An agent's first call.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostRegistration {
    /// The host that the instance is to become.
    pub host: HostId,
    /// The one-time token from the user data.
    #[schemars(length(min = 1, max = 128))]
    pub token: String,
    /// Chosen by the agent and kept before the first try: the same registration tried again is answered again, while a
    /// second holder of the token is refused.
    #[schemars(length(min = 16, max = 128))]
    pub nonce: String,
    /// As EC2 names the instance.
    #[schemars(regex(pattern = "^i-[0-9a-f]{8,17}$"))]
    pub instance_id: String,
    /// The public address that sites' names will point to.
    pub ip: Ipv4Addr,
    /// For the fleet's overview.
    #[schemars(length(min = 1, max = 32))]
    pub agent_version: String,
    /// What the machine has to give.
    pub capacity: HostCapacity,
}

/// What a machine has to give, as its agent measures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostCapacity {
    /// Memory for sites.
    #[schemars(range(max = 1_048_576))]
    pub memory_mib: u32,
    /// Disk for sites.
    #[schemars(range(max = 1_048_576))]
    pub disk_gib: u32,
}

impl HostRegistration {
    /// Whether the parts can be what they claim to be.
    ///
    /// # Errors
    /// `invalid`, with the pointer of the part.
    pub fn check(&self) -> Result<(), Refusal> {
        let number = self.instance_id.strip_prefix("i-").unwrap_or_default();
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !(8..=17).contains(&number.len()) || !number.bytes().all(hex) {
            return Err(Refusal::invalid("/instance_id", "is no EC2 instance id"));
        }
        if self.token.is_empty() || self.token.len() > 128 {
            return Err(Refusal::invalid("/token", "must have 1 to 128 characters"));
        }
        if !(16..=128).contains(&self.nonce.len()) {
            return Err(Refusal::invalid("/nonce", "must have 16 to 128 characters"));
        }
        if self.agent_version.is_empty() || self.agent_version.len() > 32 {
            return Err(Refusal::invalid("/agent_version", "must have 1 to 32 characters"));
        }
        let ip = self.ip;
        if ip.is_unspecified()
            || ip.is_loopback()
            || ip.is_multicast()
            || ip.is_broadcast()
            || ip.is_link_local()
        {
            return Err(Refusal::invalid("/ip", "is no address that the internet can reach"));
        }
        Ok(())
    }
}

impl HostCapacity {
    /// Whether the machine has the room that was ordered; an instance type too small for its pool shows here, before
    /// sites crowd on it.
    ///
    /// # Errors
    /// `capacity_too_small`.
    pub fn check(self, units: u64) -> Result<(), Refusal> {
        let memory = u64::from(self.memory_mib) >= units * UNIT_MEMORY_MIB;
        let disk = u64::from(self.disk_gib) * 1_024 >= units * UNIT_DISK_MIB;
        if memory && disk {
            return Ok(());
        }
        Err(Refusal::conflict("capacity_too_small", format!("The machine has no room for {units} units.")))
    }
}

impl fmt::Debug for HostRegistration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HostRegistration({} on {} at {})", self.host, self.instance_id, self.ip)
    }
}

/// The answer to a registration: who the agent is from now on.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct HostCredentials {
    /// The host that the instance has become.
    pub host: HostId,
    /// The bearer key of every further call; not shown again.
    pub key: String,
    /// How often to report.
    pub report_every_seconds: u32,
    /// What to serve.
    pub manifest: Manifest,
}

impl fmt::Debug for HostCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HostCredentials({}, generation {})", self.host, self.manifest.generation)
    }
}

/// A heartbeat: what the host serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostReport {
    /// The manifest's generation that the host has applied.
    pub generation: u64,
    /// Every site of that manifest, as it stands.
    #[schemars(length(max = 1_000))]
    pub sites: Vec<SiteReport>,
    /// Disk that sites occupy.
    pub disk_used_bytes: u64,
}

/// One site on a host, as the agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteReport {
    /// The site.
    pub site: SiteId,
    /// What it does.
    pub state: SiteReportState,
    /// The fingerprint of the host's copy of its files, for a site whose manifest asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub copy: Option<String>,
}

/// What a site on a host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiteReportState {
    /// It answers requests.
    Serving,
    /// It answers that it is suspended.
    Suspended,
    /// Its files are copied; it does not answer yet.
    Copying,
    /// The host could not set it up.
    Failed,
}

impl HostReport {
    /// Whether the report is of a size that a host can have.
    ///
    /// # Errors
    /// `invalid` for a report too long, or a fingerprint.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.sites.len() > 1_000 {
            return Err(Refusal::invalid("/sites", "must have at most 1000 sites"));
        }
        for (place, site) in self.sites.iter().enumerate() {
            if site.copy.as_ref().is_some_and(|copy| copy.len() > 64) {
                let pointer = format!("/sites/{place}/copy");
                return Err(Refusal::invalid(pointer, "must have at most 64 characters"));
            }
        }
        Ok(())
    }

    /// How many sites could not be set up.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.sites.iter().map(|site| u64::from(site.state == SiteReportState::Failed)).sum()
    }
}

/// What a host is to serve. The generation grows with every change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Grows with every change.
    pub generation: u64,
    /// All sites of the host; what is not listed is not served.
    pub sites: Vec<ManifestSite>,
}

/// One site that a host is to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestSite {
    /// The site.
    pub site: SiteId,
    /// The name it is served at, as a browser sends it in `Host`.
    pub fqdn: String,
    /// The bucket its objects are in.
    pub bucket: String,
    /// Its share of the host, in capacity units.
    pub units: u64,
    /// What the host is to do with it.
    pub state: ManifestState,
    /// Whether the host is to report the fingerprint of its copy of the files, and to report more often.
    #[serde(default)]
    pub fingerprint: bool,
}

/// What a host is to do with a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ManifestState {
    /// Answer from its bucket.
    Serving,
    /// Answer 503 until it is resumed.
    Suspended,
    /// Copy its files, answer nobody yet.
    Copying,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_survives_user_data() {
        let config = AgentConfig {
            api: "https://api.example.com".to_owned(),
            host: HostId::from_ulid(7),
            token: "it's: #secret".to_owned(),
        };
        assert_eq!(AgentConfig::from_user_data(&config.to_user_data()), Some(config));
        for other in
            ["", "#!/bin/sh\n", "#cloud-config\nwrite_files: []\n", "#cloud-config\n/etc/tenantry/agent.json"]
        {
            assert_eq!(AgentConfig::from_user_data(other), None, "{other}");
        }
    }

    #[test]
    fn secrets_stay_out_of_logs() {
        let config = AgentConfig { api: String::new(), host: HostId::from_ulid(7), token: "hush".to_owned() };
        assert!(!format!("{config:?}").contains("hush"));
        assert!(!format!("{:?}", registration()).contains("one-time"));
    }

    fn registration() -> HostRegistration {
        HostRegistration {
            host: HostId::from_ulid(7),
            token: "one-time".to_owned(),
            nonce: "0123456789abcdef".to_owned(),
            instance_id: "i-0123456789abcdef0".to_owned(),
            ip: Ipv4Addr::new(203, 0, 113, 7),
            agent_version: "1.0.0".to_owned(),
            capacity: HostCapacity { memory_mib: 4096, disk_gib: 40 },
        }
    }

    #[test]
    fn a_registration_names_its_wrong_part() {
        assert_eq!(registration().check(), Ok(()));
        type Spoil = fn(&mut HostRegistration);
        let cases: [(&str, Spoil); 6] = [
            ("/instance_id", |body| body.instance_id = "i-XYZ".to_owned()),
            ("/instance_id", |body| body.instance_id = "0123456789abcdef0".to_owned()),
            ("/token", |body| body.token.clear()),
            ("/nonce", |body| body.nonce = "short".to_owned()),
            ("/agent_version", |body| body.agent_version = "v".repeat(33)),
            ("/ip", |body| body.ip = Ipv4Addr::LOCALHOST),
        ];
        for (wanted, spoil) in cases {
            let mut body = registration();
            spoil(&mut body);
            let refusal = body.check().err().map(|refusal| refusal.kind);
            assert_eq!(refusal, Some(crate::RefusalKind::Invalid { pointer: wanted.to_owned() }));
        }
    }

    #[test]
    fn a_machine_holds_the_units_that_were_ordered() {
        let capacity = HostCapacity { memory_mib: 4_096, disk_gib: 30 };
        for (units, fits) in [(10, true), (15, true), (16, false), (u64::from(u32::MAX), false)] {
            assert_eq!(capacity.check(units).is_ok(), fits, "{units}");
        }
    }
}
