//! EC2's answers as a tree: elements by name, texts at the leaves.

use quick_xml::Reader;
use quick_xml::events::Event;

/// The deepest answer that is read.
const DEEPEST: usize = 64;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Node {
    name: String,
    text: String,
    children: Vec<Node>,
}

impl Node {
    /// The root element of a document.
    pub(super) fn parse(document: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(document);
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            match event {
                Event::Start(start) => {
                    if open.len() > DEEPEST {
                        return Err("the answer is nested too deeply".to_owned());
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::Empty(start) => close(&mut open, Self::named(start.local_name().as_ref())),
                Event::Text(text) => append(&mut open, &text.decode().map_err(|error| error.to_string())?),
                Event::CData(text) => append(&mut open, &text.decode().map_err(|error| error.to_string())?),
                Event::GeneralRef(reference) => {
                    let name = reference.decode().map_err(|error| error.to_string())?;
                    let named = quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned);
                    let numbered = || reference.resolve_char_ref().ok().flatten().map(String::from);
                    append(&mut open, &named.or_else(numbered).ok_or("the answer holds an unknown entity")?);
                }
                Event::End(_) => {
                    let closed = open.pop().unwrap_or_default();
                    close(&mut open, closed);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        match open.as_mut_slice() {
            [document] => document.children.pop().ok_or_else(|| "the answer is empty".to_owned()),
            _ => Err("the answer ends too early".to_owned()),
        }
    }

    fn named(name: &[u8]) -> Self {
        Self { name: String::from_utf8_lossy(name).into_owned(), ..Self::default() }
    }

    /// The first child of a name.
    pub(super) fn at(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.at(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The items of a list.
    pub(super) fn list(&self, name: &str) -> &[Self] {
        self.at(name).map_or(&[], |list| &list.children)
    }
}

fn close(open: &mut [Node], closed: Node) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(closed);
    }
}

fn append(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}
