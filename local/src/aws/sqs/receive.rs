//! Receiving: redrive first, then the oldest visible messages, waiting for one if asked to.

use std::time::Duration;

use domain::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::super::answer::AwsError;
use super::super::ids;
use super::message::Message;
use super::queue::{integer, invalid, queue_name};
use super::{Sqs, redrive, store};

/// What one look into a queue finds.
struct Look {
    messages: Vec<Message>,
    /// When the next hidden message becomes visible.
    next: Option<Timestamp>,
    /// The queue to which messages were moved that had been received too often.
    dead_letters: Option<String>,
}

impl Sqs {
    /// Receives up to ten messages, waiting up to `wait` of the stack's time for the first.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn receive(&self, queue: &str, max: u32, wait: Duration) -> Result<Vec<Message>, AwsError> {
        self.receive_within(queue, max, None, wait).await
    }

    pub(super) async fn receive_call(&self, input: &Value) -> Result<Value, AwsError> {
        let max = match &input["MaxNumberOfMessages"] {
            Value::Null => 1,
            value => integer(value).and_then(|max| u32::try_from(max).ok()).unwrap_or(0),
        };
        if !(1..=10).contains(&max) {
            return Err(invalid(
                "Value for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
            ));
        }
        let queue = queue_name(input);
        let wait = match &input["WaitTimeSeconds"] {
            Value::Null => store::find(&self.lock(), queue)?.number("ReceiveMessageWaitTimeSeconds"),
            value => integer(value).unwrap_or(-1),
        };
        let wait = u64::try_from(wait).ok().filter(|seconds| *seconds <= 20).ok_or_else(|| {
            invalid("Value for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.")
        })?;
        let hide = integer(&input["VisibilityTimeout"]);
        let messages = self.receive_within(queue, max, hide, Duration::from_secs(wait)).await?;
        if messages.is_empty() {
            return Ok(json!({}));
        }
        let names = |fields: &[&str]| {
            let named = fields.iter().filter_map(|field| input[*field].as_array()).flatten();
            named.filter_map(Value::as_str).collect::<Vec<_>>()
        };
        let system = names(&["MessageSystemAttributeNames", "AttributeNames"]);
        let wanted = names(&["MessageAttributeNames"]);
        let messages = messages.iter().map(|message| message.answered(&self.account, &system, &wanted));
        Ok(json!({"Messages": messages.collect::<Vec<_>>()}))
    }

    async fn receive_within(
        &self,
        queue: &str,
        max: u32,
        hide: Option<i64>,
        wait: Duration,
    ) -> Result<Vec<Message>, AwsError> {
        let bell = self.arrived(queue);
        let until = self.clock.now() + wait;
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            // Registered before the look, so that no arrival between look and wait is missed.
            rung.as_mut().enable();
            let look = {
                let mut connection = self.lock();
                let transaction = connection.transaction()?;
                let look = self.take(&transaction, queue, max, hide)?;
                transaction.commit()?;
                look
            };
            self.ring(look.dead_letters.into_iter().collect());
            if !look.messages.is_empty() || self.clock.now() >= until {
                return Ok(look.messages);
            }
            let wake = look.next.map_or(until, |next| next.min(until));
            tokio::select! {
                () = rung => {}
                () = self.clock.reach(wake) => {}
            }
        }
    }

    fn take(
        &self,
        connection: &Connection,
        queue: &str,
        max: u32,
        hide: Option<i64>,
    ) -> Result<Look, AwsError> {
        let queue = store::find(connection, queue)?;
        let now = self.now();
        let hide = hide.unwrap_or_else(|| queue.number("VisibilityTimeout"));
        let retention = queue.number("MessageRetentionPeriod") * 1_000;
        connection
            .prepare_cached("DELETE FROM message INDEXED BY message_by_age WHERE queue = ?1 AND sent < ?2")?
            .execute(params![queue.name, now - retention])?;
        let dead_letters = redrive::bury(connection, &queue, now)?;
        let unlocked = if queue.is_fifo() {
            "AND NOT EXISTS (
                SELECT 1 FROM message AS other INDEXED BY message_by_group
                WHERE other.queue = ?1 AND other.grouping = message.grouping AND other.visible > ?2)
             ORDER BY seq"
        } else {
            "ORDER BY visible, seq"
        };
        let columns = store::COLUMNS;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {columns} FROM message INDEXED BY message_by_visibility
             WHERE queue = ?1 AND visible <= ?2 {unlocked} LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![queue.name, now, max], Message::of_row)?;
        let mut messages = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        for message in &mut messages {
            message.receipt = ids::uuid();
            message.receives += 1;
            message.visible_at = Timestamp::from_millis(now + hide * 1_000);
            message.first_received_at.get_or_insert(Timestamp::from_millis(now));
            connection
                .prepare_cached(
                    "UPDATE message
                     SET visible = ?2, receives = receives + 1, first_received = coalesce(first_received, ?3), receipt = ?4
                     WHERE seq = ?1",
                )?
                .execute(params![message.seq, now + hide * 1_000, now, message.receipt])?;
        }
        let next: Option<i64> = if messages.is_empty() {
            connection
                .prepare_cached(
                    "SELECT min(visible) FROM message INDEXED BY message_by_visibility
                     WHERE queue = ?1 AND visible > ?2",
                )?
                .query_row(params![queue.name, now], |row| row.get(0))?
        } else {
            None
        };
        Ok(Look { messages, next: next.map(Timestamp::from_millis), dead_letters })
    }
}
