//! Reads a mapping's fields by name and refuses those nobody asked for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::yaml::{Data, Node};
use crate::Result;

/// A mapping being read; [`Fields::done`] refuses what was not asked for.
pub(super) struct Fields<'node> {
    node: &'node Node,
    of: String,
    asked: RefCell<Vec<&'node str>>,
}

impl<'node> Fields<'node> {
    /// The fields of a mapping; `of` names it in complaints.
    ///
    /// # Errors
    /// When it is no mapping.
    pub(super) fn of(node: &'node Node, of: impl Into<String>) -> Result<Self> {
        match node.data {
            Data::Map(_) | Data::Null => Ok(Self { node, of: of.into(), asked: RefCell::default() }),
            _ => Err(node.fault("a mapping is expected here")),
        }
    }

    /// A field, if written.
    pub(super) fn get(&self, name: &str) -> Option<&'node Node> {
        let (key, value) = self.node.entries().iter().find(|(key, _)| key == name)?;
        self.asked.borrow_mut().push(key);
        Some(value)
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn need(&self, name: &str) -> Result<&'node Node> {
        self.get(name).ok_or_else(|| self.node.fault(format!("{} needs `{name}`", self.of)))
    }

    /// Text that must be there.
    ///
    /// # Errors
    /// When it is not, or is no text.
    pub(super) fn text(&self, name: &str) -> Result<String> {
        self.need(name)?.text().map(str::to_owned)
    }

    /// Text, if written.
    ///
    /// # Errors
    /// When it is no text.
    pub(super) fn maybe_text(&self, name: &str) -> Result<Option<String>> {
        self.get(name).map(|node| node.text().map(str::to_owned)).transpose()
    }

    /// A number, if written.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        let Some(node) = self.get(name) else { return Ok(None) };
        node.text()?.parse().map(Some).map_err(|_| node.fault(format!("`{name}` must be a whole number")))
    }

    /// A span in seconds, if written.
    ///
    /// # Errors
    /// When it is no number.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>> {
        Ok(self.number(name)?.map(Duration::from_secs))
    }

    /// A truth, `false` if not written.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn truth(&self, name: &str) -> Result<bool> {
        Ok(self.maybe_truth(name)?.unwrap_or(false))
    }

    /// A truth, if written.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn maybe_truth(&self, name: &str) -> Result<Option<bool>> {
        let Some(node) = self.get(name) else { return Ok(None) };
        match node.text()? {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(node.fault(format!("`{name}` must be true or false"))),
        }
    }

    /// The items of a list, or the one value given instead of it.
    ///
    /// # Errors
    /// When an item is no text.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some(node) = self.get(name) else { return Ok(Vec::new()) };
        match &node.data {
            Data::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            _ => Ok(vec![node.text()?.to_owned()]),
        }
    }

    /// A mapping of texts, empty if not written.
    ///
    /// # Errors
    /// When a value is no text.
    pub(super) fn map(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let Some(node) = self.get(name) else { return Ok(BTreeMap::new()) };
        node.entries()
            .iter()
            .map(|(key, value)| {
                let text = if matches!(value.data, Data::Null) { "" } else { value.text()? };
                Ok((key.clone(), text.to_owned()))
            })
            .collect()
    }

    /// Fields that are understood and have no meaning on one machine.
    pub(super) fn skip(&self, names: &[&str]) {
        for name in names {
            self.get(name);
        }
    }

    /// Refuses the fields that nobody asked for.
    ///
    /// # Errors
    /// Naming the first of them.
    pub(super) fn done(&self) -> Result<()> {
        let asked = self.asked.borrow();
        match self.node.entries().iter().find(|(key, _)| !asked.contains(&key.as_str())) {
            Some((key, node)) => Err(node.fault(format!("`{key}` of {} is not understood", self.of))),
            None => Ok(()),
        }
    }
}

/// The last part of an ARN or URL: the name of what it points at.
#[must_use]
pub(super) fn last_part(text: &str) -> &str {
    text.rsplit([':', '/']).next().unwrap_or(text)
}
