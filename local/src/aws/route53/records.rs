//! Record sets: what they hold, whether their values are well-formed, and listing them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::answer::AwsError;
use super::super::form::Form;
use super::super::xml::{self, Element};
use super::{Route53, names};

/// A record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name, absolute.
    pub name: String,
    /// Its type, such as `CNAME`.
    pub kind: String,
    /// Tells apart sets of one name and type under a routing policy; empty for a simple one.
    pub set_identifier: String,
    /// Seconds for which it may be kept; none for an alias.
    pub ttl: Option<u32>,
    /// Its values.
    pub values: Vec<String>,
    /// The name it is an alias of.
    pub alias: Option<Alias>,
    /// When the name servers know it.
    #[serde(default)]
    pub(super) in_sync_at: Option<Timestamp>,
    /// What they answer until then.
    #[serde(default)]
    pub(super) before: Vec<String>,
}

/// What an alias record points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The zone of the target.
    pub zone: String,
    /// The target's name.
    pub name: String,
    /// `true` or `false`, as it was written.
    pub evaluate_health: String,
}

/// The key of a record set: in the order in which Route 53 lists.
pub(super) fn key(zone: &str, name: &str, kind: &str, set: &str) -> String {
    format!("{zone}\t{}\t{kind}\t{set}", names::reversed(name))
}

pub(super) fn of_zone<'a>(
    records: &'a BTreeMap<String, Record>,
    zone: &str,
) -> impl Iterator<Item = (&'a String, &'a Record)> {
    let prefix = format!("{zone}\t");
    records.range(prefix.clone()..).take_while(move |(key, _)| key.starts_with(&prefix))
}

/// Whether a name has records of any type.
pub(super) fn holds_name(records: &BTreeMap<String, Record>, zone: &str, name: &str) -> bool {
    let prefix = format!("{zone}\t{}\t", names::reversed(name));
    records.range(prefix.clone()..).next().is_some_and(|(key, _)| key.starts_with(&prefix))
}

impl Record {
    pub(super) fn plain(name: &str, kind: &str, ttl: u32, values: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            set_identifier: String::new(),
            ttl: Some(ttl),
            values,
            alias: None,
            in_sync_at: None,
            before: Vec::new(),
        }
    }

    /// The values that name servers answer at this moment; an alias answers its target's name.
    pub(super) fn served(&self, now: Timestamp) -> &[String] {
        let synced = self.in_sync_at.is_none_or(|at| now >= at);
        match (&self.alias, synced) {
            (_, false) => &self.before,
            (Some(alias), true) => std::slice::from_ref(&alias.name),
            (None, true) => &self.values,
        }
    }

    /// Whether two sets say the same; when they were changed does not matter.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let sorted = |record: &Self| {
            let mut values = record.values.clone();
            values.sort();
            values
        };
        self.ttl == other.ttl && sorted(self) == sorted(other) && self.alias == other.alias
    }

    pub(super) fn key(&self, zone: &str) -> String {
        key(zone, &self.name, &self.kind, &self.set_identifier)
    }

    /// Reads a `ResourceRecordSet`.
    pub(super) fn read(set: &Element) -> Result<Self, String> {
        let name = names::normal(set.text_of("Name").unwrap_or_default());
        let kind = set.text_of("Type").unwrap_or_default().to_owned();
        let values: Vec<String> = set
            .child("ResourceRecords")
            .into_iter()
            .flat_map(|records| records.each("ResourceRecord"))
            .filter_map(|record| record.text_of("Value"))
            .map(str::to_owned)
            .collect();
        let alias = set.child("AliasTarget").map(|target| Alias {
            zone: target.text_of("HostedZoneId").unwrap_or_default().to_owned(),
            name: names::normal(target.text_of("DNSName").unwrap_or_default()),
            evaluate_health: target.text_of("EvaluateTargetHealth").unwrap_or("false").to_owned(),
        });
        let ttl =
            set.text_of("TTL").map(str::parse).transpose().map_err(|_| "TTL is not a number".to_owned())?;
        let set_identifier = set.text_of("SetIdentifier").unwrap_or_default().to_owned();
        let record =
            Self { name, kind, set_identifier, ttl, values, alias, in_sync_at: None, before: Vec::new() };
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), String> {
        let named = format!("[name='{}', type='{}']", self.name, self.kind);
        if !names::is_valid(&self.name) {
            return Err(format!("FATAL problem: DomainLabelEmpty or unsupported characters in {named}"));
        }
        match (&self.alias, self.ttl) {
            (Some(_), None) if self.values.is_empty() => return Ok(()),
            (Some(_), _) => {
                return Err(format!("Invalid request: an alias has no TTL and no records: {named}"));
            }
            (None, None) => {
                return Err(format!("Invalid request: Missing field 'TTL' in Change with {named}"));
            }
            (None, Some(_)) if self.values.is_empty() => {
                return Err(format!(
                    "Invalid request: Missing field 'ResourceRecords' in Change with {named}"
                ));
            }
            (None, Some(_)) => {}
        }
        if matches!(&*self.kind, "CNAME" | "SOA") && self.values.len() > 1 {
            return Err(format!("Invalid Resource Record: a {} has one value: {named}", self.kind));
        }
        let mut sorted = self.values.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < self.values.len() {
            return Err(format!("Duplicate Resource Record in {named}"));
        }
        self.values.iter().try_for_each(|value| self.check_value(value))
    }

    fn check_value(&self, value: &str) -> Result<(), String> {
        let fatal = |problem: &str| {
            Err(format!("Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"))
        };
        let host = |name: &str| names::is_valid(&names::normal(name));
        match &*self.kind {
            "A" if value.parse::<Ipv4Addr>().is_err() => {
                fatal("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)")
            }
            "AAAA" if value.parse::<Ipv6Addr>().is_err() => {
                fatal("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)")
            }
            "CNAME" | "NS" | "PTR" if !host(value) => {
                fatal("RRDATAIllegalDomainName (Value is not a valid name)")
            }
            "MX" => match value.split_once(' ') {
                Some((priority, name)) if priority.parse::<u16>().is_ok() && host(name) => Ok(()),
                _ => fatal("MXRRDATAIncorrectFields (MX has a priority and a name)"),
            },
            "TXT" | "SPF" => check_text(value).map_err(|problem| {
                format!("Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''")
            }),
            "A" | "AAAA" | "CNAME" | "NS" | "PTR" | "SOA" | "SRV" | "CAA" => Ok(()),
            other => Err(format!("Invalid Resource Record: type {other} is not played locally")),
        }
    }

    fn to_xml(&self) -> String {
        let set = if self.set_identifier.is_empty() {
            String::new()
        } else {
            xml::text("SetIdentifier", &self.set_identifier)
        };
        let holds = match &self.alias {
            Some(alias) => {
                let fields = [
                    xml::text("HostedZoneId", &alias.zone),
                    xml::text("DNSName", &alias.name),
                    xml::text("EvaluateTargetHealth", &alias.evaluate_health),
                ];
                xml::element("AliasTarget", fields.concat())
            }
            None => {
                let values = self.values.iter().map(|value| xml::text("Value", value));
                let ttl = self.ttl.unwrap_or_default().to_string();
                xml::text("TTL", ttl) + &xml::list("ResourceRecords", "ResourceRecord", values)
            }
        };
        let fields = [xml::text("Name", &self.name), xml::text("Type", &self.kind), set, holds];
        xml::element("ResourceRecordSet", fields.concat())
    }
}

/// Text is one or more quoted strings of at most 255 characters.
fn check_text(value: &str) -> Result<(), &'static str> {
    let mut rest = value.trim();
    if rest.is_empty() {
        return Err("InvalidCharacterString (Value should be enclosed in quotation marks)");
    }
    while !rest.is_empty() {
        let Some(inner) = rest.strip_prefix('"') else {
            return Err("InvalidCharacterString (Value should be enclosed in quotation marks)");
        };
        let mut escaped = false;
        let end = inner.char_indices().find(|(_, character)| {
            let ends = *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            return Err("InvalidCharacterString (Value should be enclosed in quotation marks)");
        };
        if end > 255 {
            return Err("CharacterStringTooLong (Value is too long)");
        }
        rest = inner[end + 1..].trim_start();
    }
    Ok(())
}

impl Route53 {
    /// The records of a zone, in Route 53's order.
    #[must_use]
    pub fn records(&self, zone: &str) -> Vec<Record> {
        self.records.look(|records| of_zone(records, zone).map(|(_, record)| record.clone()).collect())
    }

    pub(super) fn list_records(&self, zone: &str, query: &Form) -> Result<String, AwsError> {
        self.zone(zone)?;
        let most =
            query.get("maxitems").and_then(|most| most.parse().ok()).unwrap_or(300_usize).clamp(1, 300);
        let (kind, set) = (query.get("type"), query.get("identifier"));
        if (kind.is_some() && query.get("name").is_none()) || (set.is_some() && kind.is_none()) {
            let told = "The parameter type needs name, and identifier needs type.";
            return Err(AwsError::bad("InvalidInput", told));
        }
        let from = query
            .get("name")
            .map(|name| key(zone, &names::normal(name), kind.unwrap_or_default(), set.unwrap_or_default()));
        let (page, next) = self.records.look(|records| {
            let from = from.as_deref().unwrap_or_default();
            let mut listed =
                of_zone(records, zone).filter(|(key, _)| key.as_str() >= from).map(|(_, record)| record);
            let page: String = listed.by_ref().take(most).map(Record::to_xml).collect();
            (page, listed.next().cloned())
        });
        let next_xml = next.as_ref().map(|next| {
            let set = if next.set_identifier.is_empty() {
                String::new()
            } else {
                xml::text("NextRecordIdentifier", &next.set_identifier)
            };
            xml::text("NextRecordName", &next.name) + &xml::text("NextRecordType", &next.kind) + &set
        });
        Ok([
            xml::element("ResourceRecordSets", page),
            xml::text("IsTruncated", if next.is_some() { "true" } else { "false" }),
            next_xml.unwrap_or_default(),
            xml::text("MaxItems", most.to_string()),
        ]
        .concat())
    }
}
