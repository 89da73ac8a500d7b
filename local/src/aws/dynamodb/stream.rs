//! Reading a table's stream in process, in the shape Lambda hands to a function.

use std::collections::HashMap;
use std::sync::Mutex;

use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::streams;
use serde_json::Value;

use super::super::answer::AwsError;
use super::{DynamoDb, refused};
use crate::lambda::lock;

/// What is known of streams without reading them.
#[derive(Default)]
pub(super) struct Streams {
    /// By table.
    arns: Mutex<HashMap<String, String>>,
    /// Where each table's stream had nothing more, and how often the table was written to until then.
    drained: Mutex<HashMap<String, (Option<String>, u64)>>,
}

impl Streams {
    fn is_drained(&self, table: &str, after: Option<&str>, written: u64) -> bool {
        let drained = lock(&self.drained);
        drained.get(table).is_some_and(|(place, then)| place.as_deref() == after && *then == written)
    }

    fn drain(&self, table: &str, after: Option<&str>, written: u64) {
        lock(&self.drained).insert(table.to_owned(), (after.map(str::to_owned), written));
    }
}

impl DynamoDb {
    /// The records of a table's stream after a sequence number, oldest first, as in Lambda's event.
    ///
    /// A write that changed nothing leaves no record, as in AWS; dynoxide would leave one.
    ///
    /// # Errors
    /// When the table has no stream.
    pub fn records(&self, table: &str, after: Option<&str>, limit: usize) -> Result<Vec<Value>, AwsError> {
        let seen = self.written.borrow().of(table);
        if self.streams.is_drained(table, after, seen) {
            return Ok(Vec::new());
        }
        let records = self.read(table, after, limit)?;
        if records.is_empty() {
            self.streams.drain(table, after, seen);
        }
        Ok(records)
    }

    /// Whether a table's stream has more after a sequence number. Wakes its readers if it has, and nobody told them: the
    /// caller that wrote may have been killed in that moment.
    ///
    /// # Errors
    /// When the table has no stream.
    pub fn is_unread(&self, table: &str, after: Option<&str>) -> Result<bool, AwsError> {
        let unread = !self.read(table, after, 1)?.is_empty();
        let seen = self.written.borrow().of(table);
        if unread && self.streams.is_drained(table, after, seen) {
            self.wrote([table]);
        }
        Ok(unread)
    }

    fn read(&self, table: &str, after: Option<&str>, limit: usize) -> Result<Vec<Value>, AwsError> {
        let arn = self.stream_of(table).ok_or_else(|| {
            AwsError::bad("ResourceNotFoundException", format!("The table {table} has no stream."))
        })?;
        let mut position = after.and_then(stored).unwrap_or(0);
        let mut records = Vec::new();
        while records.len() < limit {
            let shard_iterator = dynoxide::actions::get_shard_iterator::encode_shard_iterator(
                table,
                &streams::shard_id(table),
                position,
            );
            let request = GetRecordsRequest { shard_iterator, limit: Some(limit - records.len()) };
            let page = self.database.get_records(request).map_err(refused)?.records;
            let Some(last) = page.last() else { break };
            position = stored(&last.dynamodb.sequence_number).unwrap_or(i64::MAX);
            for record in page {
                let mut record = serde_json::to_value(record)?;
                let images = &record["dynamodb"];
                if record["eventName"] == "MODIFY" && images["NewImage"] == images["OldImage"] {
                    continue;
                }
                record["awsRegion"] = Value::from(self.region.as_str());
                record["eventSourceARN"] = Value::from(arn.as_str());
                records.push(record);
            }
        }
        Ok(records)
    }

    /// The ARN of a table's stream, which stays what it is: a look at the table counts all that is in it.
    fn stream_of(&self, table: &str) -> Option<String> {
        let mut known = lock(&self.streams.arns);
        if let Some(arn) = known.get(table) {
            return Some(arn.clone());
        }
        let arn = self.stream_arn(table)?;
        known.insert(table.to_owned(), arn.clone());
        Some(arn)
    }

    /// Where a reader of a table's stream has come to: the sequence number it has dealt with last.
    #[must_use]
    pub fn position(&self, reader: &str, table: &str) -> Option<String> {
        self.positions.get(&format!("{reader}@{table}"))
    }

    /// Keeps where a reader has come to, so that a restart goes on from there.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn set_position(&self, reader: &str, table: &str, sequence: &str) -> Result<(), AwsError> {
        self.positions.put(&format!("{reader}@{table}"), sequence.to_owned())
    }
}

/// The number dynoxide stores for a public sequence number, which it writes with this offset.
pub(super) fn stored(public: &str) -> Option<i64> {
    const OFFSET: u128 = 100_000_000_000_000_000_000;
    i64::try_from(public.parse::<u128>().ok()?.checked_sub(OFFSET)?).ok()
}
