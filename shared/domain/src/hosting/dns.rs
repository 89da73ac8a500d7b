//! Records that the product keeps in Route 53: which a site needs, and the queue of changes to them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Id, Kind};
use crate::{Event, OperationId, OrgId, SiteId, Timestamp};

/// The most changes in one batch. Route 53 takes 1,000 and 32,000 characters of values, counting an UPSERT twice; a site's
/// values are 40 characters long on average.
pub const MOST_CHANGES: usize = 350;
/// A site's address changes when it moves; resolvers must notice within a minute.
pub const ADDRESS_TTL: u64 = 60;
const TTL: u64 = 300;

/// The kind of `chg_…` identifiers.
#[derive(Debug)]
pub enum Change {}

impl Kind for Change {
    const PREFIX: &'static str = "chg";
    const NAME: &'static str = "ChangeId";
}

/// A place in a zone's queue of changes.
pub type ChangeId = Id<Change>;

/// A type of DNS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name of.
    Cname,
    /// Where mail goes.
    Mx,
    /// Text.
    Txt,
}

impl RecordType {
    /// As DNS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Txt => "TXT",
        }
    }
}

/// All records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordSet {
    /// The full name, without the last dot.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// How long resolvers may keep it.
    pub ttl_secs: u64,
    /// The values as a zone file writes them: texts in quotes.
    pub values: Vec<String>,
}

impl RecordSet {
    fn new(name: String, kind: RecordType, ttl_secs: u64, value: String) -> Self {
        Self { name, kind, ttl_secs, values: vec![value] }
    }

    /// Whether resolvers learn the same from both: values have no order, and the last dot of a name says nothing.
    #[must_use]
    pub fn says_what(&self, other: &Self) -> bool {
        let said = |set: &Self| -> BTreeSet<String> {
            let names = matches!(set.kind, RecordType::Cname | RecordType::Mx);
            let plain = |value: &String| value.trim_end_matches('.').to_ascii_lowercase();
            set.values.iter().map(|value| if names { plain(value) } else { value.clone() }).collect()
        };
        self.ttl_secs == other.ttl_secs && said(self) == said(other)
    }
}

/// What SES wants to read in the DNS before it believes a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTokens {
    /// Proves the domain.
    pub verification: String,
    /// Names of the keys that sign mail.
    pub dkim: Vec<String>,
    /// The bounce domain.
    pub mail_from: String,
}

/// Every record of a site: its address, and what lets it send mail that is believed.
#[must_use]
pub fn records_of_site(fqdn: &str, ip: &str, mail: &MailTokens, region: &str) -> Vec<RecordSet> {
    let address = RecordSet::new(fqdn.to_owned(), RecordType::A, ADDRESS_TTL, ip.to_owned());
    std::iter::once(address).chain(mail_records(fqdn, mail, region)).collect()
}

/// What lets a domain send mail that is believed.
#[must_use]
pub fn mail_records(domain: &str, mail: &MailTokens, region: &str) -> Vec<RecordSet> {
    use RecordType::{Cname, Mx, Txt};
    let text = |value: &str| format!("\"{value}\"");
    let proof = text(&mail.verification);
    let mut records = vec![RecordSet::new(format!("_amazonses.{domain}"), Txt, TTL, proof)];
    records.extend(mail.dkim.iter().map(|token| {
        let name = format!("{token}._domainkey.{domain}");
        RecordSet::new(name, Cname, TTL, format!("{token}.dkim.amazonses.com"))
    }));
    let feedback = format!("10 feedback-smtp.{region}.amazonses.com");
    records.extend([
        RecordSet::new(mail.mail_from.clone(), Mx, TTL, feedback),
        RecordSet::new(mail.mail_from.clone(), Txt, TTL, text("v=spf1 include:amazonses.com ~all")),
        RecordSet::new(format!("_dmarc.{domain}"), Txt, TTL, text("v=DMARC1; p=quarantine; adkim=r; aspf=r")),
    ]);
    records
}

/// A zone that the product keeps records in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Zone {
    /// Its name, without the last dot.
    pub name: String,
    /// Whose it is; absent for the product's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// Route 53's id, for a customer's zone that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<String>,
    /// All its records and the zone itself are to go.
    #[serde(default)]
    pub ends: bool,
    /// When its queue must be looked at again; absent when it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// Throttled calls in a row.
    #[serde(default)]
    pub throttled: u32,
}

impl Zone {
    /// A zone with an empty queue.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), org: None, zone_id: None, ends: false, next_at: None, throttled: 0 }
    }

    /// A customer's zone, before Route 53 has it.
    #[must_use]
    pub fn of(name: &str, org: OrgId) -> Self {
        Self { org: Some(org), ..Self::new(name) }
    }
}

/// A record as the product wants it, and how far the name servers are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManagedRecord {
    /// The zone.
    pub zone: String,
    /// The record.
    pub record: RecordSet,
    /// Whether it shall be there.
    pub action: DnsAction,
    /// How far the name servers are.
    pub state: RecordState,
    /// Why Route 53 refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whose.
    pub org: OrgId,
    /// Of which site; absent for what a customer keeps in a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// By which operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    /// Grows with each wish about this name and type, also over its deletion: the newest wish wins.
    pub revision: i64,
}

/// Whether a record shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DnsAction {
    /// It shall be there, with these values.
    Upsert,
    /// It shall be gone.
    Delete,
}

/// How far the name servers are with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Asked for.
    Queued,
    /// Every name server answers as wanted.
    Insync,
    /// Route 53 refuses it.
    Rejected,
}

/// A change that waits for, or is under way to, the name servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsChange {
    /// Its place in the queue.
    pub id: ChangeId,
    /// The zone.
    pub zone: String,
    /// What to do.
    pub action: DnsAction,
    /// With which record; a deletion names the values that are there.
    pub record: RecordSet,
    /// For which site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// Which wish about the record.
    pub revision: i64,
    /// Route 53's id of the batch that carries it; absent while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted: Option<String>,
}

impl ManagedRecord {
    /// A record is wanted.
    #[must_use]
    pub fn wanted(
        zone: &str,
        record: RecordSet,
        (org, site, operation): (OrgId, SiteId, OperationId),
        before: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        Self {
            zone: zone.to_owned(),
            record,
            action: DnsAction::Upsert,
            state: RecordState::Queued,
            error: None,
            org,
            site: Some(site),
            operation: Some(operation),
            revision: next_revision(before, now),
        }
    }

    /// A customer wants a record in a domain.
    #[must_use]
    pub fn kept(zone: &str, record: RecordSet, org: OrgId, before: Option<&Self>, now: Timestamp) -> Self {
        Self {
            zone: zone.to_owned(),
            record,
            action: DnsAction::Upsert,
            state: RecordState::Queued,
            error: None,
            org,
            site: None,
            operation: None,
            revision: next_revision(before, now),
        }
    }

    /// The record is wanted no more.
    #[must_use]
    pub fn unwanted(self, operation: Option<OperationId>, now: Timestamp) -> Self {
        let revision = next_revision(Some(&self), now);
        Self {
            action: DnsAction::Delete,
            state: RecordState::Queued,
            error: None,
            operation,
            revision,
            ..self
        }
    }

    /// Route 53 refused the record, and shall be asked once more.
    #[must_use]
    pub fn wished_again(self, now: Timestamp) -> Self {
        let revision = next_revision(Some(&self), now);
        Self { state: RecordState::Queued, error: None, revision, ..self }
    }

    /// Whether the newest wish about it was made at this time or earlier.
    #[must_use]
    pub fn is_wished_by(&self, at: Timestamp) -> bool {
        self.revision <= at.as_millis()
    }

    /// The change that carries this wish to the name servers.
    #[must_use]
    pub fn change(&self, id: ChangeId) -> DnsChange {
        DnsChange {
            id,
            zone: self.zone.clone(),
            action: self.action,
            record: self.record.clone(),
            site: self.site,
            revision: self.revision,
            submitted: None,
        }
    }
}

/// Milliseconds, unless two wishes fall into one: so a wish is newer than one about a record that was deleted since.
fn next_revision(before: Option<&ManagedRecord>, now: Timestamp) -> i64 {
    before.map_or(now.as_millis(), |before| now.as_millis().max(before.revision + 1))
}

/// Waiting changes, sorted out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// To submit together: at most one of each name and type.
    pub submit: Vec<DnsChange>,
    /// Overtaken by a newer wish about the same record.
    pub superseded: Vec<DnsChange>,
}

/// The next batch from changes in the order of the queue.
#[must_use]
pub fn next_batch(changes: &[DnsChange], most: usize) -> Batch {
    let mut newest: BTreeMap<(&str, RecordType), i64> = BTreeMap::new();
    for change in changes {
        let revision = newest.entry((&change.record.name, change.record.kind)).or_insert(change.revision);
        *revision = change.revision.max(*revision);
    }
    let mut batch = Batch::default();
    for change in changes.iter().filter(|change| change.submitted.is_none()) {
        if newest.get(&(change.record.name.as_str(), change.record.kind)) != Some(&change.revision) {
            batch.superseded.push(change.clone());
        } else if batch.submit.len() < most {
            batch.submit.push(change.clone());
        }
    }
    batch
}

/// `hosting.dns_changes_queued`: a zone has changes waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsChangesQueued {
    /// Which zone.
    pub zone: String,
}

/// `hosting.dns_change_rejected`: Route 53 refuses a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsChangeRejected {
    /// In which zone.
    pub zone: String,
    /// Of which site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// Which record.
    pub name: String,
    /// Its type.
    pub record_type: RecordType,
    /// Why.
    pub reason: String,
}

/// `hosting.record_drifted`: Route 53 had something else than what is wanted, by nobody's wish. It is asked for again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordDrifted {
    /// In which zone.
    pub zone: String,
    /// Of which site; absent for what a customer keeps in a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// Which record.
    pub name: String,
    /// Its type.
    pub record_type: RecordType,
    /// The values that were there; none when the record was gone.
    pub found: Vec<String>,
}

impl Event for RecordDrifted {
    const TYPE: &'static str = "hosting.record_drifted";
}

impl Event for DnsChangesQueued {
    const TYPE: &'static str = "hosting.dns_changes_queued";
}

impl Event for DnsChangeRejected {
    const TYPE: &'static str = "hosting.dns_change_rejected";
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn wanted(name: &str, before: Option<&ManagedRecord>) -> ManagedRecord {
        let record = RecordSet::new(name.to_owned(), RecordType::A, 60, "203.0.113.1".to_owned());
        let owner = (OrgId::from_ulid(1), SiteId::from_ulid(2), OperationId::from_ulid(3));
        ManagedRecord::wanted("sites.example", record, owner, before, NOW)
    }

    #[test]
    fn a_site_needs_eight_record_sets() {
        let mail = MailTokens {
            verification: "proof".into(),
            dkim: vec!["k1".into(), "k2".into(), "k3".into()],
            mail_from: "bounce.acme.sites.example".into(),
        };
        let records = records_of_site("acme.sites.example", "203.0.113.1", &mail, "eu-west-1");
        let shown: Vec<String> = records
            .iter()
            .map(|record| format!("{} {} {}", record.name, record.kind.as_str(), record.values.join(",")))
            .collect();
        assert_eq!(
            shown,
            [
                "acme.sites.example A 203.0.113.1",
                "_amazonses.acme.sites.example TXT \"proof\"",
                "k1._domainkey.acme.sites.example CNAME k1.dkim.amazonses.com",
                "k2._domainkey.acme.sites.example CNAME k2.dkim.amazonses.com",
                "k3._domainkey.acme.sites.example CNAME k3.dkim.amazonses.com",
                "bounce.acme.sites.example MX 10 feedback-smtp.eu-west-1.amazonses.com",
                "bounce.acme.sites.example TXT \"v=spf1 include:amazonses.com ~all\"",
                "_dmarc.acme.sites.example TXT \"v=DMARC1; p=quarantine; adkim=r; aspf=r\"",
            ]
        );
    }

    #[test]
    fn a_record_says_the_same_in_any_order_and_not_for_another_time() {
        let set = |kind, values: &[&str]| RecordSet {
            name: "acme.example".to_owned(),
            kind,
            ttl_secs: 60,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let two = set(RecordType::A, &["203.0.113.1", "203.0.113.2"]);
        assert!(two.says_what(&set(RecordType::A, &["203.0.113.2", "203.0.113.1"])));
        assert!(!two.says_what(&set(RecordType::A, &["203.0.113.1"])));
        assert!(!two.says_what(&RecordSet { ttl_secs: 61, ..two.clone() }));
        let alias = set(RecordType::Cname, &["Shop.example."]);
        assert!(alias.says_what(&set(RecordType::Cname, &["shop.example"])));
        let text = set(RecordType::Txt, &["\"Proof.\""]);
        assert!(!text.says_what(&set(RecordType::Txt, &["\"proof.\""])), "texts are what they are");
    }

    #[test]
    fn the_newest_wish_about_a_record_wins_whatever_the_order_in_the_queue() {
        let first = wanted("a.sites.example", None);
        let second = first.clone().unwanted(Some(OperationId::from_ulid(4)), NOW);
        assert!(second.revision > first.revision, "within one millisecond");
        let other = wanted("b.sites.example", None);
        let changes = [
            second.change(ChangeId::from_ulid(1)),
            first.change(ChangeId::from_ulid(2)),
            other.change(ChangeId::from_ulid(3)),
        ];
        let batch = next_batch(&changes, MOST_CHANGES);
        assert_eq!(batch.submit, [changes[0].clone(), changes[2].clone()]);
        assert_eq!(batch.superseded, [changes[1].clone()]);
        assert_eq!(next_batch(&changes, 1).submit.len(), 1);
    }

    #[test]
    fn what_is_under_way_is_not_submitted_again() {
        let first = wanted("a.sites.example", None);
        let under_way = DnsChange { submitted: Some("C1".into()), ..first.change(ChangeId::from_ulid(1)) };
        let later = first.unwanted(Some(OperationId::from_ulid(4)), NOW).change(ChangeId::from_ulid(2));
        let batch = next_batch(&[under_way, later.clone()], MOST_CHANGES);
        assert_eq!((batch.submit, batch.superseded), (vec![later], Vec::new()));
    }
}
