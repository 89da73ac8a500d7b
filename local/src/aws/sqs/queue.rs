//! A queue's attributes: defaults, limits, and the operations upon them.

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::super::answer::AwsError;
use super::{Sqs, store};

/// Attributes with a number: name, default, least, most.
const NUMBERS: [(&str, i64, i64, i64); 5] = [
    ("VisibilityTimeout", 30, 0, 43_200),
    ("DelaySeconds", 0, 0, 900),
    ("MaximumMessageSize", 1_048_576, 1_024, 1_048_576),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
];

/// Attributes that hold no number.
const TEXTS: [&str; 10] = [
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
];

pub(super) struct Queue {
    pub(super) name: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) created: i64,
    pub(super) modified: i64,
}

/// Where messages go that were received too often.
pub(super) struct Redrive {
    pub(super) dead_letters: String,
    pub(super) max_receives: i64,
}

impl Queue {
    /// The value of an attribute of [`NUMBERS`].
    pub(super) fn number(&self, attribute: &str) -> i64 {
        let default = NUMBERS.iter().find(|known| known.0 == attribute).map_or(0, |known| known.1);
        self.attributes.get(attribute).and_then(integer).unwrap_or(default)
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    pub(super) fn redrive(&self) -> Option<Redrive> {
        parse_redrive(self.attributes.get("RedrivePolicy")?.as_str()?)
    }
}

fn parse_redrive(policy: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let dead_letters = name_of_arn(policy["deadLetterTargetArn"].as_str()?).to_owned();
    Some(Redrive { dead_letters, max_receives: integer(&policy["maxReceiveCount"])? })
}

/// The queue that an input names, by URL or by name.
pub(in crate::aws) fn queue_name(input: &Value) -> &str {
    let named = input["QueueUrl"].as_str().or_else(|| input["QueueName"].as_str()).unwrap_or_default();
    named.rsplit('/').next().unwrap_or_default()
}

/// The last part of an ARN.
pub(super) fn name_of_arn(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// A number, or text that is one: AWS takes both.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::bad("InvalidParameterValue", message)
}

/// Checks attributes and writes every value as text, as SQS shows them.
fn checked(connection: &Connection, given: &Map<String, Value>) -> Result<Map<String, Value>, AwsError> {
    let mut attributes = Map::new();
    for (name, value) in given {
        if let Some((_, _, least, most)) = NUMBERS.iter().find(|known| known.0 == name) {
            let number = integer(value).filter(|number| (least..=most).contains(&number));
            let number = number.ok_or_else(|| {
                AwsError::bad("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
            })?;
            attributes.insert(name.clone(), json!(number.to_string()));
        } else if TEXTS.contains(&name.as_str()) {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if name == "RedrivePolicy" && !text.is_empty() {
                check_redrive(connection, &text)?;
            }
            attributes.insert(name.clone(), Value::String(text));
        } else {
            return Err(AwsError::bad("InvalidAttributeName", format!("Unknown Attribute {name}.")));
        }
    }
    Ok(attributes)
}

fn check_redrive(connection: &Connection, policy: &str) -> Result<(), AwsError> {
    let refuse = |reason: &str| {
        invalid(format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}"))
    };
    let redrive = parse_redrive(policy).ok_or_else(|| refuse("Redrive policy is not a valid JSON map."))?;
    if !(1..=1_000).contains(&redrive.max_receives) {
        return Err(refuse("Invalid value for maxReceiveCount: must be between 1 and 1000."));
    }
    match store::get(connection, &redrive.dead_letters)? {
        Some(_) => Ok(()),
        None => Err(refuse("Dead letter target does not exist.")),
    }
}

impl Sqs {
    pub(super) fn create(&self, connection: &Connection, input: &Value) -> Result<Value, AwsError> {
        let name = input["QueueName"].as_str().unwrap_or_default();
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        let fits = stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if stem.is_empty() || name.len() > 80 || !fits {
            return Err(invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        let none = Map::new();
        let mut attributes = checked(connection, input["Attributes"].as_object().unwrap_or(&none))?;
        let is_fifo = attributes.get("FifoQueue").is_some_and(|value| value == "true");
        if is_fifo != name.ends_with(".fifo") {
            return Err(invalid(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.",
            ));
        }
        if let Some(queue) = store::get(connection, name)? {
            let differs = attributes.iter().find(|(name, value)| queue.attributes.get(*name) != Some(value));
            return match differs {
                None => Ok(json!({"QueueUrl": self.url(name)})),
                Some((attribute, _)) => Err(AwsError::bad(
                    "QueueNameExists",
                    format!(
                        "A queue already exists with the same name and a different value for attribute {attribute}"
                    ),
                )),
            };
        }
        for (attribute, default, ..) in NUMBERS {
            attributes.entry(attribute).or_insert_with(|| json!(default.to_string()));
        }
        attributes.entry("SqsManagedSseEnabled").or_insert_with(|| json!("true"));
        let now = self.now();
        let queue = Queue { name: name.to_owned(), attributes, created: now, modified: now };
        let tags = input.get("tags").filter(|tags| tags.is_object()).cloned().unwrap_or_else(|| json!({}));
        store::insert(connection, &queue, &tags)?;
        Ok(json!({"QueueUrl": self.url(name)}))
    }

    pub(super) fn set_attributes(
        &self,
        connection: &Connection,
        mut queue: Queue,
        input: &Value,
    ) -> Result<Value, AwsError> {
        let none = Map::new();
        let given = input["Attributes"].as_object().unwrap_or(&none);
        queue.attributes.extend(checked(connection, given)?);
        queue.modified = self.now();
        store::update(connection, &queue)?;
        Ok(json!({}))
    }

    pub(super) fn attributes(
        &self,
        connection: &Connection,
        queue: &Queue,
        input: &Value,
    ) -> Result<Value, AwsError> {
        let wanted: Vec<&str> =
            input["AttributeNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let counts = store::counts(connection, &queue.name, self.now())?;
        let mut attributes = queue.attributes.clone();
        let numbers = [
            ("ApproximateNumberOfMessages", counts.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
            ("CreatedTimestamp", (queue.created / 1_000).to_string()),
            ("LastModifiedTimestamp", (queue.modified / 1_000).to_string()),
            ("QueueArn", self.arn(&queue.name)),
        ];
        attributes.extend(numbers.map(|(name, value)| (name.to_owned(), Value::String(value))));
        if !wanted.contains(&"All") {
            attributes.retain(|name, _| wanted.contains(&name.as_str()));
        }
        Ok(json!({"Attributes": attributes}))
    }

    pub(super) fn list(&self, connection: &Connection, input: &Value) -> Result<Value, AwsError> {
        let prefix = input["QueueNamePrefix"].as_str().unwrap_or_default();
        let names = store::names(connection)?;
        let urls: Vec<String> =
            names.iter().filter(|name| name.starts_with(prefix)).map(|name| self.url(name)).collect();
        Ok(json!({"QueueUrls": urls}))
    }

    pub(super) fn dead_letter_sources(
        &self,
        connection: &Connection,
        queue: &Queue,
    ) -> Result<Value, AwsError> {
        let mut urls = Vec::new();
        for name in store::names(connection)? {
            let source = store::find(connection, &name)?;
            if source.redrive().is_some_and(|redrive| redrive.dead_letters == queue.name) {
                urls.push(self.url(&name));
            }
        }
        Ok(json!({"queueUrls": urls}))
    }
}
