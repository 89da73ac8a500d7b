//! Mail domains of sites: SES believes them once it has read the records that we publish.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Event, OrgId, SiteId, Timestamp};

/// SES gives up looking after 72 hours.
pub const PATIENCE: Duration = Duration::from_secs(72 * 3_600);
/// How often a pending domain is looked at.
pub const POLL: Duration = Duration::from_secs(10 * 60);
/// How often a verified domain is looked at: its records may vanish.
pub const RECHECK: Duration = Duration::from_secs(24 * 3_600);

/// A mail domain of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmailIdentity {
    /// The domain: the site's full name.
    pub domain: String,
    /// Whose.
    pub org: OrgId,
    /// Of which site.
    pub site: SiteId,
    /// The bounce domain.
    pub mail_from: String,
    /// Where it stands.
    pub state: IdentityState,
    /// Since when SES looks for the records.
    pub started_at: Timestamp,
    /// When it was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// When to look again; absent when nothing is to be seen any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// The customer's zone that its records are in; absent for the site's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How often it was tried again after SES gave up.
    #[serde(default)]
    pub tries: u32,
}

/// Where a mail domain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityState {
    /// SES looks for the records.
    Pending,
    /// Mail may be sent from it.
    Verified,
    /// SES cannot see the records at the moment; mail still leaves.
    Degraded,
    /// SES gave up before it ever saw the records.
    Failed,
    /// The records are gone for good.
    Lost,
}

/// What SES says of one thing it looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Still looking.
    Pending,
    /// Seen.
    Success,
    /// Given up.
    Failed,
    /// Was seen, is not at the moment.
    TemporaryFailure,
    /// SES does not know the domain.
    NotStarted,
}

impl EmailIdentity {
    /// SES is about to be told of the domain.
    #[must_use]
    pub fn pending(domain: &str, org: OrgId, site: SiteId, now: Timestamp) -> Self {
        Self {
            domain: domain.to_owned(),
            org,
            site,
            mail_from: format!("bounce.{domain}"),
            state: IdentityState::Pending,
            started_at: now,
            verified_at: None,
            next_at: None,
            zone: None,
            tries: 0,
        }
    }

    /// From now on SES's verdicts are looked at.
    #[must_use]
    pub fn watched(self, now: Timestamp) -> Self {
        Self { next_at: Some(now + POLL), ..self }
    }

    /// What SES says of the domain and of its DKIM keys; both must be seen.
    #[must_use]
    pub fn observed(self, domain: Verdict, dkim: Verdict, now: Timestamp) -> (Self, Option<IdentityChanged>) {
        use IdentityState::{Degraded, Failed, Lost, Pending, Verified};
        let both = |verdict| domain == verdict && dkim == verdict;
        let either = |verdict| domain == verdict || dkim == verdict;
        let late = now.since(self.started_at) >= PATIENCE;
        let state = match self.state {
            _ if both(Verdict::Success) => Verified,
            Pending if either(Verdict::Failed) || late => Failed,
            Pending => Pending,
            Verified | Degraded if either(Verdict::Failed) || either(Verdict::NotStarted) => Lost,
            Verified | Degraded if either(Verdict::TemporaryFailure) => Degraded,
            state => state,
        };
        let next_at = match state {
            Pending | Degraded => Some(now + POLL),
            Verified => Some(now + RECHECK),
            Failed | Lost => None,
        };
        let verified_at = if state == Verified { self.verified_at.or(Some(now)) } else { self.verified_at };
        let changed = (state != self.state).then(|| IdentityChanged {
            site: self.site,
            domain: self.domain.clone(),
            before: self.state,
            after: state,
        });
        (Self { state, next_at, verified_at, ..self }, changed)
    }
}

/// `hosting.email_identity_changed`: a site's mail domain was verified, failed, or lost its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityChanged {
    /// Of which site.
    pub site: SiteId,
    /// The domain.
    pub domain: String,
    /// What it was.
    pub before: IdentityState,
    /// What it is.
    pub after: IdentityState,
}

impl Event for IdentityChanged {
    const TYPE: &'static str = "hosting.email_identity_changed";
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    #[test]
    fn the_verdicts_move_it_as_the_specification_says() {
        use IdentityState::{Degraded, Failed, Lost, Pending, Verified};
        use Verdict::{NotStarted, Success, TemporaryFailure};
        let hour = NOW + Duration::from_secs(3_600);
        for (before, domain, dkim, at, after) in [
            (Pending, Verdict::Pending, Verdict::Pending, hour, Pending),
            (Pending, Success, Verdict::Pending, hour, Pending),
            (Pending, Success, Success, hour, Verified),
            (Pending, Success, Verdict::Failed, hour, Failed),
            (Pending, Success, Verdict::Pending, NOW + PATIENCE, Failed),
            (Verified, TemporaryFailure, Success, hour, Degraded),
            (Verified, Success, Success, hour, Verified),
            (Degraded, Success, Success, hour, Verified),
            (Degraded, Verdict::Failed, Success, hour, Lost),
            (Verified, NotStarted, Success, hour, Lost),
            (Failed, Verdict::Pending, Verdict::Pending, hour, Failed),
            (Failed, Success, Success, hour, Verified),
        ] {
            let identity =
                EmailIdentity::pending("a.example", OrgId::from_ulid(1), SiteId::from_ulid(2), NOW);
            let (seen, changed) = EmailIdentity { state: before, ..identity }.observed(domain, dkim, at);
            assert_eq!(seen.state, after, "{before:?} {domain:?} {dkim:?}");
            assert_eq!(changed.is_some(), before != after);
            assert_eq!(seen.next_at.is_none(), matches!(after, Failed | Lost));
        }
    }
}
