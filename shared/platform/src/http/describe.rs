//! What `--describe` tells of an endpoint: the material of `openapi.json`, taken from the handler's own signature.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::Limit;
use crate::auth::Actor;
use crate::run::binary_name;

/// The description of a handler with these types.
pub(crate) fn describe<A: Actor, B: JsonSchema, Q: JsonSchema, T: JsonSchema>(
    status: u16,
    limits: &[Limit],
) -> Value {
    json!({
        "name": binary_name(),
        "trigger": "http",
        "actor": A::NAME,
        "security": A::SCHEME,
        "body": schema::<B>(false),
        "query": schema::<Q>(false),
        "reply": schema::<T>(true),
        "status": status,
        "limits": limits,
    })
}

/// A type's schema (JSON Schema 2020-12, as OpenAPI 3.1 uses it), as it is read or as it is written.
fn schema<T: JsonSchema>(is_written: bool) -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
    let settings = if is_written { settings.for_serialize() } else { settings.for_deserialize() };
    settings.into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Public;
    use crate::http::MINUTE;
    use crate::page::{Listed, PageQuery};

    #[test]
    fn a_description_tells_types_and_limits() {
        let told = describe::<Public, (), PageQuery, Listed<String>>(200, &[Limit::per_ip(5, MINUTE)]);
        assert_eq!((&told["actor"], &told["security"]), (&json!("public"), &Value::Null));
        assert_eq!(told["body"]["type"], "null");
        assert_eq!(told["query"]["properties"]["limit"]["maximum"], 200);
        assert_eq!(told["query"]["additionalProperties"], false);
        assert_eq!(told["reply"]["required"], json!(["items", "next_cursor"]));
        assert_eq!(told["limits"], json!([{"per": "ip", "count": 5, "seconds": 60}]));
    }
}
