//! Items: the stored type's own fields at the top level, and the envelope around them.

use std::collections::HashMap;
use std::ops::Deref;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::expression::attribute;
use crate::event::EventEnvelope;
use crate::lease::{self, Lease};
use crate::{Error, Result};

/// An item as the SDK knows it.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// The attributes of the envelope; a stored type may have no field of these names.
const ENVELOPE: &[&str] =
    &["pk", "sk", "kind", "v", "expires_at", "event", lease::OWNER, lease::UNTIL, lease::FENCE];

/// Where an item lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    /// The key of these two parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(crate) fn attributes(&self) -> Attributes {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.pk.clone())),
            ("sk".to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }
}

/// A global secondary index of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// `gsi1`, keys `gsi1pk` and `gsi1sk`.
    Gsi1,
    /// `gsi2`, keys `gsi2pk` and `gsi2sk`.
    Gsi2,
    /// `gsi3`, keys `gsi3pk` and `gsi3sk`.
    Gsi3,
}

impl Index {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gsi1 => "gsi1",
            Self::Gsi2 => "gsi2",
            Self::Gsi3 => "gsi3",
        }
    }

    pub(crate) fn pk(self) -> String {
        format!("{}pk", self.name())
    }

    pub(crate) fn sk(self) -> String {
        format!("{}sk", self.name())
    }
}

/// A sort key: text, or a number in an index whose template says `N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    /// Sorted by bytes.
    Text(String),
    /// Sorted by value.
    Number(i128),
}

impl SortKey {
    pub(crate) fn attribute(&self) -> AttributeValue {
        match self {
            Self::Text(text) => AttributeValue::S(text.clone()),
            Self::Number(number) => AttributeValue::N(number.to_string()),
        }
    }
}

impl From<&str> for SortKey {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for SortKey {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for SortKey {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Timestamp> for SortKey {
    fn from(moment: Timestamp) -> Self {
        Self::Text(moment.to_string())
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for SortKey {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 i32 i64 }

/// A value that was read, with what is needed to write it back.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    /// The value; `Stored` dereferences to it.
    pub value: T,
    /// Counts the writes of this item, from 1.
    pub version: u64,
    /// Where it lies.
    pub key: Key,
    /// What kind of item it is.
    pub kind: String,
    /// Who works on it, if it is under a lease (which may have run out).
    pub lease: Option<Lease>,
    /// Index keys, expiry and lease: a replacement keeps them unless it says otherwise.
    pub(crate) kept: Attributes,
}

impl<T> Stored<T> {
    /// The same envelope around another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Stored<U> {
        let Self { value, version, key, kind, lease, kept } = self;
        Stored { value: change(value), version, key, kind, lease, kept }
    }
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// An item whose type is not known yet, as a stream tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item(pub(crate) Attributes);

impl Item {
    /// Where it lies.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::new(self.text("pk").unwrap_or_default(), self.text("sk").unwrap_or_default())
    }

    /// What kind of item it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("kind").unwrap_or_default()
    }

    /// A text attribute.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    /// The event that rides on it.
    ///
    /// # Errors
    /// `internal` if it carries something else under that name.
    pub fn event(&self) -> Result<Option<EventEnvelope>> {
        let Some(event) = self.0.get("event") else { return Ok(None) };
        serde_dynamo::from_attribute_value(event.clone()).map(Some).map_err(Error::caused)
    }

    /// The id of the event that rides on it.
    #[must_use]
    pub fn event_id(&self) -> Option<&str> {
        let event = self.0.get("event")?.as_m().ok()?;
        event.get("id")?.as_s().ok().map(String::as_str)
    }

    /// The item as the stored type.
    ///
    /// # Errors
    /// `internal` if it is of another shape.
    pub fn parse<T: DeserializeOwned>(self) -> Result<Stored<T>> {
        read(self.0)
    }
}

/// The item of a value, before keys and conditions.
pub(crate) fn attributes_of<T: Serialize>(value: &T) -> Result<Attributes, String> {
    let mut item: Attributes = serde_dynamo::to_item(value).map_err(|error| error.to_string())?;
    // What is absent is not stored: it would cost bytes, and `attribute_not_exists` would not see that it is absent.
    item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
    match item.keys().find(|name| is_envelope(name)) {
        Some(name) => Err(format!("a stored type may have no field `{name}`: the envelope has it")),
        None => Ok(item),
    }
}

fn is_envelope(name: &str) -> bool {
    ENVELOPE.contains(&name) || name.starts_with("gsi")
}

/// The value in an item, with its envelope.
pub(crate) fn read<T: DeserializeOwned>(mut item: Attributes) -> Result<Stored<T>> {
    let mut text = |name: &str| match item.remove(name) {
        Some(AttributeValue::S(text)) => text,
        _ => String::new(),
    };
    let (pk, sk, kind) = (text("pk"), text("sk"), text("kind"));
    let version = match item.remove("v") {
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(0),
        _ => 0,
    };
    item.remove("event");
    let kept: Attributes = item.extract_if(|name, _| is_envelope(name)).collect();
    let lease = Lease::in_item(&kept);
    let value = serde_dynamo::from_item(item)
        .map_err(|error| Error::internal(format!("{kind} {pk} {sk}: {error}")))?;
    Ok(Stored { value, version, key: Key::new(pk, sk), kind, lease, kept })
}

/// An expiry as the table's TTL wants it.
pub(crate) fn expiry(moment: Timestamp) -> AttributeValue {
    AttributeValue::N(moment.as_secs().to_string())
}

/// An event as it rides on an item.
pub(crate) fn event_attribute(event: &EventEnvelope) -> Result<AttributeValue, String> {
    attribute(event)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Site {
        label: String,
        units: u64,
        note: Option<String>,
    }

    #[test]
    fn a_value_comes_back_with_its_envelope() {
        let site = Site { label: "acme".to_owned(), units: 3, note: None };
        let mut item = attributes_of(&site).unwrap();
        assert!(!item.contains_key("note"));
        item.extend(Key::new("ORG#1", "SITE#2").attributes());
        item.insert("kind".to_owned(), AttributeValue::S("site".to_owned()));
        item.insert("v".to_owned(), AttributeValue::N("7".to_owned()));
        item.insert("gsi1pk".to_owned(), AttributeValue::S("LABEL#acme".to_owned()));
        let stored: Stored<Site> = read(item).unwrap();
        assert_eq!(*stored, site);
        assert_eq!((stored.version, stored.kind.as_str()), (7, "site"));
        assert_eq!(stored.key, Key::new("ORG#1", "SITE#2"));
        assert_eq!(stored.kept.len(), 1);
    }

    #[test]
    fn a_type_cannot_take_the_envelopes_names() {
        #[derive(Serialize)]
        struct Wrong {
            event: u8,
        }
        assert!(attributes_of(&Wrong { event: 1 }).unwrap_err().contains("`event`"));
    }
}
