//! The keys of the area's items.

use domain::hosting::orphan::OrphanKind;
use domain::hosting::{BackupId, ChangeId, Label, LogId, RecordType, StepName};
use domain::{HostId, OperationId, OrgId, SiteId};
use platform::store::Key;

/// Operations that are due lie in so many partitions, so that a busy day makes none of them hot.
pub const OPERATION_SHARDS: u128 = 8;
/// Mail domains that are to be looked at, likewise.
pub const IDENTITY_SHARDS: u128 = 4;
/// Sites with something due, likewise.
pub const SITE_SHARDS: u128 = 4;

/// A site.
#[must_use]
pub fn site(org: OrgId, site: SiteId) -> Key {
    Key::new(org_partition(org), format!("{SITE}{site}"))
}

/// What an organisation uses.
#[must_use]
pub fn usage(org: OrgId) -> Key {
    Key::new(org_partition(org), "USAGE")
}

/// What was last heard of an organisation's plan.
#[must_use]
pub fn plan(org: OrgId) -> Key {
    Key::new(org_partition(org), "PLAN")
}

/// A mail domain.
#[must_use]
pub fn identity(org: OrgId, domain: &str) -> Key {
    Key::new(org_partition(org), format!("{IDENTITY}{domain}"))
}

/// Whose a mail domain is: SES knows each once, for everybody.
#[must_use]
pub fn mail_claim(domain: &str) -> Key {
    Key::new(format!("SES#{domain}"), "CLAIM")
}

/// A customer's domain.
#[must_use]
pub fn domain(org: OrgId, name: &str) -> Key {
    Key::new(org_partition(org), format!("DOM#{name}"))
}

/// A backup of a site.
#[must_use]
pub fn backup(site: SiteId, backup: BackupId) -> Key {
    Key::new(site_partition(site), format!("{BACKUP}{backup}"))
}

/// How a site's mail fares.
#[must_use]
pub fn mail_standing(site: SiteId) -> Key {
    Key::new(site_partition(site), "MAIL")
}

/// How much a site uses.
#[must_use]
pub fn measure(org: OrgId, site: SiteId) -> Key {
    Key::new(org_partition(org), format!("{MEASURE}{site}"))
}

/// Something without an owner.
#[must_use]
pub fn orphan(kind: OrphanKind, name: &str) -> Key {
    Key::new(ORPHANS, format!("{}#{name}", kind.as_str()))
}

/// An operation.
#[must_use]
pub fn operation(operation: OperationId) -> Key {
    Key::new(operation_partition(operation), "OP")
}

/// A step of an operation; they sort in their order.
#[must_use]
pub fn step(operation: OperationId, number: usize, name: StepName) -> Key {
    Key::new(operation_partition(operation), format!("{STEP}{number:02}#{}", name.as_str()))
}

/// A line of an operation's log.
#[must_use]
pub fn log(operation: OperationId, line: LogId) -> Key {
    Key::new(operation_partition(operation), format!("{LOG}{line}"))
}

/// Who holds a label.
#[must_use]
pub fn claim(zone: &str, label: &Label) -> Key {
    Key::new(format!("LABEL#{zone}#{label}"), "CLAIM")
}

/// A host.
#[must_use]
pub fn host(host: HostId) -> Key {
    Key::new(host_partition(host), "HOST")
}

/// A host's room for a site.
#[must_use]
pub fn reservation(host: HostId, site: SiteId) -> Key {
    Key::new(host_partition(host), format!("{RESERVATION}{site}"))
}

/// A pool.
#[must_use]
pub fn pool(name: &str) -> Key {
    Key::new(pool_partition(name), "CFG")
}

/// A host's place in a pool.
#[must_use]
pub fn member(pool: &str, host: HostId) -> Key {
    Key::new(pool_partition(pool), format!("{MEMBER}{host}"))
}

/// A site's place among those who wait for room.
#[must_use]
pub fn waiter(pool: &str, site: SiteId) -> Key {
    Key::new(pool_partition(pool), format!("{WAITER}{site}"))
}

/// A zone.
#[must_use]
pub fn zone(name: &str) -> Key {
    Key::new(zone_partition(name), "ZONE")
}

/// A record that the product keeps.
#[must_use]
pub fn record(zone: &str, name: &str, kind: RecordType) -> Key {
    Key::new(zone_partition(zone), format!("{}#{}", records_under(name), kind.as_str()))
}

/// What the keys of a name's records and of all names under it begin with: names are turned round, so that `acme`'s lie
/// together and `acme-shop`'s do not lie among them.
#[must_use]
pub fn records_under(name: &str) -> String {
    let turned: Vec<&str> = name.rsplit('.').collect();
    format!("{RECORD}{}.", turned.join("."))
}

/// A change in a zone's queue.
#[must_use]
pub fn change(zone: &str, change: ChangeId) -> Key {
    Key::new(zone_partition(zone), format!("{CHANGE}{change}"))
}

pub(super) const SITE: &str = "SITE#";
pub(super) const IDENTITY: &str = "SES#";
pub(super) const STEP: &str = "STEP#";
pub(super) const LOG: &str = "LOG#";
pub(super) const RESERVATION: &str = "RES#";
pub(super) const MEMBER: &str = "HOST#";
pub(super) const WAITER: &str = "WAIT#";
pub(super) const MEASURE: &str = "MEASURE#";
pub(super) const ORPHANS: &str = "ORPHANS";
pub(super) const BACKUP: &str = "BK#";
pub(super) const RECORD: &str = "REC#";
pub(super) const CHANGE: &str = "CHG#";
pub(super) const DUE_ZONE: &str = "DUE#ZONE";
pub(super) const DUE_POOL: &str = "DUE#POOL";

pub(super) fn org_partition(org: OrgId) -> String {
    format!("ORG#{org}")
}

pub(super) fn site_partition(site: SiteId) -> String {
    format!("{SITE}{site}")
}

pub(super) fn due_sites(shard: u128) -> String {
    format!("DUE#SITE#{shard}")
}

pub(super) fn due_domains(shard: u128) -> String {
    format!("DUE#DOMAIN#{shard}")
}

pub(super) fn operation_partition(operation: OperationId) -> String {
    format!("OP#{operation}")
}

pub(super) fn host_partition(host: HostId) -> String {
    format!("HOST#{host}")
}

pub(super) fn pool_partition(pool: &str) -> String {
    format!("POOL#{pool}")
}

/// The index partition of a pool's hosts that take sites, or of those that do not.
pub(super) fn pool_index(pool: &str, ready: bool) -> String {
    format!("POOL#{pool}#{}", if ready { "ready" } else { "out" })
}

pub(super) fn zone_partition(zone: &str) -> String {
    format!("ZONE#{zone}")
}

pub(super) fn due_operations(shard: u128) -> String {
    format!("DUE#OPERATION#{shard}")
}

pub(super) fn due_identities(shard: u128) -> String {
    format!("DUE#IDENTITY#{shard}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_name_lie_together_and_apart_from_others() {
        let under = records_under("acme.sites.example");
        let key = |name: &str| record("sites.example", name, RecordType::A).sk;
        assert!(key("acme.sites.example").starts_with(&under));
        assert!(key("k1._domainkey.acme.sites.example").starts_with(&under));
        assert!(!key("acme-shop.sites.example").starts_with(&under));
        assert!(!key("sites.example").starts_with(&under));
    }
}
