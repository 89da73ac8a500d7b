//! Labels: the first part of a site's name, and who holds which.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{OrgId, Refusal, SiteId, Timestamp};

/// How long nobody else gets a label whose site was served: mail and links to the old owner must not reach a new one.
pub const QUARANTINE: Duration = Duration::from_secs(90 * 24 * 3_600);

const SHORTEST: usize = 3;
/// The longest label that DNS knows (RFC 1035, 2.3.4).
const LONGEST: usize = 63;

/// Names that are ours, that people take for ours, or that mail and DNS give a meaning.
const RESERVED: [&str; 72] = [
    "abuse",
    "access",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "app",
    "apps",
    "assets",
    "auth",
    "autoconfig",
    "autodiscover",
    "billing",
    "bounce",
    "broadcasthost",
    "cdn",
    "checkout",
    "console",
    "contact",
    "dashboard",
    "dev",
    "dns",
    "docs",
    "download",
    "email",
    "example",
    "files",
    "ftp",
    "git",
    "help",
    "host",
    "hosting",
    "hostmaster",
    "http",
    "https",
    "imap",
    "internal",
    "invalid",
    "isatap",
    "legal",
    "localhost",
    "login",
    "mail",
    "mailer-daemon",
    "media",
    "no-reply",
    "noc",
    "noreply",
    "ns1",
    "ns2",
    "pay",
    "payments",
    "pop",
    "pop3",
    "postmaster",
    "privacy",
    "root",
    "security",
    "signup",
    "smtp",
    "ssl",
    "ssladmin",
    "staging",
    "static",
    "status",
    "support",
    "tenantry",
    "test",
    "webmaster",
    "wpad",
    "www",
];

/// The first part of a site's name: 3 to 63 of `a-z`, `0-9` and inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full name under the zone, such as `acme.sites.example.com`.
    #[must_use]
    pub fn under(&self, zone: &str) -> String {
        format!("{}.{zone}", self.0)
    }
}

impl FromStr for Label {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str| Err(Refusal::invalid("/label", why));
        if !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return refuse("Use only the letters a to z, digits and hyphens.");
        }
        if !(SHORTEST..=LONGEST).contains(&text.len()) {
            return refuse("Use 3 to 63 characters.");
        }
        if text.starts_with('-') || text.ends_with('-') {
            return refuse("Begin and end with a letter or digit.");
        }
        // Hyphens there announce an encoded international name (RFC 5891, 4.2.3.1), such as xn--.
        if text.get(2..4) == Some("--") {
            return refuse("The third and fourth characters cannot both be hyphens.");
        }
        if RESERVED.binary_search(&text).is_ok() {
            return refuse("This name is reserved.");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // What is stored was checked when it came in; a name that is reserved later must not make old items unreadable.
        if text.is_empty() { Err(de::Error::custom("an empty label")) } else { Ok(Self(text.into_owned())) }
    }
}

impl JsonSchema for Label {
    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[a-z0-9][a-z0-9-]*[a-z0-9]$",
            "minLength": SHORTEST,
            "maxLength": LONGEST,
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Who holds a label in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabelClaim {
    /// The label.
    pub label: Label,
    /// The zone it stands in.
    pub zone: String,
    /// The holder's organisation.
    pub org: OrgId,
    /// The site it names.
    pub site: SiteId,
    /// Whether the name is in use.
    pub state: ClaimState,
    /// Since when.
    pub claimed_at: Timestamp,
    /// When a quarantined label is free for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Whether a claimed name is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// A site has it.
    Live,
    /// A site had it; only the same organisation gets it before `until`.
    Quarantine,
}

impl LabelClaim {
    /// A site takes a label.
    #[must_use]
    pub fn live(label: Label, zone: &str, org: OrgId, site: SiteId, now: Timestamp) -> Self {
        Self {
            label,
            zone: zone.to_owned(),
            org,
            site,
            state: ClaimState::Live,
            claimed_at: now,
            until: None,
        }
    }

    /// The site is gone; nobody else gets its name for a while.
    #[must_use]
    pub fn quarantined(self, now: Timestamp) -> Self {
        Self { state: ClaimState::Quarantine, until: Some(now + QUARANTINE), ..self }
    }

    /// Whether an organisation may take this label over for a new site.
    #[must_use]
    pub fn is_free_for(&self, org: OrgId, now: Timestamp) -> bool {
        self.state == ClaimState::Quarantine
            && (self.org == org || self.until.is_some_and(|until| until <= now))
    }

    /// What a claim of a held label is answered.
    #[must_use]
    pub fn taken(label: &Label) -> Refusal {
        Refusal::conflict("label_taken", format!("The name {label} is taken.")).with("label", label.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_plain_host_name() {
        for right in ["abc", "a-b", "4ever", "a1-b2-c3", "shop1", &"a".repeat(63)] {
            assert!(right.parse::<Label>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "ab",
            "-abc",
            "abc-",
            "a.b.c",
            "Acme",
            "acme ",
            "münchen",
            "xn--mnchen-3ya",
            "ab--cd",
            "a_b_c",
            "www",
            "admin",
            "abc\n",
            "\u{430}cme",
            &"a".repeat(64),
        ] {
            let refusal = wrong.parse::<Label>().expect_err(wrong);
            assert_eq!(refusal.kind, crate::RefusalKind::Invalid { pointer: "/label".to_owned() });
        }
    }

    #[test]
    fn reserved_names_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn a_released_label_stays_with_its_organisation_for_ninety_days() {
        let (mine, theirs) = (OrgId::from_ulid(1), OrgId::from_ulid(2));
        let now = Timestamp::from_secs(0);
        let label: Label = "acme".parse().expect("sound");
        let claim = LabelClaim::live(label, "sites.example", mine, SiteId::from_ulid(1), now);
        assert!(!claim.is_free_for(mine, now) && !claim.is_free_for(theirs, now));
        let released = claim.quarantined(now);
        assert!(released.is_free_for(mine, now));
        assert!(!released.is_free_for(theirs, now + QUARANTINE - Duration::from_millis(1)));
        assert!(released.is_free_for(theirs, now + QUARANTINE));
    }
}
