//! Reading and writing Stripe's objects, which are kept as the JSON they are answered as.

use serde_json::{Map, Value, json};

/// The text of a field; empty when it is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The number of a field; 0 when it is none.
pub(super) fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Whether a field is true.
pub(super) fn is(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

/// The members of a list, be it a plain one or a list object.
pub(super) fn list(value: &Value) -> &[Value] {
    let members = if value.is_object() { &value["data"] } else { value };
    members.as_array().map_or(&[], Vec::as_slice)
}

/// A text, unless it is missing or empty.
pub(super) fn some(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// Takes over the named parameters that were given; one given as empty unsets.
pub(super) fn copy(object: &mut Value, given: &Value, names: &[&str]) {
    for name in names {
        if let Some(value) = given.get(name) {
            object[*name] = value.clone();
        }
    }
}

/// Merges metadata: a key given as empty goes, and empty metadata clears all.
pub(super) fn merge_metadata(object: &mut Value, given: &Value) {
    let Some(given) = given.get("metadata") else { return };
    let mut kept = match given {
        Value::Null => Map::new(),
        _ => object["metadata"].as_object().cloned().unwrap_or_default(),
    };
    for (key, value) in given.as_object().into_iter().flatten() {
        match some(value) {
            Some(value) => kept.insert(key.clone(), value.into()),
            None => kept.remove(key),
        };
    }
    object["metadata"] = Value::Object(kept);
}

/// Metadata of a new object.
pub(super) fn metadata(given: &Value) -> Value {
    let mut fresh = json!({ "metadata": {} });
    merge_metadata(&mut fresh, given);
    fresh["metadata"].take()
}

/// An object without what only the fake itself knows.
pub(super) fn public(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let told = fields.iter().filter(|(name, _)| !name.starts_with('_'));
            Value::Object(
                told.map(|(name, value)| match name.as_str() {
                    // A subscription's items have such fields as well.
                    "items" if value["data"].is_array() => (name.clone(), list_told(value)),
                    _ => (name.clone(), value.clone()),
                })
                .collect(),
            )
        }
        other => other.clone(),
    }
}

fn list_told(value: &Value) -> Value {
    let mut told = value.clone();
    told["data"] = list(value).iter().map(public).collect();
    told
}

/// The fields of `before` that differ in `after`, as `previous_attributes` tells them.
pub(super) fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return (before != after).then(|| before.clone());
    };
    let mut changed = Map::new();
    for (name, value) in new {
        let previous = old.get(name).unwrap_or(&Value::Null);
        if previous != value {
            let told = match (previous, value) {
                (Value::Object(_), Value::Object(_)) => {
                    difference(previous, value).unwrap_or_else(|| json!({}))
                }
                _ => previous.clone(),
            };
            changed.insert(name.clone(), told);
        }
    }
    for (name, value) in old {
        if !new.contains_key(name) {
            changed.insert(name.clone(), value.clone());
        }
    }
    (!changed.is_empty()).then_some(Value::Object(changed))
}

/// A list object that holds everything.
pub(super) fn whole_list(url: &str, members: Vec<Value>) -> Value {
    json!({ "object": "list", "data": members, "has_more": false, "url": url })
}

/// `amount * part / whole`, rounded half away from zero.
pub(super) fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    let (amount, part, whole) = (i128::from(amount), i128::from(part), i128::from(whole));
    let product = amount * part;
    let rounded = (product.abs() * 2 + whole.abs()) / (whole.abs() * 2);
    let sign = if (product < 0) == (whole < 0) { 1 } else { -1 };
    i64::try_from(rounded * sign).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_half_away_from_zero() {
        assert_eq!(share(1, 1, 2), 1);
        assert_eq!(share(-1, 1, 2), -1);
        assert_eq!(share(2_900, 10, 30), 967);
        assert_eq!(share(-2_900, 10, 30), -967);
    }

    #[test]
    fn a_difference_tells_the_old_values() {
        let before = json!({ "a": 1, "b": { "c": 1, "d": 2 } });
        let after = json!({ "a": 1, "b": { "c": 3, "d": 2 }, "e": 5 });
        assert_eq!(difference(&before, &after), Some(json!({ "b": { "c": 1 }, "e": null })));
        assert_eq!(difference(&after, &after), None);
    }
}
