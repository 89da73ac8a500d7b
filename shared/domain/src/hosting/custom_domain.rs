//! Domains that customers bring: a zone of their own, the name servers they must delegate it to, and its records.

use std::time::Duration;

use std::net::{Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RecordSet, RecordType};
use crate::{OrgId, Refusal, Timestamp, UserId};

/// The longest name that DNS knows.
const LONGEST: usize = 253;
/// The most values of one record set.
const MOST_VALUES: usize = 100;
/// How long they are together. Route 53 takes 32,000 characters a request and counts those of an UPSERT twice.
const LONGEST_VALUES: usize = 15_000;
/// How long one string of a text is, with what is escaped in it; DNS knows 255.
const LONGEST_STRING: usize = 250;
/// How long a domain may be here without being delegated: so long its organisation is believed to have it.
pub const UNPROVEN: Duration = Duration::from_secs(14 * 24 * 3_600);
/// From when on another organisation may have a domain that is not delegated.
pub const YIELDS: Duration = Duration::from_secs(3 * 24 * 3_600);
/// How often a domain is looked at whose time is over, and which something keeps.
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 3_600);

/// A customer's domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CustomDomain {
    /// Its name, in lower case and ASCII.
    pub name: String,
    /// Whose.
    pub org: OrgId,
    /// Where it stands.
    pub state: DomainState,
    /// Makes repeats of one call to Route 53 one zone.
    pub reference: String,
    /// Route 53's id of the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<String>,
    /// The name servers that the parent domain must name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub name_servers: Vec<String>,
    /// Who added it.
    pub added_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When its delegation was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// Since when nobody is sent to it; absent while it is delegated, and before its first day for since it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelegated_since: Option<Timestamp>,
}

/// Where a customer's domain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainState {
    /// Its zone is being made.
    Creating,
    /// Its zone answers, and nobody is sent there: the parent does not name our name servers.
    Undelegated,
    /// The world asks our name servers.
    Delegated,
    /// Its records and its zone are being taken away.
    Deleting,
}

/// The name in the form that is stored: lower case, ASCII, without the last dot.
///
/// # Errors
/// 422 at `/name`, also for the domains that are the product's own, `ours`, and for names above and below them.
pub fn normal_name(text: &str, ours: &[&str]) -> Result<String, Refusal> {
    let refuse = |why: &str| Err(Refusal::invalid("/name", why));
    let Ok(name) = idna::domain_to_ascii_strict(text.trim_end_matches('.')) else {
        return refuse("This is no domain name.");
    };
    if !is_host_name(&name) || !name.contains('.') {
        return refuse("Give a domain name of at least two parts, such as example.com.");
    }
    if name.rsplit('.').next().is_some_and(|top| top.bytes().all(|byte| byte.is_ascii_digit())) {
        return refuse("This is an address, no domain name.");
    }
    let within = |name: &str, zone: &str| name == zone || name.ends_with(&format!(".{zone}"));
    if ours.iter().any(|own| within(&name, own) || within(own, &name)) {
        return refuse("The name is the product's own; names under it are given by the labels of sites.");
    }
    Ok(name)
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= LONGEST && name.split('.').all(label)
}

impl CustomDomain {
    /// A domain is added.
    #[must_use]
    pub fn added(name: String, org: OrgId, reference: String, by: UserId, now: Timestamp) -> Self {
        Self {
            name,
            org,
            state: DomainState::Creating,
            reference,
            zone_id: None,
            name_servers: Vec::new(),
            added_by: by,
            created_at: now,
            checked_at: None,
            undelegated_since: None,
        }
    }

    /// Route 53 has its zone.
    #[must_use]
    pub fn made(self, zone_id: String, name_servers: Vec<String>) -> Self {
        Self { state: DomainState::Undelegated, zone_id: Some(zone_id), name_servers, ..self }
    }

    /// The world was asked for its name servers. Delegated is a domain whose parent names at least one of ours and no other.
    #[must_use]
    pub fn looked_up(self, found: &[String], now: Timestamp) -> Self {
        let plain = |name: &String| name.trim_end_matches('.').to_ascii_lowercase();
        let ours: Vec<String> = self.name_servers.iter().map(plain).collect();
        let all_ours = !found.is_empty() && found.iter().all(|name| ours.contains(&plain(name)));
        let (state, undelegated_since) = match (all_ours, self.state) {
            (true, _) => (DomainState::Delegated, None),
            (false, DomainState::Delegated) => (DomainState::Undelegated, Some(now)),
            (false, _) => (DomainState::Undelegated, self.undelegated_since),
        };
        Self { state, checked_at: Some(now), undelegated_since, ..self }
    }

    /// Whether its organisation has not shown for so long that it is theirs.
    #[must_use]
    pub fn is_unproven_for(&self, time: Duration, now: Timestamp) -> bool {
        let unproven = matches!(self.state, DomainState::Creating | DomainState::Undelegated);
        unproven && now.since(self.undelegated_since.unwrap_or(self.created_at)) >= time
    }

    /// When to look whether it ends: nobody proved it, or nobody pays.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let checked = self.checked_at.unwrap_or(self.created_at);
        match self.state {
            DomainState::Deleting => None,
            DomainState::Delegated => Some(checked + UNPROVEN),
            DomainState::Creating | DomainState::Undelegated => {
                let over = self.undelegated_since.unwrap_or(self.created_at) + UNPROVEN;
                Some(over.max(checked + LOOK_AGAIN))
            }
        }
    }

    /// It goes, with all its records.
    ///
    /// # Errors
    /// 409 `busy` while its zone is being made.
    pub fn delete(self) -> Result<Self, Refusal> {
        if self.state == DomainState::Creating {
            return Err(Refusal::conflict(
                "busy",
                "The domain's zone is being made; add the domain again first.",
            ));
        }
        Ok(Self { state: DomainState::Deleting, ..self })
    }

    /// Whether the world asks our name servers for it: so it is its organisation's.
    ///
    /// # Errors
    /// 409 `domain_not_ready`, `domain_not_delegated`.
    pub fn check_delegated(&self) -> Result<(), Refusal> {
        self.check_open()?;
        if self.state != DomainState::Delegated {
            let message = "The domain's parent does not name our name servers, and those alone, yet.";
            return Err(Refusal::conflict("domain_not_delegated", message));
        }
        Ok(())
    }

    /// Whether its records can be changed.
    ///
    /// # Errors
    /// 409 `domain_not_ready`.
    pub fn check_open(&self) -> Result<(), Refusal> {
        match self.state {
            DomainState::Undelegated | DomainState::Delegated => Ok(()),
            DomainState::Creating | DomainState::Deleting => {
                Err(Refusal::conflict("domain_not_ready", "The domain is being made or taken away."))
            }
        }
    }
}

/// A record set that a customer wants in a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecord {
    /// The full name; the domain itself, or a name under it.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// How long resolvers may keep it: 60 to 86400 seconds, 300 if not given.
    #[serde(default)]
    #[schemars(range(min = 60, max = 86400))]
    pub ttl_secs: Option<u64>,
    /// The values, as a zone file has them; texts without their quotation marks.
    #[schemars(length(min = 1, max = 100))]
    pub values: Vec<String>,
}

/// A name in a domain, as it is stored. A first label `*` stands for every name that has no records of its own.
///
/// # Errors
/// 422 at `/name`.
pub fn name_in(domain: &str, name: &str) -> Result<String, Refusal> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let rest = name.strip_prefix("*.").unwrap_or(&name);
    let inside = name == domain || rest == domain || rest.ends_with(&format!(".{domain}"));
    if !inside || !is_host_name(rest) {
        return Err(Refusal::invalid("/name", format!("must be {domain} or a name under it")));
    }
    Ok(name)
}

impl NewRecord {
    /// The record set, if it keeps the rules of its type. `others` are the types of what the name has already.
    ///
    /// # Errors
    /// 422 `invalid` with the pointer of what breaks a rule, 422 `cname_conflict`.
    pub fn check(self, domain: &str, others: &[RecordType]) -> Result<RecordSet, Refusal> {
        let name = name_in(domain, &self.name)?;
        let ttl_secs = self.ttl_secs.unwrap_or(300);
        if !(60..=86_400).contains(&ttl_secs) {
            return Err(Refusal::invalid("/ttl_secs", "must be 60 to 86400"));
        }
        if self.values.is_empty() || self.values.len() > MOST_VALUES {
            return Err(Refusal::invalid("/values", format!("must have 1 to {MOST_VALUES} values")));
        }
        let mut values = Vec::with_capacity(self.values.len());
        for (place, value) in self.values.iter().enumerate() {
            let value = checked(self.kind, value)
                .map_err(|rule| Refusal::invalid(format!("/values/{place}"), rule))?;
            if values.contains(&value) {
                return Err(Refusal::invalid(format!("/values/{place}"), "is there twice"));
            }
            values.push(value);
        }
        if values.iter().map(String::len).sum::<usize>() > LONGEST_VALUES {
            let rule = format!("must have at most {LONGEST_VALUES} characters together");
            return Err(Refusal::invalid("/values", rule));
        }
        let conflict = |why: &str| {
            let refusal = Refusal::invalid("/type", why);
            Err(Refusal { code: "cname_conflict", ..refusal })
        };
        if self.kind == RecordType::Cname {
            if name == domain {
                return conflict("The domain itself cannot be another name for something else.");
            }
            if values.len() > 1 {
                return Err(Refusal::invalid("/values", "a CNAME has one value"));
            }
            if others.iter().any(|other| *other != RecordType::Cname) {
                return conflict("The name has other records, and a CNAME stands alone.");
            }
        } else if others.contains(&RecordType::Cname) {
            return conflict("The name is a CNAME, which stands alone.");
        }
        Ok(RecordSet { name, kind: self.kind, ttl_secs, values })
    }
}

fn checked(kind: RecordType, value: &str) -> Result<String, &'static str> {
    let host = |text: &str| {
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        is_host_name(&name).then_some(name).ok_or("must be a host name")
    };
    match kind {
        RecordType::A => {
            value.parse::<Ipv4Addr>().map(|ip| ip.to_string()).map_err(|_| "must be an IPv4 address")
        }
        RecordType::Aaaa => {
            value.parse::<Ipv6Addr>().map(|ip| ip.to_string()).map_err(|_| "must be an IPv6 address")
        }
        RecordType::Cname => host(value),
        RecordType::Mx => {
            let (preference, name) = value.split_once(' ').ok_or("must be a preference and a host name")?;
            let preference: u16 =
                preference.parse().map_err(|_| "must begin with a preference of 0 to 65535")?;
            Ok(format!("{preference} {}", host(name.trim())?))
        }
        RecordType::Txt => quoted(value),
    }
}

/// A text as Route 53 takes it: strings of at most 255 characters in quotation marks.
fn quoted(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.len() > 2_000 || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err("must be 1 to 2000 printable ASCII characters");
    }
    let mut strings = vec![String::new()];
    for letter in text.chars() {
        let escaped = if matches!(letter, '"' | '\\') { format!("\\{letter}") } else { letter.to_string() };
        match strings.last_mut() {
            Some(last) if last.len() + escaped.len() <= LONGEST_STRING => last.push_str(&escaped),
            _ => strings.push(escaped),
        }
    }
    Ok(strings.iter().map(|string| format!("\"{string}\"")).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RefusalKind;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn record(name: &str, kind: RecordType, values: &[&str]) -> NewRecord {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        NewRecord { name: name.to_owned(), kind, ttl_secs: None, values }
    }

    #[test]
    fn a_domain_has_one_spelling_and_is_not_ours() {
        let normal = |text: &str| normal_name(text, &["sites.example", "mail.tenantry.net"]).ok();
        assert_eq!(normal("Example.COM.").as_deref(), Some("example.com"));
        assert_eq!(normal("münchen.example.org").as_deref(), Some("xn--mnchen-3ya.example.org"));
        for wrong in [
            "com",
            "",
            "a..b",
            "192.0.2.1",
            "acme.sites.example",
            "sites.example",
            "mail.tenantry.net",
            "a.mail.tenantry.net",
            "tenantry.net",
            "example",
            "-a.com",
            "a b.com",
        ] {
            assert_eq!(normal(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_parent_that_names_our_servers_alone_delegates() {
        let domain = CustomDomain::added(
            "example.com".into(),
            OrgId::from_ulid(1),
            "r".into(),
            UserId::from_ulid(2),
            NOW,
        );
        assert_eq!(domain.clone().delete().map_err(|no| no.code), Err("busy"));
        let made = domain.made("Z1".into(), vec!["ns-1.aws.com.".into(), "ns-2.aws.net".into()]);
        let state = |found: &[&str]| {
            let found: Vec<String> = found.iter().map(|name| (*name).to_owned()).collect();
            made.clone().looked_up(&found, NOW).state
        };
        assert_eq!(state(&[]), DomainState::Undelegated);
        assert_eq!(state(&["NS-1.aws.com"]), DomainState::Delegated);
        assert_eq!(state(&["ns-2.aws.net.", "ns-1.aws.com"]), DomainState::Delegated);
        assert_eq!(state(&["ns-1.aws.com", "ns.elsewhere.com"]), DomainState::Undelegated);
    }

    #[test]
    fn what_nobody_proves_is_somebodys_for_a_while_only() {
        let (day, ours) = (Duration::from_secs(24 * 3_600), ["ns-1.aws.com".to_owned()]);
        let (org, by) = (OrgId::from_ulid(1), UserId::from_ulid(2));
        let added = CustomDomain::added("example.com".into(), org, "r".into(), by, NOW);
        assert_eq!(added.due_at(), Some(NOW + UNPROVEN), "also one whose zone was never made");
        let made = added.made("Z1".into(), ours.to_vec());
        let seen = made.looked_up(&[], NOW + day * 13);
        assert!(
            !seen.is_unproven_for(UNPROVEN, NOW + day * 13) && seen.is_unproven_for(UNPROVEN, NOW + day * 14)
        );
        let proven = seen.looked_up(&ours, NOW + day * 13);
        assert!(!proven.is_unproven_for(UNPROVEN, NOW + day * 99));
        let lost = proven.looked_up(&[], NOW + day * 50);
        assert!(
            !lost.is_unproven_for(YIELDS, NOW + day * 52) && lost.is_unproven_for(YIELDS, NOW + day * 53)
        );
        assert_eq!(lost.due_at(), Some(NOW + day * 64));
        let kept = lost.looked_up(&[], NOW + day * 70);
        assert_eq!(kept.due_at(), Some(NOW + day * 71), "something keeps it: a day later");
    }

    #[test]
    fn a_record_keeps_the_rules_of_its_type() {
        use RecordType::{A, Aaaa, Mx, Txt};
        let check = |record: NewRecord| record.check("example.com", &[]).map(|set| set.values);
        assert_eq!(check(record("www.example.com.", A, &["192.0.2.1"])), Ok(vec!["192.0.2.1".to_owned()]));
        assert_eq!(
            check(record("*.example.com", Aaaa, &["2001:DB8::1"])),
            Ok(vec!["2001:db8::1".to_owned()])
        );
        assert_eq!(
            check(record("example.com", Mx, &["10 Mail.example.com."])),
            Ok(vec!["10 mail.example.com".to_owned()])
        );
        assert_eq!(
            check(record("example.com", Txt, &["say \"hi\""])),
            Ok(vec!["\"say \\\"hi\\\"\"".to_owned()])
        );
        let long = check(record("k._domainkey.example.com", Txt, &[&"a".repeat(450)])).expect("split");
        assert_eq!(long[0].matches('"').count(), 4);
        let marks =
            check(record("example.com", Txt, &[&"\"".repeat(130)])).expect("split by what is escaped");
        assert!(marks[0].split("\" \"").all(|string| string.len() <= LONGEST_STRING + 1), "{marks:?}");
        assert_eq!(marks[0].split("\" \"").count(), 2);
        let many: Vec<String> = (0..10).map(|number| format!("{number}{}", "a".repeat(1_600))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let refusal = check(record("example.com", Txt, &many)).expect_err("too much for one request");
        assert_eq!(refusal.kind, RefusalKind::Invalid { pointer: "/values".to_owned() });
        for (wrong, pointer) in [
            (record("example.org", A, &["192.0.2.1"]), "/name"),
            (record("notexample.com", A, &["192.0.2.1"]), "/name"),
            (record("a.*.example.com", A, &["192.0.2.1"]), "/name"),
            (record("example.com", A, &["2001:db8::1"]), "/values/0"),
            (record("example.com", A, &["192.0.2.1", "192.0.2.1"]), "/values/1"),
            (record("example.com", A, &[]), "/values"),
            (record("example.com", Mx, &["mail.example.com"]), "/values/0"),
            (record("example.com", Txt, &["a\nb"]), "/values/0"),
            (NewRecord { ttl_secs: Some(5), ..record("example.com", A, &["192.0.2.1"]) }, "/ttl_secs"),
        ] {
            let refusal = check(wrong.clone()).expect_err("a broken rule");
            assert_eq!(refusal.kind, RefusalKind::Invalid { pointer: pointer.to_owned() }, "{wrong:?}");
        }
    }

    #[test]
    fn a_cname_stands_alone() {
        use RecordType::{A, Cname, Txt};
        let code = |record: NewRecord, others: &[RecordType]| {
            record.check("example.com", others).map(|_| ()).map_err(|no| no.code)
        };
        let cname = || record("www.example.com", Cname, &["acme.sites.example"]);
        assert_eq!(code(cname(), &[]), Ok(()));
        assert_eq!(code(cname(), &[Cname]), Ok(()), "it is replaced");
        assert_eq!(code(cname(), &[Txt]), Err("cname_conflict"));
        assert_eq!(code(record("www.example.com", A, &["192.0.2.1"]), &[Cname]), Err("cname_conflict"));
        assert_eq!(code(record("example.com", Cname, &["a.b"]), &[]), Err("cname_conflict"));
    }
}
