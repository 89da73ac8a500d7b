//! Route 53: hosted zones, strict change batches, changes that take two seconds to be in sync, and the names they make.

mod batch;
mod names;
mod records;
mod zones;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use http::Response;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use super::answer::{AwsError, xml_answer};
use super::documents::{Documents, Shelf};
use super::form::Form;
use super::ids;
use super::rights::Needed;
use super::xml;
use crate::{Clock, Result};

pub use records::Record;
pub use zones::Zone;

/// A change is in sync with all name servers after this long.
const IN_SYNC_AFTER: Duration = Duration::from_secs(2);

/// GetChange knows so many of the latest changes.
const MOST_CHANGES_KEPT: usize = 10_000;

/// A chain of aliases is followed so far.
const MOST_HOPS: usize = 8;

/// Route 53.
pub struct Route53 {
    zones: Shelf<Zone>,
    /// By zone and reversed name, which is the order that Route 53 lists in.
    records: Shelf<Record>,
    /// By id, which begins with the time.
    changes: Shelf<Timestamp>,
    clock: Clock,
}

/// The operation of a request, by method and path.
pub(super) fn operation(parts: &Parts) -> Option<&'static str> {
    let path = parts.uri.path().strip_prefix("/2013-04-01/")?;
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    Some(match (parts.method.as_str(), segments.as_slice()) {
        ("POST", ["hostedzone"]) => "CreateHostedZone",
        ("GET", ["hostedzone"]) => "ListHostedZones",
        ("GET", ["hostedzonesbyname"]) => "ListHostedZonesByName",
        ("GET", ["hostedzone", _]) => "GetHostedZone",
        ("DELETE", ["hostedzone", _]) => "DeleteHostedZone",
        ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
        ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
        ("GET", ["change", _]) => "GetChange",
        _ => return None,
    })
}

/// The zone or change that a path names.
fn named(parts: &Parts) -> &str {
    parts.uri.path().split('/').nth(3).unwrap_or_default()
}

pub(super) fn needs(operation: &str, parts: &Parts) -> Vec<Needed> {
    let id = named(parts);
    let resource = match operation {
        "CreateHostedZone" | "ListHostedZones" | "ListHostedZonesByName" => "*".to_owned(),
        "GetChange" => format!("arn:aws:route53:::change/{id}"),
        _ => format!("arn:aws:route53:::hostedzone/{id}"),
    };
    vec![Needed::new(format!("route53:{operation}"), resource)]
}

/// A change that was submitted.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ChangeInfo {
    id: String,
    submitted_at: Timestamp,
}

impl Route53 {
    pub(super) fn open(documents: &Arc<Documents>, clock: &Clock) -> Result<Self> {
        Ok(Self {
            zones: Shelf::open(documents, "route53-zone")?,
            records: Shelf::open(documents, "route53-record")?,
            changes: Shelf::open(documents, "route53-change")?,
            clock: clock.clone(),
        })
    }

    pub(super) fn call(
        &self,
        operation: &str,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<Bytes>, AwsError> {
        let query = Form::parse(parts.uri.query().unwrap_or_default());
        let body = std::str::from_utf8(body).unwrap_or_default();
        let id = named(parts);
        let (status, inner) = match operation {
            "CreateHostedZone" => (201, self.create_hosted_zone(body)?),
            "ListHostedZones" => (200, self.list_zones(&query)),
            "ListHostedZonesByName" => (200, self.list_zones_by_name(&query)),
            "GetHostedZone" => (200, self.get_zone(id)?),
            "DeleteHostedZone" => (200, self.delete_zone(id)?),
            "ChangeResourceRecordSets" => (200, self.change_records(id, body)?),
            "ListResourceRecordSets" => (200, self.list_records(id, &query)?),
            "GetChange" => (200, self.get_change(id)?),
            other => {
                return Err(AwsError::bad(
                    "InvalidInput",
                    format!("The operation {other} is not played locally."),
                ));
            }
        };
        let name = format!("{operation}Response");
        let body =
            format!("<{name} xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">{inner}</{name}>");
        Ok(xml_answer(status, body))
    }

    /// Keeps a new change; as it is answered.
    fn submit(&self) -> Result<ChangeInfo, AwsError> {
        let submitted_at = self.clock.now();
        let id = format!("C{:012X}{}", submitted_at.as_millis(), ids::capitals(6));
        self.changes.change::<_, AwsError>(|changes| {
            let oldest = changes.keys().next().filter(|_| changes.len() >= MOST_CHANGES_KEPT);
            let forgotten = oldest.map(|oldest| (oldest.clone(), None));
            Ok(([(id.clone(), Some(submitted_at))].into_iter().chain(forgotten).collect(), ()))
        })?;
        Ok(ChangeInfo { id, submitted_at })
    }

    fn get_change(&self, id: &str) -> Result<String, AwsError> {
        let submitted_at = self.changes.get(id).ok_or_else(|| {
            AwsError::new(404, "NoSuchChange", format!("Could not find resource with ID: {id}"))
        })?;
        Ok(self.change_xml(&ChangeInfo { id: id.to_owned(), submitted_at }))
    }

    fn change_xml(&self, change: &ChangeInfo) -> String {
        let in_sync = self.clock.now() >= change.submitted_at + IN_SYNC_AFTER;
        let id = xml::text("Id", format!("/change/{}", change.id));
        let status = xml::text("Status", if in_sync { "INSYNC" } else { "PENDING" });
        let submitted = xml::text("SubmittedAt", change.submitted_at.to_string());
        xml::element("ChangeInfo", id + &status + &submitted)
    }

    /// The values that a name server would answer for a name and type.
    #[must_use]
    pub fn lookup(&self, name: &str, kind: &str) -> Vec<String> {
        let now = self.clock.now();
        let name = names::normal(name);
        let found = self.zone_of(&name).and_then(|zone| {
            let exact = self.records.get(&records::key(&zone.id, &name, kind, ""));
            if exact.is_some() || self.records.look(|all| records::holds_name(all, &zone.id, &name)) {
                return exact;
            }
            // A wildcard answers only for a name that has nothing of its own.
            let (_, parent) = name.split_once('.')?;
            self.records.get(&records::key(&zone.id, &format!("\\052.{parent}"), kind, ""))
        });
        found.map(|record| record.served(now).to_vec()).unwrap_or_default()
    }

    /// The address that a name leads to, by way of CNAMEs and aliases.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Ipv4Addr> {
        let mut name = name.to_owned();
        for _ in 0..MOST_HOPS {
            if let Some(address) = self.lookup(&name, "A").first() {
                if let Ok(address) = address.parse() {
                    return Some(address);
                }
                name = address.clone();
            } else {
                name = self.lookup(&name, "CNAME").first()?.clone();
            }
        }
        None
    }

    /// The closest zone that a name is in.
    fn zone_of(&self, name: &str) -> Option<Zone> {
        self.zones.look(|zones| {
            let holding = zones.values().filter(|zone| names::is_within(name, &zone.name));
            holding.max_by_key(|zone| zone.name.len()).cloned()
        })
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        self.changes.look(|changes| {
            let pending = changes.values().rev().map(|submitted| *submitted + IN_SYNC_AFTER);
            pending.take_while(|due| *due > now).last()
        })
    }
}
