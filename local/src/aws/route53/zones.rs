//! Hosted zones.

use serde::{Deserialize, Serialize};

use super::super::answer::AwsError;
use super::super::documents::Change;
use super::super::form::Form;
use super::super::ids;
use super::super::xml::{self, Element};
use super::records::{self, Record};
use super::{Route53, names};

const NAME_SERVERS: [&str; 4] = [
    "ns-1.awsdns-local.com.",
    "ns-2.awsdns-local.net.",
    "ns-3.awsdns-local.org.",
    "ns-4.awsdns-local.co.uk.",
];

/// A hosted zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Zone {
    /// Its id, without `/hostedzone/`.
    pub id: String,
    /// Its name, with the final dot.
    pub name: String,
    pub(super) caller_reference: String,
    pub(super) comment: String,
}

fn no_such_zone(id: &str) -> AwsError {
    AwsError::new(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
}

impl Route53 {
    /// Makes a public zone with this id, unless it is there; for zones of the template.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn create_zone(&self, id: &str, name: &str) -> Result<Zone, AwsError> {
        if let Some(zone) = self.zones.get(id) {
            return Ok(zone);
        }
        let name = names::normal(name);
        let zone = Zone { id: id.to_owned(), name, caller_reference: id.to_owned(), comment: String::new() };
        self.keep_new(&zone)?;
        Ok(zone)
    }

    /// All zones.
    #[must_use]
    pub fn zones(&self) -> Vec<Zone> {
        self.zones.all()
    }

    pub(super) fn zone(&self, id: &str) -> Result<Zone, AwsError> {
        self.zones.get(id).ok_or_else(|| no_such_zone(id))
    }

    /// A new zone begins with its name servers and its start of authority.
    fn keep_new(&self, zone: &Zone) -> Result<(), AwsError> {
        let soa = format!("{} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", NAME_SERVERS[0]);
        let servers = NAME_SERVERS.map(str::to_owned).to_vec();
        let own = [("NS", 172_800, servers), ("SOA", 900, vec![soa])].map(|(kind, ttl, values)| {
            let record = Record::plain(&zone.name, kind, ttl, values);
            (records::key(&zone.id, &zone.name, kind, ""), Some(record))
        });
        self.records.change::<_, AwsError>(|_| Ok((own.to_vec(), ())))?;
        self.zones.put(&zone.id, zone.clone())
    }

    pub(super) fn create_hosted_zone(&self, body: &str) -> Result<String, AwsError> {
        let request = Element::parse(body).unwrap_or_default();
        let name = names::normal(request.text_of("Name").unwrap_or_default());
        let reference = request.text_of("CallerReference").unwrap_or_default();
        if reference.is_empty() {
            return Err(AwsError::bad("InvalidInput", "Invalid request: CallerReference is missing."));
        }
        if !names::is_valid(&name) {
            return Err(AwsError::bad("InvalidDomainName", format!("{name} is not a valid domain name")));
        }
        if self.zones.look(|zones| zones.values().any(|zone| zone.caller_reference == reference)) {
            let told = format!(
                "A hosted zone has already been created with the specified caller reference: {reference}"
            );
            return Err(AwsError::new(409, "HostedZoneAlreadyExists", told));
        }
        let comment = request.child("HostedZoneConfig").and_then(|config| config.text_of("Comment"));
        let zone = Zone {
            id: format!("Z{}", ids::capitals(20)),
            name,
            caller_reference: reference.to_owned(),
            comment: comment.unwrap_or_default().to_owned(),
        };
        self.keep_new(&zone)?;
        let change = self.submit()?;
        Ok(self.zone_xml(&zone) + &self.change_xml(&change) + &delegation())
    }

    pub(super) fn get_zone(&self, id: &str) -> Result<String, AwsError> {
        Ok(self.zone_xml(&self.zone(id)?) + &delegation())
    }

    pub(super) fn delete_zone(&self, id: &str) -> Result<String, AwsError> {
        let zone = self.zone(id)?;
        self.records.change::<_, AwsError>(|records| {
            let held: Vec<_> = records::of_zone(records, id).collect();
            let is_own = |record: &Record| record.name == zone.name && matches!(&*record.kind, "NS" | "SOA");
            if held.iter().any(|(_, record)| !is_own(record)) {
                return Err(AwsError::bad(
                    "HostedZoneNotEmpty",
                    "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
                ));
            }
            let removals: Vec<Change<Record>> = held.iter().map(|(key, _)| ((*key).clone(), None)).collect();
            Ok((removals, ()))
        })?;
        self.zones.remove::<AwsError>(id)?;
        let change = self.submit()?;
        Ok(self.change_xml(&change))
    }

    /// By id, as Route 53 lists in an order of its own.
    pub(super) fn list_zones(&self, query: &Form) -> String {
        let after = query.get("marker");
        let zones = self.zones.all().into_iter().skip_while(|zone| after.is_some_and(|id| zone.id != id));
        self.zone_page(zones.collect(), query, after.unwrap_or_default(), |next| {
            xml::text("NextMarker", &next.id)
        })
    }

    pub(super) fn list_zones_by_name(&self, query: &Form) -> String {
        let mut zones = self.zones.all();
        zones.sort_by_key(|zone| (names::reversed(&zone.name), zone.id.clone()));
        if let Some(from) = query.get("dnsname") {
            let from = names::reversed(&names::normal(from));
            let from_id = query.text("hostedzoneid");
            zones
                .retain(|zone| (names::reversed(&zone.name).as_str(), zone.id.as_str()) >= (&*from, from_id));
        }
        self.zone_page(zones, query, "", |next| {
            xml::text("NextDNSName", &next.name) + &xml::text("NextHostedZoneId", &next.id)
        })
    }

    fn zone_page(
        &self,
        mut zones: Vec<Zone>,
        query: &Form,
        marker: &str,
        next: impl Fn(&Zone) -> String,
    ) -> String {
        let most =
            query.get("maxitems").and_then(|most| most.parse().ok()).unwrap_or(100_usize).clamp(1, 100);
        let rest = zones.split_off(most.min(zones.len()));
        let listed: String = zones.iter().map(|zone| self.zone_xml(zone)).collect();
        let truncated = if rest.is_empty() { "false" } else { "true" };
        [
            xml::element("HostedZones", listed),
            xml::text("Marker", marker),
            xml::text("IsTruncated", truncated),
            rest.first().map(next).unwrap_or_default(),
            xml::text("MaxItems", most.to_string()),
        ]
        .concat()
    }

    fn zone_xml(&self, zone: &Zone) -> String {
        let count = self.records.look(|records| records::of_zone(records, &zone.id).count());
        let config = xml::text("Comment", &zone.comment) + &xml::text("PrivateZone", "false");
        let fields = [
            xml::text("Id", format!("/hostedzone/{}", zone.id)),
            xml::text("Name", &zone.name),
            xml::text("CallerReference", &zone.caller_reference),
            xml::element("Config", config),
            xml::text("ResourceRecordSetCount", count.to_string()),
        ];
        xml::element("HostedZone", fields.concat())
    }
}

fn delegation() -> String {
    let servers: String =
        NAME_SERVERS.iter().map(|server| xml::text("NameServer", server.trim_end_matches('.'))).collect();
    xml::element("DelegationSet", xml::element("NameServers", servers))
}
