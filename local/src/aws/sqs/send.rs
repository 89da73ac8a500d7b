//! Sending, deleting and hiding messages.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use super::super::answer::AwsError;
use super::super::ids;
use super::Sqs;
use super::message::{attributes_md5, md5_hex, sequence_number};
use super::queue::{Queue, integer, invalid};

/// Within this span a FIFO queue takes a message with the same deduplication id once.
const DEDUPLICATION_MILLIS: i64 = 5 * 60 * 1_000;

impl Sqs {
    /// Sends a body to a queue.
    ///
    /// # Errors
    /// As SendMessage.
    pub async fn send(&self, queue: &str, body: &str) -> Result<String, AwsError> {
        let answer = self.call("SendMessage", &json!({"QueueUrl": queue, "MessageBody": body})).await?;
        Ok(answer["MessageId"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn send_one(
        &self,
        connection: &Connection,
        queue: &Queue,
        input: &Value,
    ) -> Result<Value, AwsError> {
        let body = input["MessageBody"].as_str().unwrap_or_default();
        if body.is_empty() {
            return Err(missing("MessageBody"));
        }
        let none = Map::new();
        let attributes = input["MessageAttributes"].as_object().unwrap_or(&none);
        if attributes.len() > 10 {
            return Err(invalid("Number of message attributes exceeds the allowed maximum."));
        }
        let most = queue.number("MaximumMessageSize");
        if size(input) > usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
            )));
        }
        let digest = md5_hex(body.as_bytes());
        let (id, now) = (ids::uuid(), self.now());
        let mut answer = json!({"MessageId": id, "MD5OfMessageBody": digest});
        if !attributes.is_empty() {
            answer["MD5OfMessageAttributes"] = json!(attributes_md5(attributes));
        }
        let group = input["MessageGroupId"].as_str();
        let mut deduplication = input["MessageDeduplicationId"].as_str().map(str::to_owned);
        if queue.is_fifo() {
            if group.is_none() {
                return Err(missing("MessageGroupId"));
            }
            let by_content =
                queue.attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true");
            if deduplication.is_none() && by_content {
                deduplication = Some(digest);
            }
            let Some(key) = &deduplication else {
                return Err(invalid(
                    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
                ));
            };
            if let Some(earlier) = deduplicated(connection, queue, key, &id, now)? {
                answer["MessageId"] = json!(earlier);
                return Ok(answer);
            }
        } else if deduplication.is_some() {
            return Err(invalid(
                "The request includes a parameter that is not valid for this queue type. Reason: MessageDeduplicationId is only for FIFO queues.",
            ));
        }
        let delay = match &input["DelaySeconds"] {
            Value::Null => queue.number("DelaySeconds"),
            _ if queue.is_fifo() => {
                return Err(invalid(
                    "Value for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
                ));
            }
            value => integer(value).unwrap_or(-1),
        };
        if !(0..=900).contains(&delay) {
            return Err(invalid(
                "Value for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
            ));
        }
        connection
            .prepare_cached(
                "INSERT INTO message (id, queue, body, attributes, grouping, deduplication, sent, visible)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                id,
                queue.name,
                body,
                serde_json::to_string(attributes)?,
                group,
                deduplication,
                now,
                now + delay * 1_000
            ])?;
        if queue.is_fifo() {
            answer["SequenceNumber"] = json!(sequence_number(connection.last_insert_rowid()));
        }
        Ok(answer)
    }

    pub(super) fn delete_one(
        &self,
        connection: &Connection,
        queue: &Queue,
        input: &Value,
    ) -> Result<Value, AwsError> {
        let receipt = input["ReceiptHandle"].as_str().unwrap_or_default();
        if receipt.is_empty() {
            return Err(AwsError::bad("ReceiptHandleIsInvalid", "The input receipt handle is invalid."));
        }
        connection
            .prepare_cached(
                "DELETE FROM message INDEXED BY message_by_receipt WHERE queue = ?1 AND receipt = ?2",
            )?
            .execute(params![queue.name, receipt])?;
        Ok(json!({}))
    }

    pub(super) fn change_visibility_of(
        &self,
        connection: &Connection,
        queue: &Queue,
        input: &Value,
    ) -> Result<Value, AwsError> {
        let seconds = integer(&input["VisibilityTimeout"]).unwrap_or(-1);
        if !(0..=43_200).contains(&seconds) {
            return Err(invalid(
                "Value for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.",
            ));
        }
        let receipt = input["ReceiptHandle"].as_str().unwrap_or_default();
        let now = self.now();
        let changed = connection
            .prepare_cached(
                "UPDATE message INDEXED BY message_by_receipt SET visible = ?3
                 WHERE queue = ?1 AND receipt = ?2 AND visible > ?4",
            )?
            .execute(params![queue.name, receipt, now + seconds * 1_000, now])?;
        if changed == 0 {
            return Err(AwsError::bad("MessageNotInflight", "The message referred to is not in flight."));
        }
        Ok(json!({}))
    }

    /// Deletes a received message.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn delete(&self, queue: &str, receipt: &str) -> Result<(), AwsError> {
        self.call("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": receipt})).await.map(|_| ())
    }

    /// Hides a received message for so many seconds from now; 0 shows it again.
    ///
    /// # Errors
    /// When it is not in flight.
    pub async fn change_visibility(&self, queue: &str, receipt: &str, seconds: u32) -> Result<(), AwsError> {
        let input = json!({"QueueUrl": queue, "ReceiptHandle": receipt, "VisibilityTimeout": seconds});
        self.call("ChangeMessageVisibility", &input).await.map(|_| ())
    }
}

/// What SQS counts against the size limit: body, and names, types and values of the attributes.
pub(super) fn size(input: &Value) -> usize {
    let attributes = input["MessageAttributes"].as_object().into_iter().flatten();
    let attributes = attributes.map(|(name, attribute)| {
        let fields = attribute.as_object().into_iter().flatten();
        name.len() + fields.filter_map(|(_, value)| value.as_str()).map(str::len).sum::<usize>()
    });
    input["MessageBody"].as_str().map_or(0, str::len) + attributes.sum::<usize>()
}

fn missing(parameter: &str) -> AwsError {
    AwsError::bad("MissingParameter", format!("The request must contain the parameter {parameter}."))
}

/// The id of the message that a deduplication id already brought; otherwise keeps this one.
fn deduplicated(
    connection: &Connection,
    queue: &Queue,
    key: &str,
    id: &str,
    now: i64,
) -> Result<Option<String>, AwsError> {
    connection.execute("DELETE FROM deduplication WHERE at <= ?1", [now - DEDUPLICATION_MILLIS])?;
    let earlier = connection
        .query_row(
            "SELECT message FROM deduplication WHERE queue = ?1 AND id = ?2",
            params![queue.name, key],
            |row| row.get(0),
        )
        .optional()?;
    if earlier.is_none() {
        connection.execute(
            "INSERT INTO deduplication VALUES (?1, ?2, ?3, ?4)",
            params![queue.name, key, id, now],
        )?;
    }
    Ok(earlier)
}
