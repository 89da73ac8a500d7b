//! Bodies of the query protocol: `Action=..&Filter.1.Name=..`, and percent encoding.

use std::collections::BTreeMap;

/// A decoded form.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form body or a query string.
    #[must_use]
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// A value that is present.
    #[must_use]
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A value, or nothing written.
    #[must_use]
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The members of a list, written `Name.1` (EC2) or `Name.member.1` (the others).
    #[must_use]
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        (1..)
            .map_while(|number| {
                self.get(&format!("{name}.{number}")).or_else(|| self.get(&format!("{name}.member.{number}")))
            })
            .map(str::to_owned)
            .collect()
    }

    /// Pairs of a list of structures, such as `Tag.1.Key` and `Tag.1.Value`.
    #[must_use]
    pub(super) fn pairs(&self, name: &str, key: &str, value: &str) -> Vec<(String, String)> {
        (1..)
            .map_while(|number| {
                let prefix = [format!("{name}.{number}"), format!("{name}.member.{number}")]
                    .into_iter()
                    .find(|prefix| self.0.contains_key(&format!("{prefix}.{key}")))?;
                Some((
                    self.text(&format!("{prefix}.{key}")).to_owned(),
                    self.text(&format!("{prefix}.{value}")).to_owned(),
                ))
            })
            .collect()
    }

    /// The whole form, for comparing two requests.
    #[must_use]
    pub(super) fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Undoes percent encoding, and `+` for a space.
#[must_use]
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => match tail.get(..2).and_then(hex_byte) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => bytes.push(b'%'),
            },
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_pairs_and_unicode() {
        let form =
            Form::parse("Action=X&Id.1=a&Id.2=b&Tag.1.Key=k&Tag.1.Value=%C3%A9+%2B&To.member.1=z&Bad=%zz");
        assert_eq!(form.list("Id"), ["a", "b"]);
        assert_eq!(form.list("To"), ["z"]);
        assert_eq!(form.pairs("Tag", "Key", "Value"), [("k".to_owned(), "é +".to_owned())]);
        assert_eq!(form.text("Bad"), "%zz");
    }
}
