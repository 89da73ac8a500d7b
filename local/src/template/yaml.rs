//! YAML as CloudFormation means it: tags kept, every node with its line.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::{Error, Result};

/// One value of a template and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// The file as the person names it, relative to the workspace.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
    /// What stands there.
    pub data: Data,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Data {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar; `plain` says that it was not quoted, so `true` and `10` are not text.
    Scalar {
        /// Its characters.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order written.
    Map(Vec<(String, Node)>),
    /// `!Name value`.
    Tagged(String, Box<Node>),
}

impl Node {
    /// Text at the place of this node.
    #[must_use]
    pub fn text_here(&self, text: impl Into<String>) -> Self {
        self.with(Data::Scalar { text: text.into(), plain: false })
    }

    /// Other data at the place of this node.
    #[must_use]
    pub fn with(&self, data: Data) -> Self {
        Self { file: Arc::clone(&self.file), line: self.line, data }
    }

    /// A complaint about this node, with file and line.
    #[must_use]
    pub fn fault(&self, message: impl std::fmt::Display) -> Error {
        Error::new(format!("{}:{}: {message}", self.file, self.line))
    }

    /// The entry of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a mapping; none for anything else.
    #[must_use]
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list.
    ///
    /// # Errors
    /// When it is not a list.
    pub fn items(&self) -> Result<&[Node]> {
        match &self.data {
            Data::List(items) => Ok(items),
            _ => Err(self.fault("a list is expected here")),
        }
    }

    /// The characters of a scalar.
    ///
    /// # Errors
    /// When it is not a scalar.
    pub fn text(&self) -> Result<&str> {
        match &self.data {
            Data::Scalar { text, .. } => Ok(text),
            _ => Err(self.fault("a plain value is expected here")),
        }
    }

    /// The node as JSON, with YAML's own types for scalars that were not quoted.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.data {
            Data::Null => Value::Null,
            Data::Scalar { text, plain: true } => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => text.parse::<i64>().map_or_else(|_| Value::String(text.clone()), Value::from),
            },
            Data::Scalar { text, plain: false } => Value::String(text.clone()),
            Data::List(items) => items.iter().map(Node::json).collect(),
            Data::Map(entries) => entries.iter().map(|(key, node)| (key.clone(), node.json())).collect(),
            Data::Tagged(tag, node) => serde_json::json!({ tag: node.json() }),
        }
    }
}

/// Reads one document.
///
/// # Errors
/// With file and line: bad YAML, anchors, a key written twice, more than one document.
pub fn parse(file: &str, text: &str) -> Result<Node> {
    let mut reader = Reader { file: file.into(), parser: Parser::new_from_str(text) };
    loop {
        match reader.next()? {
            (Event::DocumentStart(_), _) => break,
            (Event::StreamEnd, _) => return Err(Error::new(format!("{file}:1: the file is empty"))),
            _ => {}
        }
    }
    let first = reader.next()?;
    let root = reader.node(first)?;
    match reader.next()? {
        (Event::DocumentEnd, _) => {}
        (_, line) => return Err(Error::new(format!("{file}:{line}: one document is expected"))),
    }
    match reader.next()? {
        (Event::StreamEnd, _) => Ok(root),
        (_, line) => Err(Error::new(format!("{file}:{line}: one document is expected"))),
    }
}

struct Reader<'text> {
    file: Arc<str>,
    parser: Parser<'text, saphyr_parser::StrInput<'text>>,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<(Event<'text>, usize)> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => {
                Err(Error::new(format!("{}:{}: {}", self.file, error.marker().line(), error.info())))
            }
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn node(&mut self, (event, line): (Event<'text>, usize)) -> Result<Node> {
        let (data, tag) = match event {
            Event::Scalar(text, style, 0, tag) => (scalar(&text, style), tag),
            Event::SequenceStart(0, tag) => (self.list()?, tag),
            Event::MappingStart(0, tag) => (self.map()?, tag),
            Event::Alias(_) | Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err(self.fault(line, "anchors and aliases are not part of CloudFormation"));
            }
            _ => return Err(self.fault(line, "a value is expected here")),
        };
        let node = Node { file: Arc::clone(&self.file), line, data };
        Ok(match tag.as_deref() {
            Some(Tag { handle, suffix }) if handle == "!" => Node {
                file: Arc::clone(&self.file),
                line,
                data: Data::Tagged(suffix.clone(), Box::new(node)),
            },
            Some(Tag { suffix, .. }) if suffix == "str" => match node.data {
                Data::Scalar { ref text, .. } => node.text_here(text.clone()),
                _ => node,
            },
            Some(Tag { handle, suffix }) => {
                return Err(self.fault(line, &format!("the tag {handle}{suffix} is not understood")));
            }
            None => node,
        })
    }

    fn list(&mut self) -> Result<Data> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Data::List(items)),
                other => items.push(self.node(other)?),
            }
        }
    }

    fn map(&mut self) -> Result<Data> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Data::Map(entries)),
                (Event::Scalar(text, ..), line) => (text.into_owned(), line),
                (_, line) => return Err(self.fault(line, "a key must be plain text")),
            };
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(self.fault(line, &format!("`{key}` is written twice")));
            }
            let value = self.next()?;
            entries.push((key, self.node(value)?));
        }
    }

    fn fault(&self, line: usize, message: &str) -> Error {
        Error::new(format!("{}:{line}: {message}", self.file))
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Data {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text, "" | "~" | "null") {
        return Data::Null;
    }
    Data::Scalar { text: text.to_owned(), plain }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keeps_tags_lines_and_quotes() {
        let root =
            parse("t.yaml", "A: !Ref Stage\nB:\n  - '10'\n  - 10\nC: !GetAtt\n  - X\n  - Arn\n").unwrap();
        assert!(matches!(&root.get("A").unwrap().data, Data::Tagged(tag, _) if tag == "Ref"));
        let list = root.get("B").unwrap().items().unwrap();
        assert_eq!((list[1].line, list[0].json(), list[1].json()), (4, "10".into(), 10.into()));
    }

    #[test]
    fn complains_with_file_and_line() {
        for (text, complaint) in [
            ("A: 1\nA: 2\n", "t.yaml:2: `A` is written twice"),
            ("A: &x 1\nB: *x\n", "t.yaml:1: anchors and aliases are not part of CloudFormation"),
            ("", "t.yaml:1: the file is empty"),
        ] {
            assert_eq!(parse("t.yaml", text).unwrap_err().to_string(), complaint);
        }
        assert!(parse("t.yaml", "A: [1\n").unwrap_err().to_string().starts_with("t.yaml:"));
    }
}
