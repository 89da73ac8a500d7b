//! Which calls there are: method, path, parameters, and who plays them.

use std::sync::LazyLock;

use serde_json::Value;

use super::error::{Outcome, StripeError};
use super::schema::Schema;
use super::turn::Turn;
use super::value::{int, list, public, some, text};

/// Plays a call.
pub(super) type Play = fn(&mut Turn<'_>, &Call) -> Outcome<Value>;

/// One call that Stripe takes.
pub(super) struct Route {
    method: &'static str,
    path: &'static str,
    takes: &'static str,
    play: Play,
}

/// A call with its parameters read.
pub(super) struct Call {
    /// The ids in the path, in order.
    pub(super) ids: Vec<String>,
    /// The parameters.
    pub(super) given: Value,
    /// The path as it came.
    pub(super) path: String,
}

/// A route and its schema.
pub(super) struct Known {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) schema: Schema,
    pub(super) play: Play,
}

pub(super) const fn get(path: &'static str, takes: &'static str, play: Play) -> Route {
    Route { method: "GET", path, takes, play }
}

pub(super) const fn post(path: &'static str, takes: &'static str, play: Play) -> Route {
    Route { method: "POST", path, takes, play }
}

pub(super) const fn delete(path: &'static str, takes: &'static str, play: Play) -> Route {
    Route { method: "DELETE", path, takes, play }
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    super::ROUTES
        .iter()
        .flat_map(|routes| routes.iter())
        .map(|route| {
            // Every list is paged in the same way.
            let paged = route.method == "GET" && !route.path.ends_with('}');
            let takes = format!(
                "{} {}",
                route.takes,
                if paged { "limit:int starting_after ending_before page" } else { "" }
            );
            Known { method: route.method, path: route.path, schema: Schema::parse(&takes), play: route.play }
        })
        .collect()
});

/// The route of a request and the ids in its path.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static Known, Vec<String>)> {
    let fits = |known: &'static Known| {
        let mut ids = Vec::new();
        let (mut wanted, mut actual) = (known.path.split('/'), path.split('/'));
        loop {
            match (wanted.next(), actual.next()) {
                (None, None) => return Some((known, ids)),
                (Some("{id}"), Some(part)) if !part.is_empty() => ids.push(part.to_owned()),
                (Some(wanted), Some(part)) if wanted == part => {}
                _ => return None,
            }
        }
    };
    // A word beats an id: `/v1/invoices/create_preview` is no invoice.
    KNOWN.iter().filter(|known| known.method == method).filter_map(fits).min_by_key(|(_, ids)| ids.len())
}

impl Call {
    /// The first id in the path.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    /// A parameter as text.
    pub(super) fn text(&self, name: &str) -> &str {
        text(&self.given[name])
    }

    /// Whether a parameter was given, be it empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.get(name).is_some()
    }
}

/// Whether a time is in the range of a parameter.
fn in_range(range: &Value, time: i64) -> bool {
    match range {
        Value::Null => true,
        Value::Number(_) => int(range) == time,
        range => {
            let bound = |name: &str| range[name].as_i64();
            bound("gt").is_none_or(|bound| time > bound)
                && bound("gte").is_none_or(|bound| time >= bound)
                && bound("lt").is_none_or(|bound| time < bound)
                && bound("lte").is_none_or(|bound| time <= bound)
        }
    }
}

/// A page of a kind's objects, newest first.
///
/// # Errors
/// When the limit or a place in the list is wrong.
pub(super) fn page(
    turn: &Turn<'_>,
    call: &Call,
    kind: &str,
    fits: impl Fn(&Value) -> bool,
) -> Outcome<Value> {
    let given = &call.given;
    let mut found: Vec<&Value> = turn.all(kind);
    found.retain(|value| {
        value["deleted"] != true
            && in_range(&given["created"], int(value.get("created").unwrap_or(&value["date"])))
            && fits(value)
    });
    found.reverse();
    page_of(call, found.into_iter().map(public).collect())
}

/// A page of a list that is already in order.
///
/// # Errors
/// As [`page`].
pub(super) fn page_of(call: &Call, mut found: Vec<Value>) -> Outcome<Value> {
    let given = &call.given;
    let limit = given["limit"].as_i64().unwrap_or(10);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
        StripeError::invalid(
            "parameter_invalid_integer",
            "limit",
            "Invalid limit: it must be between 1 and 100",
        )
    })?;
    let place = |id: &str, param: &str| {
        let place = found.iter().position(|value| value["id"] == id);
        place.ok_or_else(|| StripeError::missing("object", id, param))
    };
    let mut has_more = false;
    if let Some(id) = some(&given["ending_before"]) {
        let end = place(id, "ending_before")?;
        found.truncate(end);
        let skipped = found.len().saturating_sub(limit);
        has_more = skipped > 0;
        found.drain(..skipped);
    } else if let Some(id) = some(&given["starting_after"]) {
        let start = place(id, "starting_after")?;
        found.drain(..=start);
    }
    if found.len() > limit {
        found.truncate(limit);
        has_more = true;
    }
    Ok(serde_json::json!({ "object": "list", "data": found, "has_more": has_more, "url": call.path }))
}

/// What Stripe's search finds by `field:'value' AND metadata['key']:'value'`.
///
/// # Errors
/// When the query has another form.
pub(super) fn search(turn: &Turn<'_>, call: &Call, kind: &str) -> Outcome<Value> {
    let wrong = || StripeError::invalid("", "query", "We were unable to parse your search query.");
    let mut clauses = Vec::new();
    for clause in call.text("query").split(" AND ") {
        let (name, value) = clause.trim().split_once(':').ok_or_else(wrong)?;
        let value = value.trim_matches(['\'', '"']).to_owned();
        let name = match name.strip_prefix("metadata[") {
            Some(key) => vec!["metadata".to_owned(), key.trim_matches(['\'', '"', ']']).to_owned()],
            None => vec![name.to_owned()],
        };
        clauses.push((name, value));
    }
    let fits = |object: &Value| {
        clauses.iter().all(|(name, value)| {
            let found = name.iter().fold(object, |object, part| &object[part.as_str()]);
            match found {
                Value::String(text) => text == value,
                Value::Null => value == "null",
                Value::Bool(truth) => value == if *truth { "true" } else { "false" },
                Value::Number(number) => value.parse() == Ok(number.as_i64().unwrap_or_default()),
                _ => false,
            }
        })
    };
    let mut found = page(turn, call, kind, fits)?;
    found["object"] = "search_result".into();
    found["next_page"] = Value::Null;
    found["total_count"] = list(&found).len().into();
    Ok(found)
}
