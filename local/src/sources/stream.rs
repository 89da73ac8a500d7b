//! Event source mappings of table streams: filters, order, retries, halving, and giving up with a note.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use rustack_events_core::pattern::{EventPattern, matches, parse_event_pattern};
use serde_json::{Value, json};

use super::queue::reach;
use super::reported_failures;
use crate::lambda::lock;
use crate::stack::Core;
use crate::template::model::{Function, StreamSource};

/// Before the first new try of a failed batch; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Mappings that wait before they try again; the driver may move the clock there.
#[derive(Default)]
pub struct Pauses {
    until: Mutex<BTreeMap<String, Timestamp>>,
}

impl Pauses {
    /// The earliest end of a pause.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        lock(&self.until).values().min().copied()
    }

    /// Whether the reader waits for a moment that has not come.
    #[must_use]
    pub fn is_waiting(&self, reader: &str, now: Timestamp) -> bool {
        lock(&self.until).get(reader).is_some_and(|until| *until > now)
    }
}

/// How a reader's position is called.
#[must_use]
pub fn reader(function: &Function, source: &StreamSource) -> String {
    format!("{}/{}", function.name, source.table)
}

/// Hands the table's changes to the function, in order, for as long as the stack runs.
pub async fn poll(core: Arc<Core>, function: Function, source: StreamSource) {
    let reading = Reading {
        reader: reader(&function, &source),
        // The template's reader has parsed them as JSON; a pattern the engine refuses would match nothing.
        filters: source
            .filters
            .iter()
            .filter_map(|filter| parse_event_pattern(&filter.to_string()).ok())
            .collect(),
        function,
        source,
    };
    let mut writes = core.cloud.dynamodb().writes();
    let table = reading.source.table.clone();
    loop {
        let seen = writes.borrow_and_update().of(&table);
        let busy = core.activity.begin();
        let worked = reading.take(&core).await;
        drop(busy);
        if !worked {
            // The sender lives in the cloud, which the core keeps.
            let _ = writes.wait_for(|written| written.of(&table) != seen).await;
        }
    }
}

struct Reading {
    reader: String,
    filters: Vec<EventPattern>,
    function: Function,
    source: StreamSource,
}

/// A batch on its way, and how often it has failed.
struct Batch {
    records: Vec<Value>,
    failures: u32,
}

impl Reading {
    /// Takes the next records; false when there are none.
    async fn take(&self, core: &Core) -> bool {
        let table = &self.source.table;
        let after = core.cloud.dynamodb().position(&self.reader, table);
        let records = core.cloud.dynamodb().records(table, after.as_deref(), self.source.batch_size);
        let Some((records, last)) = records.ok().and_then(|records| {
            let last = sequence(records.last()?).to_owned();
            Some((records, last))
        }) else {
            return false;
        };
        let wanted: Vec<Value> = records.into_iter().filter(|record| self.wants(record)).collect();
        if !wanted.is_empty() {
            self.deliver(core, wanted).await;
        }
        self.passed(core, &last);
        true
    }

    fn wants(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| matches(filter, record))
    }

    fn passed(&self, core: &Core, sequence: &str) {
        // Not kept means delivered again after a restart, which streams promise no better.
        let _ = core.cloud.dynamodb().set_position(&self.reader, &self.source.table, sequence);
    }

    async fn deliver(&self, core: &Core, records: Vec<Value>) {
        // Tables keep in real time when something was written, which the stack's clock leaves behind.
        let since = core.clock.now();
        let mut waiting = vec![Batch { records, failures: 0 }];
        while let Some(mut batch) = waiting.pop() {
            let Some(failed_from) = self.try_once(core, &batch.records).await else { continue };
            let rest = batch.records.split_off(failed_from);
            if let Some(last) = batch.records.last() {
                self.passed(core, sequence(last));
                batch.failures = 0;
            }
            let failures = batch.failures + 1;
            if self.source.bisects && rest.len() > 1 {
                let mut first = rest;
                let second = first.split_off(first.len() / 2);
                waiting.push(Batch { records: second, failures: batch.failures });
                waiting.push(Batch { records: first, failures: batch.failures });
            } else if self.source.retries.is_some_and(|retries| failures > retries)
                || self.source.oldest.is_some_and(|oldest| core.clock.now().since(since) > oldest)
            {
                self.give_up(core, &rest, failures).await;
            } else {
                self.pause(core, failures).await;
                waiting.push(Batch { records: rest, failures });
            }
        }
    }

    /// The index of the first record that failed; `None` when all went well.
    async fn try_once(&self, core: &Core, records: &[Value]) -> Option<usize> {
        let event = Bytes::from(json!({ "Records": records }).to_string());
        let invocation = core.lambda.invoke_when_free(&self.function.name, event).await.ok();
        let reply = invocation.and_then(|invocation| invocation.result.ok());
        let failed = match reply {
            Some(reply) if self.source.reports_failures => reported_failures(&reply),
            Some(_) => Some(Vec::new()),
            None => None,
        };
        match failed {
            Some(ids) => records.iter().position(|record| ids.iter().any(|id| id == sequence(record))),
            None => Some(0),
        }
    }

    async fn pause(&self, core: &Core, failures: u32) {
        let span = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
        let until = core.clock.now() + span;
        lock(&core.pauses.until).insert(self.reader.clone(), until);
        // The pause is quiet: whoever waits for quiet may go on, and may move the clock to its end.
        core.activity.pause(reach(core, Some(until))).await;
        lock(&core.pauses.until).remove(&self.reader);
    }

    async fn give_up(&self, core: &Core, records: &[Value], failures: u32) {
        let Some(queue) = &self.source.on_failure else { return };
        let note = json!({
            "requestContext": {
                "functionArn": self.function.name,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": failures,
            },
            "DDBStreamBatchInfo": {
                "startSequenceNumber": records.first().map(sequence),
                "endSequenceNumber": records.last().map(sequence),
                "batchSize": records.len(),
                "streamArn": records.first().map(|record| record["eventSourceARN"].clone()),
            },
        });
        // The queue is one of the template's, as its reader has seen.
        let _ = core.cloud.sqs().send(queue, &note.to_string()).await;
    }
}

fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}
