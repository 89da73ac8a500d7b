//! A message, and the digests by which the SDK checks it.

use base64::Engine as _;
use domain::Timestamp;
use md5::{Digest as _, Md5};
use rusqlite::Row;
use serde_json::{Map, Value, json};

/// A message as it lies in a queue.
#[derive(Debug, Clone)]
pub struct Message {
    pub(super) seq: i64,
    /// SQS's id of the message.
    pub id: String,
    /// The body.
    pub body: String,
    /// Message attributes, as the JSON protocol writes them (`{"DataType": .., "StringValue": ..}`).
    pub attributes: Map<String, Value>,
    /// The FIFO group.
    pub group: Option<String>,
    /// The FIFO deduplication id.
    pub deduplication: Option<String>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was first received.
    pub first_received_at: Option<Timestamp>,
    /// When it can be, or could be, received.
    pub visible_at: Timestamp,
    /// How often it was received.
    pub receives: u32,
    /// The handle by which its receiver deletes it; empty before it was received.
    pub receipt: String,
}

impl Message {
    /// Reads a row of [`super::store::COLUMNS`].
    pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let attributes: String = row.get(3)?;
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            body: row.get(2)?,
            attributes: serde_json::from_str(&attributes).unwrap_or_default(),
            group: row.get(4)?,
            deduplication: row.get(5)?,
            sent_at: Timestamp::from_millis(row.get(6)?),
            receives: row.get(7)?,
            first_received_at: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_millis),
            receipt: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
            visible_at: Timestamp::from_millis(row.get(10)?),
        })
    }

    /// The digest of the body.
    #[must_use]
    pub fn body_md5(&self) -> String {
        md5_hex(self.body.as_bytes())
    }

    /// The system attributes, by SQS's names; Lambda's event carries all of them.
    #[must_use]
    pub fn system_attributes(&self, sender: &str) -> Map<String, Value> {
        let mut attributes = Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), Value::String(value));
            }
        };
        put("ApproximateReceiveCount", Some(self.receives.to_string()));
        put("SentTimestamp", Some(self.sent_at.as_millis().to_string()));
        let first = self.first_received_at.map(|moment| moment.as_millis().to_string());
        put("ApproximateFirstReceiveTimestamp", first);
        put("SenderId", Some(sender.to_owned()));
        put("MessageGroupId", self.group.clone());
        put("MessageDeduplicationId", self.deduplication.clone());
        put("SequenceNumber", self.group.is_some().then(|| sequence_number(self.seq)));
        attributes
    }

    /// As ReceiveMessage answers, with the attributes that were asked for.
    pub(super) fn answered(&self, sender: &str, system: &[&str], wanted: &[&str]) -> Value {
        let mut answer = json!({
            "MessageId": self.id,
            "ReceiptHandle": self.receipt,
            "MD5OfBody": self.body_md5(),
            "Body": self.body,
        });
        let mut system_attributes = self.system_attributes(sender);
        if !system.contains(&"All") {
            system_attributes.retain(|name, _| system.contains(&name.as_str()));
        }
        if !system_attributes.is_empty() {
            answer["Attributes"] = Value::Object(system_attributes);
        }
        let mut attributes = self.attributes.clone();
        attributes.retain(|name, _| {
            wanted.iter().any(|wanted| {
                matches!(*wanted, "All" | ".*")
                    || wanted == name
                    || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
            })
        });
        if !attributes.is_empty() {
            answer["MD5OfMessageAttributes"] = json!(attributes_md5(&attributes));
            answer["MessageAttributes"] = Value::Object(attributes);
        }
        answer
    }
}

pub(super) fn sequence_number(seq: i64) -> String {
    format!("{seq:020}")
}

pub(super) fn md5_hex(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// SQS's digest of message attributes: names, types and values by name, each after its length.
pub(super) fn attributes_md5(attributes: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = attributes.keys().collect();
    names.sort();
    let mut bytes = Vec::new();
    for name in names {
        let attribute = &attributes[name];
        put(&mut bytes, name.as_bytes());
        put(&mut bytes, attribute["DataType"].as_str().unwrap_or("String").as_bytes());
        match attribute["BinaryValue"].as_str() {
            Some(value) => {
                bytes.push(2);
                let value = base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default();
                put(&mut bytes, &value);
            }
            None => {
                bytes.push(1);
                put(&mut bytes, attribute["StringValue"].as_str().unwrap_or_default().as_bytes());
            }
        }
    }
    md5_hex(&bytes)
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(field);
}
