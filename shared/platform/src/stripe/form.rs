//! Parameters as Stripe reads them: a form whose names nest in brackets, `items[0][price]=price_1`.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

/// Parameters that no form can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unencodable(String);

impl fmt::Display for Unencodable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unencodable {}

/// The form of a struct or map. What is `None`, and what is an empty list or map, is left out; an empty text is kept,
/// because it clears a field.
///
/// # Errors
/// If it is no struct or map, or holds a fraction: amounts are whole, and decimals are text.
pub fn encode(params: &impl Serialize) -> Result<String, Unencodable> {
    let value = serde_json::to_value(params).map_err(|error| Unencodable(error.to_string()))?;
    let Value::Object(members) = value else {
        return Err(Unencodable("parameters have names".to_owned()));
    };
    let mut form = String::new();
    for (name, value) in &members {
        put(&mut form, &escape(name), value)?;
    }
    Ok(form)
}

fn put(form: &mut String, name: &str, value: &Value) -> Result<(), Unencodable> {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (inner, value) in members {
                put(form, &format!("{name}[{}]", escape(inner)), value)?;
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                put(form, &format!("{name}[{index}]"), value)?;
            }
        }
        Value::Bool(flag) => pair(form, name, if *flag { "true" } else { "false" }),
        Value::Number(number) if number.is_f64() => {
            return Err(Unencodable(format!("{name} is a fraction, which is not exact")));
        }
        Value::Number(number) => pair(form, name, &number.to_string()),
        Value::String(text) => pair(form, name, text),
    }
    Ok(())
}

fn pair(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    form.push_str(name);
    form.push('=');
    form.extend(byte_serialize(value.as_bytes()));
}

fn escape(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn names_nest_in_brackets() {
        let params = json!({
            "customer": "cus_1",
            "items": [{ "price": "price_1", "quantity": 2 }, { "id": "si_1", "deleted": true }],
            "metadata": { "org": "org_1" },
            "expand": ["latest_invoice.confirmation_secret"],
            "recurring": { "interval": { "count": 1 } },
            "amount": -5,
        });
        let form = encode(&params).unwrap();
        let pairs: Vec<_> = form.split('&').collect();
        assert_eq!(
            pairs,
            [
                "amount=-5",
                "customer=cus_1",
                "expand[0]=latest_invoice.confirmation_secret",
                "items[0][price]=price_1",
                "items[0][quantity]=2",
                "items[1][deleted]=true",
                "items[1][id]=si_1",
                "metadata[org]=org_1",
                "recurring[interval][count]=1",
            ]
        );
    }

    #[test]
    fn what_is_absent_is_left_out_and_what_is_empty_clears() {
        let params = json!({ "a": null, "b": [], "c": {}, "d": "", "e": [{}] });
        assert_eq!(encode(&params).unwrap(), "d=");
        assert_eq!(encode(&json!({})).unwrap(), "");
    }

    #[test]
    fn values_and_names_are_escaped() {
        let params = json!({ "name": "Müller & Söhne=100%+", "metadata": { "a b[c]": "x\ny" } });
        let form = encode(&params).unwrap();
        assert_eq!(form, "metadata[a+b%5Bc%5D]=x%0Ay&name=M%C3%BCller+%26+S%C3%B6hne%3D100%25%2B");
        let read: Vec<_> = url::form_urlencoded::parse(form.as_bytes()).collect();
        assert_eq!(read[1].1, "Müller & Söhne=100%+");
    }

    #[test]
    fn fractions_and_bare_values_are_refused() {
        assert!(encode(&json!({ "amount": 1.5 })).is_err());
        assert!(encode(&json!("text")).is_err());
    }
}
