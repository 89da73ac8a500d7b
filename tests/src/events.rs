//! Every event type of the domain, read from its source: name, version, meaning and fields.

use std::collections::BTreeMap;

use crate::tree;

/// One event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventType {
    /// `<area>.<noun>_<past_verb>`.
    pub name: String,
    /// The shape's version.
    pub version: u32,
    /// The struct's first documentation line.
    pub meaning: String,
    /// Its fields in the order written.
    pub fields: Vec<Field>,
    /// The file that declares it.
    pub file: String,
}

/// One field of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in JSON.
    pub name: String,
    /// Its Rust type.
    pub kind: String,
    /// What it says.
    pub meaning: String,
}

/// Every event type, by name.
///
/// # Panics
/// When an `impl Event` stands apart from its struct, or two types share a name.
#[must_use]
pub fn all() -> BTreeMap<String, EventType> {
    let mut types = BTreeMap::new();
    for file in tree::below("shared/domain/src", ".rs") {
        for event in declared(&file, &tree::read(&file)) {
            let name = event.name.clone();
            assert!(types.insert(name.clone(), event).is_none(), "two events are called {name}");
        }
    }
    types
}

fn declared(file: &str, source: &str) -> Vec<EventType> {
    let lines: Vec<&str> = source.lines().collect();
    let implementations = lines.iter().enumerate().filter_map(|(at, line)| {
        let name = line.strip_prefix("impl Event for ")?;
        Some((at, name.trim_end_matches(" {")))
    });
    implementations
        .map(|(at, item)| {
            let body = || lines[at..].iter().map(|line| line.trim()).take_while(|line| *line != "}");
            let constant = |name: &str| body().find(|line| line.starts_with(name)).map(after_equals);
            let Some(start) = lines.iter().position(|line| *line == format!("pub struct {item} {{")) else {
                panic!("{file}: the event {item} and its struct belong into one file");
            };
            EventType {
                name: constant("const TYPE").unwrap_or_default().trim_matches('"').to_owned(),
                version: constant("const VERSION").and_then(|text| text.parse().ok()).unwrap_or(1),
                meaning: documentation(&lines[..start]),
                fields: fields(&lines[start + 1..]),
                file: file.to_owned(),
            }
        })
        .collect()
}

fn after_equals(line: &str) -> &str {
    line.split_once(" = ").map_or("", |(_, value)| value.trim_end_matches(';'))
}

/// The first line of the documentation that stands directly above, without the event's own name.
fn documentation(above: &[&str]) -> String {
    let first = above
        .iter()
        .rev()
        .map(|line| line.trim())
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .filter_map(|line| line.strip_prefix("///"))
        .last()
        .unwrap_or_default()
        .trim();
    match first.split_once("`: ") {
        Some((name, meaning)) if name.starts_with('`') => meaning.to_owned(),
        _ => first.to_owned(),
    }
}

fn fields(body: &[&str]) -> Vec<Field> {
    let end = body.iter().position(|line| *line == "}").unwrap_or(body.len());
    let inside = &body[..end];
    let declarations = inside.iter().enumerate().filter_map(|(at, line)| {
        let (name, kind) = line.strip_prefix("    pub ")?.trim_end_matches(',').split_once(": ")?;
        Some((at, name, kind))
    });
    declarations
        .map(|(at, name, kind)| Field {
            name: name.trim_start_matches("r#").to_owned(),
            kind: kind.to_owned(),
            meaning: documentation(&inside[..at]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_from_its_source() {
        let source = r#"
/// `hosting.site_activated`: a site answers at its name.
///
/// More.
#[derive(Debug)]
pub struct SiteActivated {
    /// Which.
    pub site: SiteId,
    /// Where, if it has a name.
    #[serde(default)]
    pub fqdn: Option<String>,
}

impl Event for SiteActivated {
    const TYPE: &'static str = "hosting.site_activated";
    const VERSION: u32 = 2;
}
"#;
        let event = declared("x.rs", source).remove(0);
        assert_eq!(
            (event.name.as_str(), event.version, event.meaning.as_str()),
            ("hosting.site_activated", 2, "a site answers at its name.")
        );
        let fields: Vec<_> = event.fields.iter().map(|field| (&*field.name, &*field.meaning)).collect();
        assert_eq!(fields, [("site", "Which."), ("fqdn", "Where, if it has a name.")]);
    }
}
