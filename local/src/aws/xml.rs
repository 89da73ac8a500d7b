//! XML as AWS reads and writes it: elements and text, no attributes that matter.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::answer::escape;

/// An element that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name without a namespace prefix.
    pub(super) name: String,
    /// Its text, if it has any.
    pub(super) text: String,
    /// The elements in it.
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Reads a document; its root element.
    #[must_use]
    pub(super) fn parse(document: &str) -> Option<Self> {
        let mut reader = Reader::from_str(document);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::named(start.local_name().as_ref())),
                Event::Empty(empty) => {
                    let element = Self::named(empty.local_name().as_ref());
                    open.last_mut()?.children.push(element);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().ok()? {
                        Some(character) => character,
                        None => named_character(&reference.decode().ok()?)?,
                    };
                    open.last_mut()?.text.push(character);
                }
                Event::End(_) => {
                    let closed = open.pop()?;
                    open.last_mut()?.children.push(closed);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let document = open.pop().filter(|_| open.is_empty())?;
        document.children.into_iter().next()
    }

    fn named(name: &[u8]) -> Self {
        Self { name: String::from_utf8_lossy(name).into_owned(), ..Self::default() }
    }

    /// The first child of this name.
    #[must_use]
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of this name.
    pub(super) fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The trimmed text of the first child of this name, if it has one.
    #[must_use]
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
}

fn named_character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// An element with text in it.
#[must_use]
pub(super) fn text(name: &str, value: impl AsRef<str>) -> String {
    format!("<{name}>{}</{name}>", escape(value.as_ref()))
}

/// An element with elements in it.
#[must_use]
pub(super) fn element(name: &str, inner: impl AsRef<str>) -> String {
    format!("<{name}>{}</{name}>", inner.as_ref())
}

/// An element with one `item` element for each part.
#[must_use]
pub(super) fn list(name: &str, item: &str, parts: impl IntoIterator<Item = String>) -> String {
    let inner: String = parts.into_iter().map(|part| element(item, part)).collect();
    element(name, inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let written =
            element("R", format!("{}{}", text("A", "é<&>\""), list("L", "m", ["1".into(), "2".into()])));
        let read = Element::parse(&written).unwrap();
        assert_eq!(read.text_of("A"), Some("é<&>\""));
        let items: Vec<&str> = read.child("L").unwrap().each("m").map(|item| &*item.text).collect();
        assert_eq!(items, ["1", "2"]);
    }

    #[test]
    fn broken_documents_are_none() {
        for document in ["", "<a>", "<a></b>", "text"] {
            assert_eq!(Element::parse(document), None, "{document}");
        }
    }
}
