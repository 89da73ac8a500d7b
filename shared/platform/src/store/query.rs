//! Queries: the items of one partition, in the order of their sort keys.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::expression::Placeholders;
use super::item::{Attributes, Index, SortKey, Stored};

/// The items of one partition of the table or of an index.
#[derive(Debug, Clone)]
pub struct Query {
    pub(crate) pk: String,
    pub(crate) range: Range,
    pub(crate) index: Option<Index>,
    pub(crate) backwards: bool,
    pub(crate) consistent: bool,
    pub(crate) limit: Option<u32>,
    pub(crate) after: Option<LastKey>,
    pub(crate) filters: Vec<String>,
    pub(crate) placeholders: Placeholders,
}

#[derive(Debug, Clone)]
pub(crate) enum Range {
    All,
    Begins(String),
    Between(SortKey, SortKey),
    UpTo(SortKey),
    From(SortKey),
}

impl Query {
    /// All items of a partition.
    pub fn pk(pk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            range: Range::All,
            index: None,
            backwards: false,
            consistent: false,
            limit: None,
            after: None,
            filters: Vec::new(),
            placeholders: Placeholders::default(),
        }
    }

    /// Only those whose sort key begins so.
    #[must_use]
    pub fn begins(self, prefix: impl Into<String>) -> Self {
        Self { range: Range::Begins(prefix.into()), ..self }
    }

    /// Only those from `low` to `high`, both included.
    #[must_use]
    pub fn between(self, low: impl Into<SortKey>, high: impl Into<SortKey>) -> Self {
        Self { range: Range::Between(low.into(), high.into()), ..self }
    }

    /// Only those up to a sort key, itself included.
    #[must_use]
    pub fn up_to(self, high: impl Into<SortKey>) -> Self {
        Self { range: Range::UpTo(high.into()), ..self }
    }

    /// Only those from a sort key on, itself included.
    #[must_use]
    pub fn from(self, low: impl Into<SortKey>) -> Self {
        Self { range: Range::From(low.into()), ..self }
    }

    /// Asks an index instead of the table.
    #[must_use]
    pub fn index(self, index: Index) -> Self {
        Self { index: Some(index), ..self }
    }

    /// The last first.
    #[must_use]
    pub fn reverse(self) -> Self {
        Self { backwards: true, ..self }
    }

    /// Sees every write that was acknowledged before; twice the price, and not to be had from an index.
    #[must_use]
    pub fn consistent(self) -> Self {
        Self { consistent: true, ..self }
    }

    /// At most so many in one page.
    #[must_use]
    pub fn limit(self, limit: u32) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Goes on where a page ended.
    #[must_use]
    pub fn after(self, last: Option<LastKey>) -> Self {
        Self { after: last, ..self }
    }

    /// Only items that fulfil a condition on other attributes. They are read and paid for all the same, and counted
    /// against the limit before they are dropped: for the few among few.
    #[must_use]
    pub fn filter(
        mut self,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, impl Serialize)>,
    ) -> Self {
        let condition = self.placeholders.expression(condition);
        for (placeholder, value) in values {
            self.placeholders.bind(placeholder, &value);
        }
        self.filters.push(format!("({condition})"));
        self
    }

    /// The key condition; binds its names and values.
    pub(crate) fn key_condition(&mut self) -> String {
        let (pk, sk) = match self.index {
            Some(index) => (index.pk(), index.sk()),
            None => ("pk".to_owned(), "sk".to_owned()),
        };
        let values = &mut self.placeholders.values;
        values.insert(":query_pk".to_owned(), AttributeValue::S(self.pk.clone()));
        let mut bind = |name: &str, key: &SortKey| values.insert(name.to_owned(), key.attribute());
        let range = match &self.range {
            Range::All => String::new(),
            Range::Begins(prefix) => {
                bind(":query_low", &SortKey::Text(prefix.clone()));
                format!(" AND begins_with({sk}, :query_low)")
            }
            Range::Between(low, high) => {
                bind(":query_low", low);
                bind(":query_high", high);
                format!(" AND {sk} BETWEEN :query_low AND :query_high")
            }
            Range::UpTo(high) => {
                bind(":query_high", high);
                format!(" AND {sk} <= :query_high")
            }
            Range::From(low) => {
                bind(":query_low", low);
                format!(" AND {sk} >= :query_low")
            }
        };
        self.placeholders.expression(&format!("{pk} = :query_pk{range}"))
    }
}

/// Some of a query's items, and where to go on.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<Stored<T>>,
    /// Where the next page begins; `None` after the last.
    pub last: Option<LastKey>,
}

impl<T> Page<T> {
    /// The values alone.
    pub fn values(self) -> impl Iterator<Item = T> {
        self.items.into_iter().map(|stored| stored.value)
    }
}

/// The key after which a page ended. It tells keys: clients get it only inside a signed cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastKey(BTreeMap<String, Part>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    #[serde(rename = "s")]
    Text(String),
    #[serde(rename = "n")]
    Number(String),
}

impl LastKey {
    pub(crate) fn from_attributes(key: Attributes) -> Self {
        let parts = key.into_iter().filter_map(|(name, value)| match value {
            AttributeValue::S(text) => Some((name, Part::Text(text))),
            AttributeValue::N(number) => Some((name, Part::Number(number))),
            _ => None,
        });
        Self(parts.collect())
    }

    pub(crate) fn into_attributes(self) -> Attributes {
        let parts = self.0.into_iter().map(|(name, part)| match part {
            Part::Text(text) => (name, AttributeValue::S(text)),
            Part::Number(number) => (name, AttributeValue::N(number)),
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_query_names_its_keys_by_placeholders() {
        let mut query = Query::pk("POOL").index(Index::Gsi1).between(3_u64, 20_u64);
        assert_eq!(
            query.key_condition(),
            "#gsi1pk = :query_pk AND #gsi1sk BETWEEN :query_low AND :query_high"
        );
        assert_eq!(query.placeholders.values[":query_low"], AttributeValue::N("3".to_owned()));
        let mut query = Query::pk("ORG#1").begins("SITE#").filter("status = :s", [(":s", "live")]);
        assert_eq!(query.key_condition(), "#pk = :query_pk AND begins_with(#sk, :query_low)");
        assert_eq!(query.filters, ["(#status = :s)"]);
    }

    #[test]
    fn a_last_key_survives_a_cursor() {
        let key = Attributes::from([
            ("pk".to_owned(), AttributeValue::S("a".to_owned())),
            ("gsi1sk".to_owned(), AttributeValue::N("7".to_owned())),
        ]);
        let last = LastKey::from_attributes(key.clone());
        let text = serde_json::to_string(&last).unwrap();
        assert_eq!(text, r#"{"gsi1sk":{"n":"7"},"pk":{"s":"a"}}"#);
        assert_eq!(serde_json::from_str::<LastKey>(&text).unwrap().into_attributes(), key);
    }
}
