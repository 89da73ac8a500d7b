//! Forms with nested names: `items[0][price]=price_1&metadata[org]=org_1`.

use std::collections::BTreeMap;

use super::error::{Outcome, StripeError};

/// A decoded form, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A value.
    Text(String),
    /// Named or numbered parts.
    Parts(BTreeMap<String, Node>),
}

impl Node {
    /// Reads a form.
    ///
    /// # Errors
    /// When one name is both a value and a group of values.
    pub(super) fn parse(text: &[u8]) -> Outcome<BTreeMap<String, Self>> {
        let mut root = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            let path = path(&name)
                .ok_or_else(|| StripeError::invalid("", "", format!("Invalid parameter name: {name}")))?;
            put(&mut root, &path, value.into_owned(), &name)?;
        }
        Ok(root)
    }

    /// The members of a numbered group, in order.
    pub(super) fn members(parts: &BTreeMap<String, Self>) -> Option<Vec<(&str, &Self)>> {
        let mut members: Vec<(u64, &str, &Self)> = parts
            .iter()
            .map(|(name, node)| Some((name.parse().ok()?, name.as_str(), node)))
            .collect::<Option<_>>()?;
        members.sort_by_key(|(number, ..)| *number);
        Some(members.into_iter().map(|(_, name, node)| (name, node)).collect())
    }
}

fn path(name: &str) -> Option<Vec<&str>> {
    let Some((first, rest)) = name.split_once('[') else { return Some(vec![name]) };
    let rest = rest.strip_suffix(']')?;
    Some(std::iter::once(first).chain(rest.split("][")).collect())
}

fn put(parts: &mut BTreeMap<String, Node>, path: &[&str], value: String, whole: &str) -> Outcome<()> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    // `expand[]=a&expand[]=b` counts up.
    let name = if first.is_empty() { parts.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        parts.insert(name, Node::Text(value));
        return Ok(());
    }
    match parts.entry(name).or_insert_with(|| Node::Parts(BTreeMap::new())) {
        Node::Parts(inner) => put(inner, rest, value, whole),
        Node::Text(_) => {
            Err(StripeError::invalid("", whole, format!("{whole} is given both as a value and as a group")))
        }
    }
}
