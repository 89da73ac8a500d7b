//! SQS: a worker that sees one message at a time, and queues to send to.
//!
//! `serve` parses, counts tries, keeps one message's panic from the others and decides from the error's kind: what may pass
//! is tried again by SQS, everything else goes at once to the dead-letter queue (`DEAD_LETTERS`) with the reason.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use domain::{Event, OrgId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::ATTEMPT;
use crate::event::{EventEnvelope, Origin};
use crate::run::{Exit, binary_name, guarded, run};
use crate::{App, Error, Result, config, log};

/// Messages that are not begun when so little time is left, a call that hangs and what must be written after it, are
/// handed back untouched.
const ENOUGH: Duration = Duration::from_millis(ATTEMPT.as_millis() as u64 + 1_000);
/// The longest that SQS delays a message.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// How many messages, and how many bytes of them, one batch takes.
const BATCH: usize = 10;
const BATCH_BYTES: usize = 1_000_000;

/// What a worker takes out of a message.
///
/// Every event is a payload: it takes its own type and version and refuses all others. A worker of several events, or of
/// AWS's own, implements it by hand (`kind` is then EventBridge's detail-type).
pub trait Payload: Sized {
    /// Takes the data of a message.
    ///
    /// # Errors
    /// Any refusal: the message then goes to the dead-letter queue.
    fn accept(kind: &str, version: u32, data: Value) -> Result<Self>;
}

impl<T: Event + DeserializeOwned> Payload for T {
    fn accept(kind: &str, version: u32, data: Value) -> Result<Self> {
        if (kind, version) != (T::TYPE, T::VERSION) {
            return Err(unknown(kind, version));
        }
        parse(data)
    }
}

/// The data as a type: what hand-written [`Payload`]s parse with.
///
/// # Errors
/// `malformed`.
pub fn parse<T: DeserializeOwned>(data: Value) -> Result<T> {
    serde_json::from_value(data).map_err(|error| Error::Malformed(error.to_string()))
}

/// The refusal of a type or version that a worker does not know.
#[must_use]
pub fn unknown(kind: &str, version: u32) -> Error {
    Error::refused("unknown_message", format!("This worker does not know {kind} in version {version}."))
}

/// One message.
#[derive(Debug)]
pub struct Message<T> {
    /// The event's own id: the same in every delivery.
    pub id: String,
    /// The event's type.
    pub kind: String,
    /// The organisation it is about.
    pub org: Option<OrgId>,
    /// When it happened.
    pub at: Timestamp,
    /// The moment that counts as now.
    pub now: Timestamp,
    /// Which delivery this is, from 1.
    pub tries: u32,
    /// Who caused it: `user:usr_…`, `system:<function>`.
    pub actor: String,
    /// What it says.
    pub body: T,
    origin: Origin,
}

impl<T> Message<T> {
    /// Where everything comes from that this message causes.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// An event about an organisation, caused by this message.
    pub fn event<E: Event>(&self, org: OrgId, data: &E) -> EventEnvelope {
        self.origin.event(org, data)
    }
}

/// The way in for SQS messages.
pub fn serve<T, H, F>(handler: H) -> Exit
where
    T: Payload,
    H: Fn(App, Message<T>) -> F + Copy,
    F: Future<Output = Result<()>>,
{
    let describe =
        || json!({"name": binary_name(), "trigger": "queue", "message": std::any::type_name::<T>()});
    run(describe, |app, batch: Batch| work_through(app, batch, handler))
}

#[derive(Debug, Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
    attributes: Attributes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    approximate_receive_count: String,
}

/// What went through stays away; what is named here comes again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Failures {
    pub(crate) fn add(&mut self, id: String) {
        self.batch_item_failures.push(Failure { item_identifier: id });
    }
}

async fn work_through<T, H, F>(app: App, batch: Batch, handler: H) -> Result<Failures>
where
    T: Payload,
    H: Fn(App, Message<T>) -> F + Copy,
    F: Future<Output = Result<()>>,
{
    let mut failures = Failures::default();
    for (index, record) in batch.records.into_iter().enumerate() {
        if app.time_left() < ENOUGH {
            failures.add(record.message_id);
            continue;
        }
        let app = app.next(index == 0);
        let (origin, kind, done) = one(&app, &record, handler).await;
        let note = match &done {
            Ok(()) => None,
            Err(error) if !error.is_transient() && bury(&app, &origin, &record.body, error).await => {
                Some("dead_lettered")
            }
            Err(_) => {
                failures.add(record.message_id);
                Some("handed_back")
            }
        };
        let error = done.as_ref().err();
        log::write(&app, &origin, &log::Entry { trigger: "queue", route: &kind, status: None, error, note });
    }
    Ok(failures)
}

async fn one<T, H, F>(app: &App, record: &Record, handler: H) -> (Origin, String, Result<()>)
where
    T: Payload,
    H: Fn(App, Message<T>) -> F + Copy,
    F: Future<Output = Result<()>>,
{
    let mut origin = Origin {
        request_id: record.message_id.clone(),
        trace_id: app.trace_id().to_owned(),
        actor: format!("system:{}", app.function()),
        now: app.now(),
        org: None,
    };
    let envelope = match open(&record.body) {
        Ok(envelope) => envelope,
        Err(error) => return (origin, "unreadable".to_owned(), Err(error)),
    };
    let Opened { id, kind, v, org, at, actor, request_id, data } = envelope;
    origin.request_id = request_id;
    origin.org = org;
    let tries = record.attributes.approximate_receive_count.parse().unwrap_or(1);
    let (from, route) = (origin.clone(), kind.clone());
    let done = guarded(async move {
        let body = T::accept(&kind, v, data)?;
        let message = Message { id, kind, org, at, now: app.now(), tries, actor, body, origin: from };
        handler(app.clone(), message).await
    });
    let done = done.await;
    (origin, route, done)
}

/// Sends a message that cannot be worked on to the dead-letter queue. If that fails SQS does it, a few tries later.
async fn bury(app: &App, origin: &Origin, body: &str, error: &Error) -> bool {
    let sent = app.queue("DEAD_LETTERS").bury(body, &error.to_string()).await;
    if let Err(failure) = &sent {
        app.report(origin, failure);
    }
    sent.is_ok()
}

/// What a message's body says, in whichever envelope it came.
#[derive(Debug, PartialEq)]
struct Opened {
    id: String,
    kind: String,
    v: u32,
    org: Option<OrgId>,
    at: Timestamp,
    actor: String,
    request_id: String,
    data: Value,
}

/// EventBridge's envelope.
#[derive(Deserialize)]
struct Bussed {
    id: String,
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    time: Timestamp,
    detail: Value,
}

/// Opens our own envelope, EventBridge's around ours, or EventBridge's around anything else.
fn open(body: &str) -> Result<Opened> {
    let malformed = |error: serde_json::Error| Error::Malformed(format!("not an envelope: {error}"));
    let json: Value = serde_json::from_str(body).map_err(malformed)?;
    if json.get("detail-type").is_none() {
        return Ok(serde_json::from_value::<EventEnvelope>(json).map_err(malformed)?.into());
    }
    let Bussed { id, source, detail_type, time, detail } = serde_json::from_value(json).map_err(malformed)?;
    if source.starts_with("tenantry.") {
        return Ok(serde_json::from_value::<EventEnvelope>(detail).map_err(malformed)?.into());
    }
    Ok(Opened {
        request_id: id.clone(),
        id,
        kind: detail_type,
        v: 1,
        org: None,
        at: time,
        actor: format!("system:{source}"),
        data: detail,
    })
}

impl From<EventEnvelope> for Opened {
    fn from(envelope: EventEnvelope) -> Self {
        let EventEnvelope { id, kind, v, org, at, actor, request_id, data } = envelope;
        Self { id: id.to_string(), kind, v, org, at, actor, request_id, data }
    }
}

/// A queue to send to.
#[derive(Debug, Clone)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    /// Unset if the environment does not name it: told by the first call.
    url: Option<Arc<str>>,
    variable: &'static str,
}

impl Queue {
    pub(crate) fn from_env(client: aws_sdk_sqs::Client, variable: &'static str) -> Self {
        Self { client, url: config::optional(variable).map(Arc::from), variable }
    }

    /// The queue's URL.
    ///
    /// # Errors
    /// `internal` if the environment does not name it.
    pub fn url(&self) -> Result<&str> {
        let missing = || Error::internal(format!("environment variable {} is not set", self.variable));
        self.url.as_deref().ok_or_else(missing)
    }

    /// Sends a message, to be seen after `delay` (at most 15 minutes).
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn send<E: Event>(
        &self,
        origin: &Origin,
        org: Option<OrgId>,
        data: &E,
        delay: Duration,
    ) -> Result<()> {
        let call = self.client.send_message().queue_url(self.url()?).message_body(sealed(origin, org, data)?);
        let sent = call.delay_seconds(seconds(delay)).send().await;
        sent.map(drop).map_err(|error| Error::aws("sqs", error))
    }

    /// Sends many messages, ten in a call. After an error some may have been sent: receivers know a repeat by what it says.
    ///
    /// # Errors
    /// `unavailable` if the queue did not take all, `internal`.
    pub async fn send_batch<E: Event>(
        &self,
        origin: &Origin,
        messages: impl IntoIterator<Item = (Option<OrgId>, E)>,
        delay: Duration,
    ) -> Result<()> {
        let bodies: Vec<String> =
            messages.into_iter().map(|(org, data)| sealed(origin, org, &data)).collect::<Result<_>>()?;
        for batch in batches(bodies) {
            let entries = batch.into_iter().enumerate().map(|(index, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body);
                entry.delay_seconds(seconds(delay)).build().map_err(Error::caused)
            });
            let entries = entries.collect::<Result<Vec<_>>>()?;
            let call = self.client.send_message_batch().queue_url(self.url()?).set_entries(Some(entries));
            let answer = call.send().await.map_err(|error| Error::aws("sqs", error))?;
            if let Some(refused) = answer.failed().first() {
                let code = refused.code().to_owned();
                return Err(Error::partner(
                    "sqs",
                    true,
                    format!("{} not taken: {code}", answer.failed().len()),
                ));
            }
        }
        Ok(())
    }

    /// Puts something as it is into a dead-letter queue, with the reason beside it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn bury(&self, body: &str, reason: &str) -> Result<()> {
        // SQS refuses control characters, and the reason need not be long.
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(1_000).collect();
        let reason = MessageAttributeValue::builder().data_type("String").string_value(reason);
        let reason = reason.build().map_err(Error::caused)?;
        let call = self.client.send_message().queue_url(self.url()?).message_body(body);
        let sent = call.message_attributes("reason", reason).send().await;
        sent.map(drop).map_err(|error| Error::aws("sqs", error))
    }
}

fn sealed<E: Event>(origin: &Origin, org: Option<OrgId>, data: &E) -> Result<String> {
    serde_json::to_string(&origin.envelope(org, data)).map_err(Error::caused)
}

fn seconds(delay: Duration) -> i32 {
    i32::try_from(delay.min(LONGEST_DELAY).as_millis().div_ceil(1_000)).unwrap_or(900)
}

/// Parts of at most ten messages and a megabyte.
fn batches(bodies: Vec<String>) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for body in bodies {
        let fits = bytes + body.len() <= BATCH_BYTES;
        match batches.last_mut() {
            Some(batch) if fits && batch.len() < BATCH => {
                bytes += body.len();
                batch.push(body);
            }
            _ => {
                bytes = body.len();
                batches.push(vec![body]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct OperationDue {
        step: u32,
    }

    impl Event for OperationDue {
        const TYPE: &'static str = "hosting.operation_due";
    }

    fn envelope() -> Value {
        json!({
            "id": "evt_00000000000000000000000001", "type": "hosting.operation_due", "v": 1,
            "org": "org_00000000000000000000000002", "at": "2026-11-21T03:44:00.123Z",
            "actor": "user:usr_1", "request_id": "r1", "data": {"step": 3},
        })
    }

    #[test]
    fn our_envelope_is_the_same_alone_and_inside_eventbridges() {
        let alone = open(&envelope().to_string()).unwrap();
        let bussed = json!({
            "version": "0", "id": "6a7e8feb", "source": "tenantry.hosting", "detail-type": "hosting.operation_due",
            "time": "2026-11-21T03:44:00Z", "region": "eu-central-1", "detail": envelope(),
        });
        assert_eq!(open(&bussed.to_string()).unwrap(), alone);
        assert_eq!((alone.request_id.as_str(), alone.actor.as_str()), ("r1", "user:usr_1"));
    }

    #[test]
    fn other_events_keep_their_detail_type() {
        let bussed = json!({
            "id": "6a7e8feb", "source": "aws.ses", "detail-type": "Email Bounced",
            "time": "2026-11-21T03:44:00Z", "detail": {"mail": {}},
        });
        let opened = open(&bussed.to_string()).unwrap();
        assert_eq!((opened.kind.as_str(), opened.actor.as_str()), ("Email Bounced", "system:aws.ses"));
        assert_eq!(opened.data, json!({"mail": {}}));
    }

    #[test]
    fn what_a_worker_does_not_know_is_refused_for_good() {
        for body in ["", "{", "[]", "{\"id\": 7}", "null"] {
            assert!(!open(body).unwrap_err().is_transient(), "{body}");
        }
        let accept = |kind, version, data| OperationDue::accept(kind, version, data);
        assert_eq!(accept("hosting.operation_due", 1, json!({"step": 3})).unwrap(), OperationDue { step: 3 });
        let refusals = [
            accept("hosting.operation_due", 2, json!({"step": 3})),
            accept("hosting.other", 1, json!({"step": 3})),
            accept("hosting.operation_due", 1, json!({"step": "three"})),
        ];
        assert!(refusals.iter().all(|refusal| refusal.as_ref().is_err_and(|error| !error.is_transient())));
    }

    #[test]
    fn batches_hold_ten_messages_and_a_megabyte() {
        let sizes = |bodies: Vec<String>| batches(bodies).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![String::new(); 23]), [10, 10, 3]);
        assert_eq!(sizes(vec!["x".repeat(600_000); 3]), [1, 1, 1]);
        assert_eq!(seconds(Duration::from_secs(10_000)), 900);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
    }
}
