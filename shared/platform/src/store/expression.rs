//! DynamoDB expressions with every attribute name behind a placeholder, so that no name can be a reserved word.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

/// Placeholders and the names and values behind them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placeholders {
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
    /// What went wrong while the expression was put together; told when it is sent, so that builders need no `?`.
    pub(crate) fault: Option<String>,
}

impl Placeholders {
    /// The placeholder of one attribute name or path (`settings.locale`, `list[0]`).
    pub(crate) fn name(&mut self, path: &str) -> String {
        self.expression(path)
    }

    /// The placeholder of one value.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.bind(&placeholder, value);
        placeholder
    }

    /// Binds the value that an expression calls `placeholder` (`:u`).
    pub(crate) fn bind(&mut self, placeholder: &str, value: &impl Serialize) {
        match attribute(value) {
            Ok(value) => match self.values.insert(placeholder.to_owned(), value.clone()) {
                Some(other) if other != value => {
                    self.fault = Some(format!("the value {placeholder} is bound twice"));
                }
                _ => {}
            },
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// An expression with its attribute names replaced by placeholders.
    pub(crate) fn expression(&mut self, text: &str) -> String {
        let mut replaced = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_word = first.is_ascii_alphabetic() || first == '_';
            // A word, a placeholder or a number is taken as a whole; anything else one character at a time.
            let length = if is_word || first == ':' || first == '#' || first.is_ascii_digit() {
                let end = rest.char_indices().skip(1).find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_');
                end.map_or(rest.len(), |(at, _)| at)
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            if is_word && !is_keyword(token) && !after.trim_start().starts_with('(') {
                let placeholder = format!("#{token}");
                replaced.push_str(&placeholder);
                self.names.insert(placeholder, token.to_owned());
            } else {
                replaced.push_str(token);
            }
            rest = after;
        }
        replaced
    }

    /// The names, unless there are none: DynamoDB refuses an empty map.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// The values, unless there are none.
    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// A value as DynamoDB stores it.
pub(crate) fn attribute(value: &impl Serialize) -> Result<AttributeValue, String> {
    serde_dynamo::to_attribute_value(value).map_err(|error| error.to_string())
}

fn is_keyword(word: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"].iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hide_behind_placeholders_and_all_else_stays() {
        let mut expression = Placeholders::default();
        let text =
            "free >= :u AND (attribute_not_exists(run) OR size (a.status) < :n2) and x[0] BETWEEN :a AND :b";
        assert_eq!(
            expression.expression(text),
            "#free >= :u AND (attribute_not_exists(#run) OR size (#a.#status) < :n2) and #x[0] BETWEEN :a AND :b"
        );
        assert_eq!(expression.names["#status"], "status");
        assert_eq!(expression.names.len(), 5);
    }

    #[test]
    fn one_placeholder_holds_one_value() {
        let mut expression = Placeholders::default();
        expression.bind(":u", &5);
        expression.bind(":u", &5);
        assert_eq!(expression.fault, None);
        expression.bind(":u", &6);
        assert!(expression.fault.is_some());
    }
}
