//! DynamoDB streams: a worker that sees what was written, in the order in which each item was.

use std::future::Future;

use domain::{Event, OrgId, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::event::{EventEnvelope, Origin};
use crate::queue::Failures;
use crate::run::{Exit, binary_name, guarded, run};
use crate::store::Item;
use crate::{App, Result, log};

/// What happened to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChangeKind {
    /// It is new.
    Insert,
    /// It was changed.
    Modify,
    /// It is gone.
    Remove,
}

/// One write of one item.
#[derive(Debug, Clone)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The item before; `None` if it is new.
    pub old: Option<Item>,
    /// The item after; `None` if it is gone.
    pub new: Option<Item>,
    /// The moment that counts as now.
    pub now: Timestamp,
    /// Its place in the stream; names it in a batch's failures.
    pub sequence: String,
    /// The table's name.
    pub table: String,
    origin: Origin,
}

impl Change {
    /// Where everything comes from that this change causes: the request of the event on the item, if there is one.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// An event about an organisation, caused by this change.
    pub fn event<E: Event>(&self, org: OrgId, data: &E) -> EventEnvelope {
        self.origin.event(org, data)
    }

    /// The event that this write put on the item: one that the item did not carry before.
    ///
    /// # Errors
    /// `internal` if the item carries something else under that name.
    pub fn fact(&self) -> Result<Option<EventEnvelope>> {
        let Some(new) = &self.new else { return Ok(None) };
        let before = self.old.as_ref().and_then(Item::event_id);
        if new.event_id() == before { Ok(None) } else { new.event() }
    }
}

#[derive(Debug, Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    kind: ChangeKind,
    #[serde(rename = "eventSourceARN", default)]
    source: String,
    dynamodb: Images,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    #[serde(default)]
    sequence_number: String,
    #[serde(default)]
    old_image: Option<serde_dynamo::Item>,
    #[serde(default)]
    new_image: Option<serde_dynamo::Item>,
}

impl Record {
    fn change(self, app: &App) -> Change {
        let item = |image: Option<serde_dynamo::Item>| image.map(|image| Item(image.into()));
        let (old, new) = (item(self.dynamodb.old_image), item(self.dynamodb.new_image));
        // arn:aws:dynamodb:region:account:table/NAME/stream/LABEL
        let table = self.source.split('/').nth(1).unwrap_or_default().to_owned();
        let event = new.as_ref().and_then(|item| item.event().ok().flatten());
        let request_id = event
            .as_ref()
            .map_or_else(|| app.lambda_request_id().to_owned(), |event| event.request_id.clone());
        let origin = Origin {
            request_id,
            trace_id: app.trace_id().to_owned(),
            actor: format!("system:{}", app.function()),
            now: app.now(),
            org: event.and_then(|event| event.org),
        };
        let sequence = self.dynamodb.sequence_number;
        Change { kind: self.kind, old, new, now: app.now(), sequence, table, origin }
    }
}

/// The way in for changes, one at a time. At the first failure the batch stops there and comes again from there: an item's
/// changes are never seen out of order.
pub fn serve<H, F>(handler: H) -> Exit
where
    H: Fn(App, Change) -> F + Copy,
    F: Future<Output = Result<()>>,
{
    run(describe, move |app: App, batch: Batch| async move {
        let mut failures = Failures::default();
        for (index, record) in batch.records.into_iter().enumerate() {
            let app = app.next(index == 0);
            let change = record.change(&app);
            let (origin, sequence, table) =
                (change.origin.clone(), change.sequence.clone(), change.table.clone());
            let done = guarded(async { handler(app.clone(), change).await }).await;
            tell(&app, &origin, &table, &done);
            if done.is_err() {
                failures.add(sequence);
                break;
            }
        }
        Ok(failures)
    })
}

/// The way in for changes as a batch, for those who pass them on in batches. The handler answers with the sequences of
/// those that failed; they and all after the first of them come again.
pub fn serve_batch<H, F>(handler: H) -> Exit
where
    H: Fn(App, Vec<Change>) -> F + Copy,
    F: Future<Output = Result<Vec<String>>>,
{
    run(describe, move |app: App, batch: Batch| async move {
        let changes: Vec<Change> = batch.records.into_iter().map(|record| record.change(&app)).collect();
        let first = changes.first().map(|change| (change.origin.clone(), change.table.clone()));
        let sequences: Vec<String> = changes.iter().map(|change| change.sequence.clone()).collect();
        let done = guarded(async { handler(app.clone(), changes).await }).await;
        if let Some((origin, table)) = first {
            tell(&app, &origin, &table, &done);
        }
        let mut failures = Failures::default();
        for sequence in done.unwrap_or(sequences) {
            failures.add(sequence);
        }
        Ok(failures)
    })
}

fn describe() -> serde_json::Value {
    json!({"name": binary_name(), "trigger": "stream"})
}

fn tell<T>(app: &App, origin: &Origin, table: &str, done: &Result<T>) {
    let error = done.as_ref().err();
    log::write(app, origin, &log::Entry { trigger: "stream", route: table, status: None, error, note: None });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;

    fn change(old: Value, new: Value) -> Change {
        let record = json!({
            "eventName": "MODIFY", "eventSourceARN": "arn:aws:dynamodb:eu:1:table/tenantry-local-hosting/stream/x",
            "dynamodb": {"SequenceNumber": "7", "OldImage": old, "NewImage": new},
        });
        serde_json::from_value::<Record>(record).unwrap().change(&App::start())
    }

    fn image(event: &str) -> Value {
        json!({"pk": {"S": "a"}, "sk": {"S": "b"}, "v": {"N": "1"}, "event": {"M": {
            "id": {"S": event}, "type": {"S": "hosting.site_requested"}, "v": {"N": "1"},
            "org": {"S": "org_00000000000000000000000002"}, "at": {"S": "2026-11-21T03:44:00.123Z"},
            "actor": {"S": "user:usr_1"}, "request_id": {"S": "r1"}, "data": {"M": {"units": {"N": "3"}}},
        }}})
    }

    #[test]
    fn a_fact_is_an_event_that_the_item_did_not_carry_before() {
        let (one, two) = ("evt_00000000000000000000000001", "evt_00000000000000000000000002");
        assert!(change(image(one), image(one)).fact().unwrap().is_none());
        let change = change(image(one), image(two));
        let fact = change.fact().unwrap().unwrap();
        assert_eq!((fact.id.to_string().as_str(), &fact.data), (two, &json!({"units": 3})));
        assert_eq!((change.table.as_str(), change.sequence.as_str()), ("tenantry-local-hosting", "7"));
        assert_eq!((change.origin().request_id.as_str(), change.origin().org), ("r1", fact.org));
    }

    #[test]
    fn a_change_without_event_is_no_fact() {
        let bare = json!({"pk": {"S": "a"}, "sk": {"S": "b"}});
        assert!(change(bare.clone(), bare).fact().unwrap().is_none());
    }
}
