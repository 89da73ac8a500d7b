//! Which parameters a call takes, written in one line, and the strict reading of a form by it.
//!
//! Fields stand side by side: `customer! limit:int metadata:map mode:subscription|setup expand[] items[]{price quantity:int}`.
//! `!` means required; a type is one of `text` (if none is written), `int`, `decimal`, `bool`, `time`, `now` (a time or
//! the word), `range` (a time or `gt`, `gte`, `lt`, `lte`), `map`, `any`, or words to choose from with `|` between them.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};

use super::error::{Outcome, StripeError};
use super::form::Node;

/// The parameters of a call or of a part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    fields: BTreeMap<String, Field>,
}

#[derive(Debug, Clone)]
struct Field {
    required: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Text,
    Int,
    Decimal,
    Bool,
    Time,
    TimeOrNow,
    Range,
    Map,
    Any,
    One(Vec<String>),
    Object(Schema),
    List(Box<Kind>),
}

impl Schema {
    /// Reads the line; every call also takes `expand`.
    pub(super) fn parse(line: &str) -> Self {
        let mut schema = fields(&mut line.chars().peekable());
        let expand = Field { required: false, kind: Kind::List(Box::new(Kind::Text)) };
        schema.fields.insert("expand".to_owned(), expand);
        schema
    }

    /// The form's values by this schema: numbers as numbers, truths as truths, what is given as empty as null.
    ///
    /// # Errors
    /// `parameter_unknown`, `parameter_missing`, `parameter_invalid_...`.
    pub(super) fn read(&self, form: &BTreeMap<String, Node>) -> Outcome<Value> {
        self.read_at("", form)
    }

    fn read_at(&self, above: &str, form: &BTreeMap<String, Node>) -> Outcome<Value> {
        let named = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}[{name}]") };
        let mut values = Map::new();
        for (name, node) in form {
            let Some(field) = self.fields.get(name) else {
                let full = named(name);
                if name == "payment_method_types" {
                    let message = "`payment_method_types` is no longer supported. Use dynamic payment methods or `allowed_payment_method_types`.";
                    return Err(StripeError::invalid(
                        "payment_method_types_no_longer_supported",
                        &full,
                        message,
                    ));
                }
                let message = format!("Received unknown parameter: {full}");
                return Err(StripeError::invalid("parameter_unknown", &full, message));
            };
            let full = named(name);
            if field.required && *node == Node::Text(String::new()) {
                let message = format!(
                    "You passed an empty string for '{full}'. We assume empty values are an attempt to unset a parameter; however '{full}' cannot be unset. You should remove '{full}' from your request or supply a non-empty value."
                );
                return Err(StripeError::invalid("parameter_invalid_empty", &full, message));
            }
            values.insert(name.clone(), field.kind.read(&full, node)?);
        }
        for (name, field) in &self.fields {
            if field.required && !values.contains_key(name) {
                let full = named(name);
                let message = format!("Missing required param: {full}.");
                return Err(StripeError::invalid("parameter_missing", &full, message));
            }
        }
        Ok(Value::Object(values))
    }
}

impl Kind {
    fn of(word: &str) -> Self {
        match word {
            "text" | "" => Self::Text,
            "int" => Self::Int,
            "decimal" => Self::Decimal,
            "bool" => Self::Bool,
            "time" => Self::Time,
            "now" => Self::TimeOrNow,
            "range" => Self::Range,
            "map" => Self::Map,
            "any" => Self::Any,
            words => Self::One(words.split('|').map(str::to_owned).collect()),
        }
    }

    fn read(&self, name: &str, node: &Node) -> Outcome<Value> {
        match (self, node) {
            (Self::Any, node) => Ok(plain(node)),
            (_, Node::Text(text)) if text.is_empty() => Ok(Value::Null),
            (Self::Text | Self::Decimal | Self::One(_), Node::Text(text)) => self.read_word(name, text),
            (Self::Int, Node::Text(text)) => number(name, text),
            (Self::Time | Self::Range, Node::Text(text)) => time(name, text),
            (Self::TimeOrNow, Node::Text(text)) if matches!(text.as_str(), "now" | "unchanged") => {
                Ok(text.as_str().into())
            }
            (Self::TimeOrNow, Node::Text(text)) => time(name, text),
            (Self::Bool, Node::Text(text)) => match text.as_str() {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                other => Err(StripeError::invalid(
                    "parameter_invalid_boolean",
                    name,
                    format!("Invalid boolean: {other}"),
                )),
            },
            (Self::Range, Node::Parts(parts)) => {
                let mut range = Map::new();
                for (bound, node) in parts {
                    let (Node::Text(text), "gt" | "gte" | "lt" | "lte") = (node, bound.as_str()) else {
                        return Err(wrong(name, "range"));
                    };
                    range.insert(bound.clone(), time(name, text)?);
                }
                Ok(Value::Object(range))
            }
            (Self::Map, Node::Parts(parts)) => {
                let mut map = Map::new();
                for (key, node) in parts {
                    let Node::Text(text) = node else { return Err(wrong(name, "hash of strings")) };
                    if key.len() > 40 || text.len() > 500 {
                        let message = format!(
                            "Metadata keys can have up to 40 characters and values up to 500: {name}[{key}]"
                        );
                        return Err(StripeError::invalid("parameter_invalid_string", name, message));
                    }
                    map.insert(key.clone(), text.as_str().into());
                }
                Ok(Value::Object(map))
            }
            (Self::Object(schema), Node::Parts(parts)) => schema.read_at(name, parts),
            (Self::List(kind), Node::Parts(parts)) => {
                let members = Node::members(parts).ok_or_else(|| wrong(name, "array"))?;
                let read =
                    members.into_iter().map(|(number, node)| kind.read(&format!("{name}[{number}]"), node));
                Ok(Value::Array(read.collect::<Outcome<_>>()?))
            }
            (Self::List(_), Node::Text(_)) => Err(wrong(name, "array")),
            (Self::Object(_) | Self::Map, Node::Text(_)) => Err(wrong(name, "hash")),
            (_, Node::Parts(_)) => Err(wrong(name, "string")),
        }
    }

    fn read_word(&self, name: &str, text: &str) -> Outcome<Value> {
        match self {
            Self::One(words) if !words.iter().any(|word| word == text) => {
                let message = format!("Invalid {name}: must be one of {}", words.join(", "));
                Err(StripeError::invalid("parameter_invalid_string", name, message))
            }
            Self::Decimal if text.parse::<f64>().is_err() => Err(StripeError::invalid(
                "parameter_invalid_string",
                name,
                format!("Invalid decimal: {text}"),
            )),
            _ if text.len() > 5_000 => {
                let message = format!("Invalid string: {name} must be at most 5000 characters");
                Err(StripeError::invalid("parameter_invalid_string", name, message))
            }
            _ => Ok(text.into()),
        }
    }
}

fn number(name: &str, text: &str) -> Outcome<Value> {
    let number: Result<i64, _> = text.parse();
    number.map(Value::from).map_err(|_| {
        StripeError::invalid("parameter_invalid_integer", name, format!("Invalid integer: {text}"))
    })
}

fn time(name: &str, text: &str) -> Outcome<Value> {
    let seconds = number(name, text)?;
    if seconds.as_i64().is_none_or(|seconds| !(0..=4_102_444_800).contains(&seconds)) {
        return Err(StripeError::invalid(
            "parameter_invalid_integer",
            name,
            format!("Invalid timestamp: {text}"),
        ));
    }
    Ok(seconds)
}

fn wrong(name: &str, wanted: &str) -> StripeError {
    StripeError::invalid("parameter_invalid_string", name, format!("Invalid {wanted}: {name}"))
}

fn plain(node: &Node) -> Value {
    match node {
        Node::Text(text) => text.as_str().into(),
        Node::Parts(parts) => match Node::members(parts) {
            Some(members) => members.into_iter().map(|(_, node)| plain(node)).collect(),
            None => parts.iter().map(|(name, node)| (name.clone(), plain(node))).collect(),
        },
    }
}

fn fields(text: &mut Peekable<Chars<'_>>) -> Schema {
    let mut schema = Schema::default();
    loop {
        while text.next_if(|letter| letter.is_whitespace()).is_some() {}
        if text.peek().is_none() || text.next_if_eq(&'}').is_some() {
            return schema;
        }
        let name = word(text);
        let required = text.next_if_eq(&'!').is_some();
        let mut word_of_kind = String::new();
        if text.next_if_eq(&':').is_some() {
            word_of_kind = word(text);
        }
        let many = text.next_if_eq(&'[').is_some();
        if many {
            text.next();
        }
        let inner = if text.next_if_eq(&'{').is_some() {
            Kind::Object(fields(text))
        } else {
            Kind::of(&word_of_kind)
        };
        let kind = if many { Kind::List(Box::new(inner)) } else { inner };
        schema.fields.insert(name, Field { required, kind });
    }
}

fn word(text: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(letter) =
        text.next_if(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '|' | '-' | '.' | '*'))
    {
        word.push(letter);
    }
    word
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(line: &str, form: &str) -> Result<Value, String> {
        let form = Node::parse(form.as_bytes()).unwrap();
        Schema::parse(line)
            .read(&form)
            .map_err(|error| error.error["code"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_form_is_read_strictly() {
        let line = "customer! items[]{price! quantity:int} metadata:map mode:a|b flag:bool created:range";
        let form = "customer=c&items[1][price]=p2&items[0][price]=p1&items[0][quantity]=2&metadata[x]=y&mode=a\
                    &flag=true&created[gte]=5&expand[]=one&expand[]=two";
        let expected = json!({
            "customer": "c", "items": [{ "price": "p1", "quantity": 2 }, { "price": "p2" }], "metadata": { "x": "y" },
            "mode": "a", "flag": true, "created": { "gte": 5 }, "expand": ["one", "two"],
        });
        assert_eq!(read(line, form), Ok(expected));
        for (form, code) in [
            ("", "parameter_missing"),
            ("customer=", "parameter_invalid_empty"),
            ("customer=c&color=red", "parameter_unknown"),
            ("customer=c&items[0][size]=1", "parameter_unknown"),
            ("customer=c&items[0][quantity]=1", "parameter_missing"),
            ("customer=c&items[0][price]=p&items[0][quantity]=many", "parameter_invalid_integer"),
            ("customer=c&flag=yes", "parameter_invalid_boolean"),
            ("customer=c&mode=z", "parameter_invalid_string"),
        ] {
            assert_eq!(read(line, form), Err(code.to_owned()), "{form}");
        }
    }
}
