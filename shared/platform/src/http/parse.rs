//! Bodies and query strings into types: what is wrong is told with its place.

use std::any::TypeId;

use serde::de::DeserializeOwned;

use super::RequestParts;
use crate::{Error, Result};

/// How deep a body may be nested.
const DEEPEST: usize = 32;

/// The body as the handler's type. `()` means that none is expected (`{}` is taken for none).
pub(crate) fn body<B: DeserializeOwned + 'static>(request: &RequestParts) -> Result<B> {
    let bytes = request.body()?;
    let trimmed = bytes.trim_ascii();
    if TypeId::of::<B>() == TypeId::of::<()>() {
        if trimmed.is_empty() || trimmed == b"{}" {
            return serde_json::from_str("null").map_err(Error::caused);
        }
        return Err(Error::Malformed("This takes no body.".to_owned()));
    }
    if !is_json(request.header("content-type").unwrap_or_default()) {
        return Err(Error::UnsupportedMedia);
    }
    json(bytes)
}

/// The query string as the handler's type.
pub(crate) fn query<Q: DeserializeOwned>(query: &str) -> Result<Q> {
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        let detail = error.into_inner().to_string();
        let (name, detail) = match named(&detail) {
            Some(field) => (field.to_owned(), detail),
            None if path == "." || path.is_empty() => (String::new(), "takes no such parameter".to_owned()),
            None => (path, detail),
        };
        Error::invalid(format!("?{name}"), detail)
    })
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if depth(bytes) > DEEPEST {
        return Err(Error::Malformed(format!("The body is nested deeper than {DEEPEST} levels.")));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        let text = error.to_string();
        if !error.is_data() {
            return Error::Malformed(format!("The body is not JSON: {text}."));
        }
        let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(detail, _)| detail);
        // A missing or unknown field is the parser's word about its parent; the place is the field's own.
        match named(detail) {
            Some(field) if !pointer.ends_with(&format!("/{field}")) => {
                Error::invalid(format!("{pointer}/{}", escaped(field)), detail)
            }
            _ => Error::invalid(pointer, detail),
        }
    })?;
    reader.end().map_err(|error| Error::Malformed(format!("The body is not JSON: {error}.")))?;
    Ok(value)
}

/// The field that a message of serde's names as missing or unknown.
fn named(message: &str) -> Option<&str> {
    let rest = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    rest.split_once('`').map(|(field, _)| field)
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segments = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", escaped(key))),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    segments.collect()
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let charset = |part: &str| part.to_ascii_lowercase().strip_prefix("charset=").map(str::to_owned);
    is_json && parts.filter_map(charset).all(|charset| charset.trim_matches('"') == "utf-8")
}

/// How deep arrays and objects are nested, without building them.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde::Deserialize;

    use super::*;
    use crate::page::PageQuery;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NewSite {
        label: String,
        #[serde(default)]
        owners: Vec<Owner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Owner {
        email: domain::Email,
    }

    fn told(body: &str) -> (u16, String) {
        match json::<NewSite>(body.as_bytes()).unwrap_err() {
            Error::Invalid { problems, .. } => {
                (422, format!("{} {}", problems[0].pointer, problems[0].detail))
            }
            error => (error.status(), error.detail()),
        }
    }

    #[test]
    fn what_is_wrong_in_a_body_is_told_with_its_place() {
        assert_eq!(told("{}"), (422, "/label missing field `label`".to_owned()));
        assert_eq!(
            told(r#"{"label": 7}"#),
            (422, "/label invalid type: integer `7`, expected a string".to_owned())
        );
        assert_eq!(
            told(r#"{"label": "a", "colour": 1}"#),
            (422, "/colour unknown field `colour`, expected `label` or `owners`".to_owned())
        );
        assert_eq!(
            told(r#"{"label": "a", "owners": [{"email": "a@b.ch"}, {"email": "x"}]}"#),
            (422, "/owners/1/email expected an e-mail address".to_owned())
        );
        assert_eq!(
            told(r#"{"label": "a", "owners": [{}]}"#),
            (422, "/owners/0/email missing field `email`".to_owned())
        );
        assert_eq!(told(r#"{"label": "a", "owners": {}}"#).0, 422);
        for malformed in ["", "{", "{\"label\": \"a\"} x", "{'label': 1}", "\u{0}"] {
            assert_eq!(told(malformed).0, 400, "{malformed}");
        }
        assert_eq!(told("[]").0, 422);
    }

    #[test]
    fn depth_counts_brackets_outside_texts() {
        assert_eq!(depth(br#"{"a": ["[[[[", "\"[["]}"#), 2);
        assert_eq!(depth(br"7"), 0);
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        assert_eq!(json::<serde_json::Value>(deep.as_bytes()).unwrap_err().status(), 400);
        let fine = format!("{}{}", "[".repeat(32), "]".repeat(32));
        assert!(json::<serde_json::Value>(fine.as_bytes()).is_ok());
    }

    #[test]
    fn json_is_told_from_other_types() {
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert!(is_json(good), "{good}");
        }
        for wrong in ["", "text/plain", "application/jsonp", "application/json; charset=latin1"] {
            assert!(!is_json(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_query_is_told_by_name() {
        assert_eq!(query::<PageQuery>("limit=5&cursor=a%20b").unwrap().cursor.as_deref(), Some("a b"));
        assert_eq!(query::<()>("").unwrap(), ());
        let pointer = |text| match query::<PageQuery>(text).unwrap_err() {
            Error::Invalid { problems, .. } => problems[0].pointer.clone(),
            error => error.to_string(),
        };
        assert_eq!(pointer("limit=many"), "?limit");
        assert_eq!(pointer("colour=red"), "?colour");
        assert_eq!(query::<()>("colour=red").unwrap_err().status(), 422);
    }
}
