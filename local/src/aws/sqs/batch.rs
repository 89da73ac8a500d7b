//! Batches: ten entries, each with its own outcome.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::super::answer::AwsError;
use super::queue::Queue;
use super::{Sqs, send};

/// All entries of a SendMessageBatch together.
const MOST_BYTES: usize = 1_048_576;

impl Sqs {
    pub(super) fn batch(
        &self,
        connection: &Connection,
        queue: &Queue,
        operation: &str,
        input: &Value,
    ) -> Result<Value, AwsError> {
        let none = Vec::new();
        let entries = input["Entries"].as_array().unwrap_or(&none);
        check(entries)?;
        if operation == "SendMessageBatch" && entries.iter().map(send::size).sum::<usize>() > MOST_BYTES {
            let told = format!("Batch requests cannot be longer than {MOST_BYTES} bytes.");
            return Err(AwsError::bad("BatchRequestTooLong", told));
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let outcome = match operation {
                "SendMessageBatch" => self.send_one(connection, queue, entry),
                "DeleteMessageBatch" => self.delete_one(connection, queue, entry),
                _ => self.change_visibility_of(connection, queue, entry),
            };
            match outcome {
                Ok(mut answer) => {
                    answer["Id"] = entry["Id"].clone();
                    successful.push(answer);
                }
                Err(error) if error.status >= 500 => return Err(error),
                Err(error) => failed.push(json!({
                    "Id": entry["Id"],
                    "Code": error.code,
                    "Message": error.message,
                    "SenderFault": true,
                })),
            }
        }
        Ok(json!({"Successful": successful, "Failed": failed}))
    }
}

fn check(entries: &[Value]) -> Result<(), AwsError> {
    let refuse = |code: &'static str, message: &str| Err(AwsError::bad(code, message));
    if entries.is_empty() {
        return refuse("EmptyBatchRequest", "There should be at least one entry in the request.");
    }
    if entries.len() > 10 {
        return refuse("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.");
    }
    let ids: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["Id"].as_str()).collect();
    if ids.len() < entries.len() {
        return refuse(
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries have the same Id in the request.",
        );
    }
    let fits = |id: &&str| {
        (1..=80).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !ids.iter().all(fits) {
        return refuse(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
        );
    }
    Ok(())
}
