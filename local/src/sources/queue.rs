//! Event source mappings of queues: batches, partial failures, and what tests do to deliveries.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use domain::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::reported_failures;
use crate::aws::sqs::Message;
use crate::lambda::{Lambda, lock};
use crate::stack::Core;
use crate::template::model::{Function, QueueSource};

/// SQS hands out no more at once.
const RECEIVE_AT_MOST: u32 = 10;

/// What a test has ordered for the deliveries of a function.
#[derive(Default)]
pub struct Disorder {
    twice: Mutex<BTreeSet<String>>,
    shuffled: Mutex<BTreeSet<String>>,
}

impl Disorder {
    /// Every message of that function (`verb_noun`) is delivered twice from now on.
    pub fn deliver_twice(&self, verb: &str) {
        lock(&self.twice).insert(verb.to_owned());
    }

    /// The messages waiting for that function are delivered in another order from now on.
    pub fn shuffle(&self, verb: &str) {
        lock(&self.shuffled).insert(verb.to_owned());
    }

    fn is_twice(&self, verb: &str) -> bool {
        lock(&self.twice).contains(verb)
    }

    fn is_shuffled(&self, verb: &str) -> bool {
        lock(&self.shuffled).contains(verb)
    }
}

/// Hands the queue's messages to the function for as long as the stack runs.
pub async fn poll(core: Arc<Core>, function: Function, source: QueueSource) {
    let at_once = source.concurrency.unwrap_or(usize::MAX).min(Lambda::at_once(&function));
    let slots = Arc::new(Semaphore::new(at_once));
    let function = Arc::new(function);
    let source = Arc::new(source);
    let mut moves = core.clock.watch();
    let arrived = core.cloud.sqs().arrived(&source.queue);
    loop {
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else { return };
        // Asked for before looking, so that what arrives between looking and waiting is not missed.
        let arrival = arrived.notified();
        tokio::pin!(arrival);
        arrival.as_mut().enable();
        moves.borrow_and_update();

        let busy = core.activity.begin();
        // Asked for before looking too: what falls due between the two would be seen by neither.
        let due = core.cloud.sqs().next_due();
        let messages = gather(&core, &function, &source).await;
        if messages.is_empty() {
            drop((busy, permit));
            tokio::select! {
                () = arrival => {}
                _ = moves.changed() => {}
                () = reach(&core, due) => {}
            }
            continue;
        }
        let (core, function, source) = (Arc::clone(&core), Arc::clone(&function), Arc::clone(&source));
        tokio::spawn(async move {
            for batch in messages.chunks(source.batch_size) {
                deliver(&core, &function, &source, batch).await;
            }
            drop((busy, permit));
        });
    }
}

/// Waits for a moment of the stack's time, or for ever.
pub(super) async fn reach(core: &Core, due: Option<Timestamp>) {
    match due {
        Some(due) => core.clock.reach(due).await,
        None => std::future::pending().await,
    }
}

async fn gather(core: &Core, function: &Function, source: &QueueSource) -> Vec<Message> {
    let shuffled = core.disorder.is_shuffled(&function.verb);
    let wanted = if shuffled { usize::MAX } else { source.batch_size };
    let mut messages = Vec::new();
    // The driver of tests waits for nothing that only saves invocations.
    let until = core.clock.now() + if core.settings.real_time { source.window } else { Default::default() };
    while messages.len() < wanted {
        let some = u32::try_from(wanted - messages.len()).unwrap_or(u32::MAX).min(RECEIVE_AT_MOST);
        let received =
            core.cloud.sqs().receive(&source.queue, some, Default::default()).await.unwrap_or_default();
        if received.is_empty() {
            if messages.is_empty() || core.clock.now() >= until {
                break;
            }
            let arrived = core.cloud.sqs().arrived(&source.queue);
            tokio::select! {
                () = arrived.notified() => {}
                () = core.clock.reach(until) => {}
            }
        }
        messages.extend(received);
    }
    if shuffled {
        // A random key for each, sorted by it.
        messages.sort_by_cached_key(|_| crate::random::bytes::<8>());
    }
    messages
}

async fn deliver(core: &Core, function: &Function, source: &QueueSource, batch: &[Message]) {
    let records: Vec<Value> = batch.iter().map(|message| record(core, &source.queue, message)).collect();
    let event = Bytes::from(json!({ "Records": records }).to_string());
    let times = if core.disorder.is_twice(&function.verb) { 2 } else { 1 };
    let mut result = None;
    for _ in 0..times {
        result = core.lambda.invoke_when_free(&function.name, event.clone()).await.ok();
    }
    let failed = match result.map(|invocation| invocation.result) {
        Some(Ok(reply)) if source.reports_failures => reported_failures(&reply),
        Some(Ok(_)) => Some(Vec::new()),
        Some(Err(_)) | None => None,
    };
    // Without a usable answer all messages stay, and come again after their visibility timeout.
    let Some(failed) = failed else { return };
    if failed.iter().any(|id| !batch.iter().any(|message| message.id == *id)) {
        return;
    }
    for message in batch {
        if !failed.contains(&message.id) {
            // A receipt that has run out means that the message is already on its way again.
            let _ = core.cloud.sqs().delete(&source.queue, &message.receipt).await;
        }
    }
}

fn record(core: &Core, queue: &str, message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": message.system_attributes(&core.settings.account),
        "messageAttributes": message_attributes(&message.attributes),
        "md5OfBody": message.body_md5(),
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{}:{}:{queue}", core.settings.region, core.settings.account),
        "awsRegion": core.settings.region,
    })
}

/// SQS writes `StringValue`, Lambda `stringValue`.
fn message_attributes(attributes: &Map<String, Value>) -> Value {
    let mut rewritten = json!({});
    for (name, value) in attributes {
        rewritten[name] = json!({
            "dataType": value["DataType"],
            "stringValue": value["StringValue"],
            "binaryValue": value["BinaryValue"],
            "stringListValues": [],
            "binaryListValues": [],
        });
    }
    rewritten
}
