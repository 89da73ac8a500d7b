//! Writes: what is to change, on which condition, and what it means when the condition fails.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Timestamp;
use serde::Serialize;

use super::expression::{Placeholders, attribute};
use super::item::{Attributes, Index, Key, SortKey, Stored, attributes_of, event_attribute, expiry};
use crate::event::EventEnvelope;
use crate::lease::{self, Lease};
use crate::{Error, Result};

/// One change of one item. Every kind of change raises the item's version `v`.
///
/// A builder never fails: what cannot be stored is told by the call that sends the write.
#[derive(Debug)]
pub struct Write {
    pub(crate) key: Key,
    pub(crate) change: Change,
    pub(crate) conditions: Vec<String>,
    pub(crate) placeholders: Placeholders,
    failure: Error,
    /// In a transaction where several conditions fail, this one's meaning goes first.
    pub(crate) decisive: bool,
}

#[derive(Debug)]
pub(crate) enum Change {
    Put(Attributes),
    Update { set: Vec<String>, remove: Vec<String>, add: Vec<String> },
    Delete,
    Check,
}

impl Write {
    /// A new item; refused with `already_exists` when there is one, unless [`Write::or`] says otherwise.
    pub fn create<T: Serialize>(key: Key, kind: &str, value: &T) -> Self {
        let already = Error::refused("already_exists", "It exists already.");
        Self::item(key, kind, 1, value).when("attribute_not_exists(pk)", super::NO_VALUES).or(already)
    }

    /// Replaces what was read, unless somebody wrote meanwhile ([`Error::Conflict`]). Index keys, expiry and lease stay
    /// unless the write says otherwise; the event does not.
    pub fn replace<T, U: Serialize>(stored: &Stored<T>, value: &U) -> Self {
        let mut write = Self::item(stored.key.clone(), &stored.kind, stored.version + 1, value);
        if let Change::Put(item) = &mut write.change {
            item.extend(stored.kept.clone());
        }
        write.unchanged(stored)
    }

    /// An item, whatever was there before.
    pub fn put<T: Serialize>(key: Key, kind: &str, value: &T) -> Self {
        Self::item(key, kind, 1, value)
    }

    /// Deletes an item, whatever it holds.
    #[must_use]
    pub fn delete(key: Key) -> Self {
        Self::new(key, Change::Delete)
    }

    /// Deletes what was read, unless somebody wrote meanwhile ([`Error::Conflict`]).
    pub fn remove<T>(stored: &Stored<T>) -> Self {
        Self::delete(stored.key.clone()).unchanged(stored)
    }

    /// Changes nothing, but lets the transaction fail unless the item exists and [`Write::when`] holds.
    #[must_use]
    pub fn check(key: Key) -> Self {
        Self::new(key, Change::Check).when("attribute_exists(pk)", super::NO_VALUES)
    }

    /// Changes single attributes. As DynamoDB does, it makes the item when there is none; a condition such as
    /// `attribute_exists(pk)` prevents that.
    #[must_use]
    pub fn update(key: Key) -> Self {
        let mut write =
            Self::new(key, Change::Update { set: Vec::new(), remove: Vec::new(), add: Vec::new() });
        let one = write.placeholders.value(&1);
        write.adding(format!("#v {one}"));
        write.placeholders.names.insert("#v".to_owned(), "v".to_owned());
        write
    }

    /// Sets an attribute; what serialises to nothing (`None`) removes it.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Serialize) -> Self {
        match attribute(&value) {
            Ok(AttributeValue::Null(_)) => self.remove_attribute(name),
            Ok(value) => self.set_attribute(name, value),
            Err(fault) => {
                self.placeholders.fault = Some(fault);
                self
            }
        }
    }

    /// Adds a number to an attribute, which counts as zero when it is missing.
    #[must_use]
    pub fn add(mut self, name: &str, amount: i64) -> Self {
        let (name, amount) = (self.placeholders.name(name), self.placeholders.value(&amount));
        self.adding(format!("{name} {amount}"));
        self
    }

    /// Removes an attribute of an updated item.
    #[must_use]
    pub fn unset(self, name: &str) -> Self {
        self.remove_attribute(name)
    }

    /// Sets by an expression: `set_expr("free = free - :u", [(":u", 3)])`.
    #[must_use]
    pub fn set_expr(
        mut self,
        assignment: &str,
        values: impl IntoIterator<Item = (&'static str, impl Serialize)>,
    ) -> Self {
        let assignment = self.placeholders.expression(assignment);
        for (placeholder, value) in values {
            self.placeholders.bind(placeholder, &value);
        }
        match &mut self.change {
            Change::Update { set, .. } => set.push(assignment),
            _ => self.misuse("set_expr"),
        }
        self
    }

    /// A condition on the item as it is before the write; several must all hold. Values of different types are given
    /// with `json!`; with none pass [`super::NO_VALUES`].
    #[must_use]
    pub fn when(
        mut self,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, impl Serialize)>,
    ) -> Self {
        let condition = self.placeholders.expression(condition);
        for (placeholder, value) in values {
            self.placeholders.bind(placeholder, &value);
        }
        self.conditions.push(format!("({condition})"));
        self
    }

    /// What it means when the condition fails; [`Error::Conflict`] unless said.
    #[must_use]
    pub fn or(mut self, failure: impl Into<Error>) -> Self {
        self.failure = failure.into();
        self
    }

    /// The event that this change causes; it rides on the item.
    #[must_use]
    pub fn event(mut self, event: EventEnvelope) -> Self {
        match event_attribute(&event) {
            Ok(event) => self.set_attribute("event", event),
            Err(fault) => {
                self.placeholders.fault = Some(fault);
                self
            }
        }
    }

    /// Puts the item into an index.
    #[must_use]
    pub fn index(self, index: Index, pk: impl Into<String>, sk: impl Into<SortKey>) -> Self {
        let sk = sk.into().attribute();
        self.set_attribute(&index.pk(), AttributeValue::S(pk.into())).set_attribute(&index.sk(), sk)
    }

    /// Takes the item out of an index.
    #[must_use]
    pub fn unindex(self, index: Index) -> Self {
        self.remove_attribute(&index.pk()).remove_attribute(&index.sk())
    }

    /// The table deletes the item some time after this moment. Nothing may rely on that for more than cleaning up.
    #[must_use]
    pub fn expires_at(self, moment: Timestamp) -> Self {
        self.set_attribute("expires_at", expiry(moment))
    }

    /// Writes only while the lease is ours, and keeps it; else [`Error::Conflict`].
    #[must_use]
    pub fn holding(self, lease: &Lease) -> Self {
        self.when(
            "fence = :fence AND lease_owner = :lease_owner",
            [(":fence", serde_json::json!(lease.fence)), (":lease_owner", serde_json::json!(lease.owner))],
        )
    }

    /// Writes only while the lease is ours, and gives it back.
    #[must_use]
    pub fn releasing(self, lease: &Lease) -> Self {
        self.holding(lease).remove_attribute(lease::OWNER).remove_attribute(lease::UNTIL)
    }

    /// The lease stays ours until a later moment.
    #[must_use]
    pub fn extending(self, lease: &Lease, until: Timestamp) -> Self {
        self.holding(lease).set_attribute(lease::UNTIL, AttributeValue::S(until.to_string()))
    }

    pub(crate) fn put_lease(mut self, owner: &str, until: Timestamp) -> Self {
        let (fence, one) = (self.placeholders.name(lease::FENCE), self.placeholders.value(&1));
        self.adding(format!("{fence} {one}"));
        self.set_attribute(lease::OWNER, AttributeValue::S(owner.to_owned()))
            .set_attribute(lease::UNTIL, AttributeValue::S(until.to_string()))
    }

    pub(crate) fn decisive(mut self) -> Self {
        self.decisive = true;
        self
    }

    /// The condition, if there is one.
    pub(crate) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    /// The update expression.
    pub(crate) fn update_expression(&self) -> Option<String> {
        let Change::Update { set, remove, add } = &self.change else { return None };
        let clause = |word: &str, parts: &[String]| {
            (!parts.is_empty()).then(|| format!("{word} {}", parts.join(", ")))
        };
        let clauses = [clause("SET", set), clause("REMOVE", remove), clause("ADD", add)];
        Some(clauses.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }

    /// What went wrong while the write was put together.
    pub(crate) fn sound(&self) -> Result<()> {
        match &self.placeholders.fault {
            Some(fault) => Err(Error::internal(format!("{} {}: {fault}", self.key.pk, self.key.sk))),
            None => Ok(()),
        }
    }

    pub(crate) fn into_failure(self) -> Error {
        self.failure
    }

    fn new(key: Key, change: Change) -> Self {
        let placeholders = Placeholders::default();
        Self { key, change, conditions: Vec::new(), placeholders, failure: Error::Conflict, decisive: false }
    }

    fn item<T: Serialize>(key: Key, kind: &str, version: u64, value: &T) -> Self {
        let (mut item, fault) = match attributes_of(value) {
            Ok(item) => (item, None),
            Err(fault) => (Attributes::new(), Some(fault)),
        };
        item.extend(key.attributes());
        item.insert("kind".to_owned(), AttributeValue::S(kind.to_owned()));
        item.insert("v".to_owned(), AttributeValue::N(version.to_string()));
        let mut write = Self::new(key, Change::Put(item));
        write.placeholders.fault = fault;
        write
    }

    fn unchanged<T>(self, stored: &Stored<T>) -> Self {
        self.when("v = :read_version", [(":read_version", stored.version)])
    }

    fn set_attribute(mut self, name: &str, value: AttributeValue) -> Self {
        match &mut self.change {
            Change::Put(item) => {
                item.insert(name.to_owned(), value);
            }
            Change::Update { set, .. } => {
                let name = self.placeholders.name(name);
                let placeholder = format!(":v{}", self.placeholders.values.len());
                set.push(format!("{name} = {placeholder}"));
                self.placeholders.values.insert(placeholder, value);
            }
            Change::Delete | Change::Check => self.misuse("set"),
        }
        self
    }

    fn remove_attribute(mut self, name: &str) -> Self {
        match &mut self.change {
            Change::Put(item) => {
                item.remove(name);
            }
            Change::Update { remove, .. } => remove.push(self.placeholders.name(name)),
            Change::Delete | Change::Check => self.misuse("unset"),
        }
        self
    }

    fn adding(&mut self, clause: String) {
        match &mut self.change {
            Change::Update { add, .. } => add.push(clause),
            _ => self.misuse("add"),
        }
    }

    fn misuse(&mut self, what: &str) {
        self.placeholders.fault = Some(format!("`{what}` does not fit this kind of write"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn key() -> Key {
        Key::new("ORG#1", "SITE#2")
    }

    #[test]
    fn an_update_raises_the_version_and_says_what_it_changes() {
        let write = Write::update(key())
            .set("free_units", 3)
            .set("note", None::<String>)
            .add("sites", -1)
            .unset("run")
            .set_expr("used = used + :u", [(":u", 2)])
            .when("used >= :u AND attribute_not_exists(run)", [(":u", 2)])
            .unindex(Index::Gsi1);
        write.sound().unwrap();
        assert_eq!(
            write.update_expression().unwrap(),
            "SET #free_units = :v1, #used = #used + :u REMOVE #note, #run, #gsi1pk, #gsi1sk ADD #v :v0, #sites :v2"
        );
        assert_eq!(write.condition().unwrap(), "(#used >= :u AND attribute_not_exists(#run))");
    }

    #[test]
    fn a_replacement_keeps_index_and_lease_unless_told_otherwise() {
        let kept = Attributes::from([
            ("gsi1pk".to_owned(), AttributeValue::S("a".to_owned())),
            (lease::OWNER.to_owned(), AttributeValue::S("run".to_owned())),
            (lease::FENCE.to_owned(), AttributeValue::N("4".to_owned())),
        ]);
        let lease = Lease { owner: "run".to_owned(), until: Timestamp::from_secs(1), fence: 4 };
        let stored = Stored { value: (), version: 7, key: key(), kind: "site".to_owned(), lease: None, kept };
        let write = Write::replace(&stored, &json!({"a": 1})).releasing(&lease);
        write.sound().unwrap();
        let Change::Put(item) = &write.change else { panic!("a replacement is a put") };
        assert_eq!(item["v"], AttributeValue::N("8".to_owned()));
        assert!(
            item.contains_key("gsi1pk") && item.contains_key("fence") && !item.contains_key("lease_owner")
        );
        assert_eq!(
            write.condition().unwrap(),
            "(#v = :read_version) AND (#fence = :fence AND #lease_owner = :lease_owner)"
        );
    }

    #[test]
    fn what_does_not_fit_is_told_when_it_is_sent() {
        assert!(Write::delete(key()).set("a", 1).sound().is_err());
        assert!(Write::put(key(), "x", &json!({"pk": 1})).sound().is_err());
    }
}
