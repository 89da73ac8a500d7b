//! SQS on SQLite: standard and FIFO queues, delays, visibility, redrive, move tasks and long polling, in one durable file.
//!
//! All times are the stack's, so that a message delayed by a quarter of an hour is there as soon as the clock says so.

mod batch;
mod message;
mod queue;
mod receive;
mod redrive;
mod send;
mod store;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::answer::AwsError;
use super::rights::Needed;
use crate::{Clock, Context as _, Result};

pub use message::Message;
pub(super) use queue::queue_name;

/// How many messages of a queue are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Ready to be received.
    pub visible: u64,
    /// Received and not yet deleted.
    pub in_flight: u64,
    /// Waiting out their delay.
    pub delayed: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// SQS.
pub struct Sqs {
    connection: Mutex<Connection>,
    arrivals: Mutex<HashMap<String, Arc<Notify>>>,
    clock: Clock,
    base_url: String,
    region: String,
    account: String,
}

/// Queues that got messages during a call; rung once the call is durable.
type Arrivals = Vec<String>;

impl Sqs {
    pub(super) fn open(
        data: &Path,
        clock: &Clock,
        base_url: &str,
        region: &str,
        account: &str,
    ) -> Result<Self> {
        let connection = store::open(&data.join("sqs.db")).context("opening SQS's file")?;
        Ok(Self {
            connection: Mutex::new(connection),
            arrivals: Mutex::default(),
            clock: clock.clone(),
            base_url: base_url.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }

    /// A queue's ARN.
    #[must_use]
    pub fn arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{queue}", self.region, self.account)
    }

    /// A queue's URL.
    #[must_use]
    pub fn url(&self, queue: &str) -> String {
        format!("{}/{}/{queue}", self.base_url, self.account)
    }

    /// Rings when messages arrive in a queue, or become visible by somebody's call.
    #[must_use]
    pub fn arrived(&self, queue: &str) -> Arc<Notify> {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(arrivals.entry(queue.to_owned()).or_default())
    }

    fn ring(&self, queues: Arrivals) {
        for queue in queues {
            let bell = self.arrived(&queue);
            bell.notify_waiters();
            // One permit stays for a waiter that is just about to wait.
            bell.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    pub(super) fn needs(&self, operation: &str, input: &Value) -> Vec<Needed> {
        let action = match operation {
            "SendMessageBatch" => "SendMessage",
            "DeleteMessageBatch" => "DeleteMessage",
            "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
            other => other,
        };
        let by_arn = input["SourceArn"].as_str().map(str::to_owned);
        let resource = by_arn.unwrap_or_else(|| match queue_name(input) {
            "" => "*".to_owned(),
            queue => self.arn(queue),
        });
        vec![Needed::new(format!("sqs:{action}"), resource)]
    }

    /// Plays one operation of the JSON protocol.
    ///
    /// # Errors
    /// As SQS refuses.
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        if operation == "ReceiveMessage" {
            return self.receive_call(input).await;
        }
        let mut arrivals = Arrivals::new();
        let answer = {
            let mut connection = self.lock();
            let transaction = connection.transaction()?;
            let answer = self.change(&transaction, operation, input, &mut arrivals)?;
            transaction.commit()?;
            answer
        };
        self.ring(arrivals);
        Ok(answer)
    }

    fn change(
        &self,
        connection: &Connection,
        operation: &str,
        input: &Value,
        arrivals: &mut Arrivals,
    ) -> Result<Value, AwsError> {
        let found = || store::find(connection, queue_name(input));
        match operation {
            "CreateQueue" => self.create(connection, input),
            "DeleteQueue" => store::delete(connection, &found()?.name).map(|()| json!({})),
            "PurgeQueue" => store::purge(connection, &found()?.name).map(|()| json!({})),
            "GetQueueUrl" => Ok(json!({"QueueUrl": self.url(&found()?.name)})),
            "ListQueues" => self.list(connection, input),
            "GetQueueAttributes" => self.attributes(connection, &found()?, input),
            "SetQueueAttributes" => self.set_attributes(connection, found()?, input),
            "TagQueue" | "UntagQueue" | "ListQueueTags" => store::tags(connection, &found()?.name, input),
            "SendMessage" => {
                let queue = found()?;
                arrivals.push(queue.name.clone());
                self.send_one(connection, &queue, input)
            }
            "DeleteMessage" => {
                let queue = found()?;
                // The next message of a FIFO group waits for this deletion.
                arrivals.extend(queue.is_fifo().then(|| queue.name.clone()));
                self.delete_one(connection, &queue, input)
            }
            "ChangeMessageVisibility" => {
                let queue = found()?;
                arrivals.push(queue.name.clone());
                self.change_visibility_of(connection, &queue, input)
            }
            "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
                let queue = found()?;
                arrivals.push(queue.name.clone());
                self.batch(connection, &queue, operation, input)
            }
            "ListDeadLetterSourceQueues" => self.dead_letter_sources(connection, &found()?),
            "StartMessageMoveTask" => self.start_move(connection, input, arrivals),
            "ListMessageMoveTasks" => redrive::list_moves(connection, input),
            other => Err(AwsError::bad(
                "UnsupportedOperation",
                format!("The operation {other} is not played locally."),
            )),
        }
    }

    /// Makes the queue that a template declares, or gives the one that is there the declared attributes.
    ///
    /// # Errors
    /// When an attribute is not valid.
    pub fn create_queue(&self, name: &str, attributes: &Map<String, Value>) -> Result<(), AwsError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        match store::get(&transaction, name)? {
            Some(queue) => {
                let input = json!({"Attributes": attributes});
                self.set_attributes(&transaction, queue, &input)?;
            }
            None => {
                self.create(&transaction, &json!({"QueueName": name, "Attributes": attributes}))?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Sets a queue's access policy, as `AWS::SQS::QueuePolicy` does.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn set_policy(&self, queue: &str, policy: &Value) -> Result<(), AwsError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let found = store::find(&transaction, queue)?;
        let input = json!({"Attributes": {"Policy": policy.to_string()}});
        self.set_attributes(&transaction, found, &input)?;
        Ok(transaction.commit()?)
    }

    /// One attribute of a queue as it was set.
    #[must_use]
    pub fn attribute(&self, queue: &str, name: &str) -> Option<String> {
        let found = store::get(&self.lock(), queue).ok()??;
        found.attributes.get(name)?.as_str().map(str::to_owned)
    }

    /// Names of all queues, in order.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        store::names(&self.lock()).unwrap_or_default()
    }

    /// How many messages a queue holds.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn counts(&self, queue: &str) -> Result<Counts, AwsError> {
        let connection = self.lock();
        let queue = store::find(&connection, queue)?;
        store::counts(&connection, &queue.name, self.now())
    }

    /// All messages of a queue without receiving them, oldest first; for the page and for tests.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn peek(&self, queue: &str) -> Result<Vec<Message>, AwsError> {
        let connection = self.lock();
        let queue = store::find(&connection, queue)?;
        store::peek(&connection, &queue.name)
    }

    /// Removes all messages of a queue.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn purge(&self, queue: &str) -> Result<(), AwsError> {
        let connection = self.lock();
        let queue = store::find(&connection, queue)?;
        store::purge(&connection, &queue.name)
    }

    /// The earliest moment at which a delayed or received message becomes visible by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT min(visible) FROM message INDEXED BY message_by_visibility_alone WHERE visible > ?1",
            )
            .ok()?;
        let due = statement.query_row(params![self.now()], |row| row.get::<_, Option<i64>>(0)).optional();
        due.ok()??.map(Timestamp::from_millis)
    }
}
