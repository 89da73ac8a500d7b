//! Change batches: all of it or nothing, and every reason against it in the answer.

use std::collections::BTreeMap;

use super::super::answer::AwsError;
use super::super::documents::Change;
use super::super::xml::Element;
use super::records::{self, Record};
use super::zones::Zone;
use super::{IN_SYNC_AFTER, Route53};

/// Record changes in one batch; an UPSERT counts as two.
const MOST_CHANGES: usize = 1_000;

/// The zone's records as the batch changes them.
struct Draft<'a> {
    zone: &'a Zone,
    kept: &'a BTreeMap<String, Record>,
    /// Changed so far: what a key holds now, if anything.
    changed: BTreeMap<String, Option<Record>>,
    /// Keys and the action that the batch took with them, to find contradictions.
    seen: BTreeMap<String, &'static str>,
}

impl Draft<'_> {
    fn current(&self, key: &str) -> Option<&Record> {
        match self.changed.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.kept.get(key),
        }
    }

    fn apply(&mut self, action: &str, record: Record) -> Result<(), String> {
        let key = record.key(&self.zone.id);
        let (name, kind) = (record.name.clone(), record.kind.clone());
        let zone = &self.zone.name;
        if !super::names::is_within(&name, zone) {
            return Err(format!("RRSet with DNS name {name} is not permitted in zone {zone}"));
        }
        let is_own = name == *zone && matches!(&*kind, "NS" | "SOA");
        let current = self.current(&key).cloned();
        let tried =
            |what: &str| format!("Tried to {what} resource record set [name='{name}', type='{kind}']");
        let action = match action {
            "CREATE" if current.is_some() => return Err(tried("create") + " but it already exists"),
            "CREATE" => "CREATE",
            "UPSERT" => "UPSERT",
            "DELETE" if is_own => {
                return Err(format!(
                    "A HostedZone must contain exactly one {kind} record for the zone itself."
                ));
            }
            "DELETE" => match &current {
                None => return Err(tried("delete") + " but it was not found"),
                Some(current) if !current.says_the_same(&record) => {
                    return Err(tried("delete") + " but the values provided do not match the current values");
                }
                Some(_) => "DELETE",
            },
            other => return Err(format!("Invalid request: unknown action '{other}'")),
        };
        let repeated = self.seen.insert(key.clone(), action);
        // A deletion and a creation of one set are one replacement; anything else twice contradicts itself.
        if repeated.is_some_and(|earlier| (earlier, action) != ("DELETE", "CREATE")) {
            return Err(format!(
                "The request contains an invalid set of changes for a resource record set '{kind} {name}'"
            ));
        }
        let value = (action != "DELETE").then_some(record);
        self.changed.insert(key, value);
        Ok(())
    }

    /// A CNAME stands alone at its name, and never at the zone's own.
    fn conflicts(&self) -> Vec<String> {
        let zone = &self.zone.name;
        let mut found = Vec::new();
        for record in self.changed.values().flatten() {
            let same_name = |kind: &str| {
                let key = records::key(&self.zone.id, &record.name, kind, "");
                self.current(&key).is_some()
            };
            if record.kind == "CNAME" {
                if record.name == *zone {
                    found.push(format!(
                        "RRSet of type CNAME with DNS name {zone} is not permitted at apex in zone {zone}"
                    ));
                } else if ["A", "AAAA", "CAA", "MX", "NS", "PTR", "SPF", "SRV", "TXT"]
                    .into_iter()
                    .any(same_name)
                {
                    found.push(conflict("CNAME", &record.name, zone));
                }
            } else if same_name("CNAME") {
                found.push(conflict(&record.kind, &record.name, zone));
            }
        }
        found
    }
}

fn conflict(kind: &str, name: &str, zone: &str) -> String {
    format!(
        "RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in zone {zone}"
    )
}

impl Route53 {
    pub(super) fn change_records(&self, zone: &str, body: &str) -> Result<String, AwsError> {
        let zone = self.zone(zone)?;
        let request = Element::parse(body).unwrap_or_default();
        let batch = request.child("ChangeBatch").and_then(|batch| batch.child("Changes"));
        let changes: Vec<&Element> = batch.into_iter().flat_map(|changes| changes.each("Change")).collect();
        let weight: usize = changes.iter().map(|change| weight(change)).sum();
        if changes.is_empty() {
            return Err(AwsError::bad("InvalidInput", "Invalid request: the batch holds no changes."));
        }
        if weight > MOST_CHANGES {
            return Err(invalid(&[format!("Number of records limit of {MOST_CHANGES} exceeded.")]));
        }
        let now = self.clock.now();
        self.records.change::<_, AwsError>(|kept| {
            let mut draft = Draft { zone: &zone, kept, changed: BTreeMap::new(), seen: BTreeMap::new() };
            let mut reasons = Vec::new();
            for change in &changes {
                let action = change.text_of("Action").unwrap_or_default();
                let set =
                    change.child("ResourceRecordSet").ok_or_else(|| "a change needs a record set".to_owned());
                if let Err(reason) = set.and_then(Record::read).and_then(|record| draft.apply(action, record))
                {
                    reasons.push(reason);
                }
            }
            if reasons.is_empty() {
                reasons = draft.conflicts();
            }
            if !reasons.is_empty() {
                return Err(invalid(&reasons));
            }
            let changes = draft.changed.into_iter().map(|(key, value)| {
                let before = kept.get(&key).map(|record| record.served(now).to_vec()).unwrap_or_default();
                let value =
                    value.map(|record| Record { in_sync_at: Some(now + IN_SYNC_AFTER), before, ..record });
                (key, value)
            });
            Ok((changes.collect::<Vec<Change<Record>>>(), ()))
        })?;
        let change = self.submit()?;
        Ok(self.change_xml(&change))
    }
}

fn weight(change: &Element) -> usize {
    let values = change.child("ResourceRecordSet").and_then(|set| set.child("ResourceRecords"));
    let values = values.map_or(1, |values| values.children.len().max(1));
    if change.text_of("Action") == Some("UPSERT") { 2 * values } else { values }
}

fn invalid(reasons: &[String]) -> AwsError {
    AwsError::bad("InvalidChangeBatch", format!("[{}]", reasons.join(", ")))
}
