//! The API's description: routes from the templates, types from the functions themselves (`--describe`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::keys;
use crate::stack::{self, Settings};
use crate::template::model::{Function, Route};
use crate::{Context, Error, Result, binaries};

/// The description of the workspace's API, as it belongs into `openapi.json`.
///
/// # Errors
/// When the functions do not build, a template is wrong, or a function does not describe itself.
pub async fn document() -> Result<Value> {
    let workspace = binaries::workspace();
    let folder = binaries::ready(&workspace, false).await?;
    describe(&workspace, &folder).await
}

/// The description as it stands in the file.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn text(document: &Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(document)?))
}

/// As [`document`], with binaries that are there.
///
/// # Errors
/// As [`document`].
pub async fn describe(workspace: &Path, folder: &Path) -> Result<Value> {
    let settings = Settings {
        address: "127.0.0.1:4567".to_owned(),
        url: "http://localhost:4567".to_owned(),
        account: stack::ACCOUNT.to_owned(),
        region: stack::REGION.to_owned(),
        sites_domain: stack::SITES_DOMAIN.to_owned(),
        real_time: false,
        data: workspace.to_owned(),
    };
    let secrets = [
        (keys::accounts_secret(), keys::signing_key()?.secret),
        (keys::platform_secret(), json!({ "cursor_key": "", "origin_secret": "" })),
    ];
    let model = stack::model(workspace, &settings, &secrets.into())?;
    let mut merged = Merged::default();
    let mut routes: Vec<(&Route, &Function)> = model.routes().collect();
    routes.sort_by(|left, right| (&left.0.path, &left.0.method).cmp(&(&right.0.path, &right.0.method)));
    let mut told: BTreeMap<&str, (Value, Words)> = BTreeMap::new();
    for (route, function) in routes {
        if !told.contains_key(function.verb.as_str()) {
            let description = ask(folder, function).await?;
            told.insert(&function.verb, (description, Words::of(workspace, function)));
        }
        if let Some((description, words)) = told.get(function.verb.as_str()) {
            merged.add(route, function, description, words)?;
        }
    }
    Ok(merged.finish())
}

async fn ask(folder: &Path, function: &Function) -> Result<Value> {
    let binary = folder.join(format!("{}{}", function.verb, std::env::consts::EXE_SUFFIX));
    let output = tokio::process::Command::new(&binary)
        .arg("--describe")
        .env_clear()
        .output()
        .await
        .context(format!("{}: {} --describe", function.place, binary.display()))?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        Error::new(format!("{} --describe says no JSON ({error}): {said}", function.verb))
    })
}

/// What the head of a function's file says of it.
struct Words {
    /// The route it names first: `POST /v1/hosting/sites`.
    route: String,
    summary: String,
    description: String,
}

impl Words {
    fn of(workspace: &Path, function: &Function) -> Self {
        let file =
            workspace.join("functions").join(&function.area).join(format!("src/bin/{}.rs", function.verb));
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<&str> =
            text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let head = lines.split(|line| line.is_empty()).next().unwrap_or_default().join(" ");
        let summary =
            head.split_once(": ").map_or(head.as_str(), |(_, summary)| summary).trim_end_matches('.');
        let rest: Vec<String> =
            lines.split(|line| line.is_empty()).skip(1).map(|lines| lines.join(" ")).collect();
        let route = head.split('`').nth(1).unwrap_or_default().to_owned();
        Self { route, summary: capitalised(summary), description: rest.join("\n\n") }
    }
}

/// The function's name; an alias route of the same function adds its last fixed word.
fn operation_id(route: &Route, function: &Function, words: &Words) -> String {
    if words.route.is_empty() || words.route == format!("{} {}", route.method, route.path) {
        return function.verb.clone();
    }
    let last =
        route.path.split('/').rfind(|part| !part.is_empty() && !part.starts_with('{')).unwrap_or_default();
    let last: String =
        last.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    format!("{}_as_{last}", function.verb)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[derive(Default)]
struct Merged {
    paths: BTreeMap<String, Map<String, Value>>,
    schemas: BTreeMap<String, Value>,
    schemes: BTreeMap<String, Value>,
    tags: BTreeSet<String>,
}

impl Merged {
    fn add(&mut self, route: &Route, function: &Function, told: &Value, words: &Words) -> Result<()> {
        let mut parameters = path_parameters(&route.path);
        parameters.extend(self.query_parameters(&told["query"], &function.verb)?);
        let writes = route.method != "GET" && route.method != "HEAD";
        let signed = !told["security"].is_null();
        if writes && signed {
            parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
        }
        let body = told["body"].clone();
        let has_body = body["type"] != "null" && !body.is_null();
        let mut operation = json!({
            "operationId": operation_id(route, function, words),
            "summary": words.summary,
            "tags": [function.area],
            "security": self.security(&told["security"])?,
            "responses": self.responses(route, told, has_body, signed)?,
        });
        if !words.description.is_empty() {
            operation["description"] = words.description.clone().into();
        }
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if has_body {
            let schema = self.hoisted(body, &function.verb)?;
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        if told["limits"].as_array().is_some_and(|limits| !limits.is_empty()) {
            operation["x-rate-limits"] = told["limits"].clone();
        }
        operation["x-actor"] = told["actor"].clone();
        self.tags.insert(function.area.clone());
        let path = self.paths.entry(route.path.replace("+}", "}")).or_default();
        path.insert(route.method.to_ascii_lowercase(), operation);
        Ok(())
    }

    fn security(&mut self, scheme: &Value) -> Result<Value> {
        if scheme.is_null() {
            return Ok(json!([]));
        }
        let name = scheme["name"].as_str().ok_or_else(|| Error::new("a security scheme needs a name"))?;
        let described = match scheme["kind"].as_str() {
            Some("bearer") => json!({ "type": "http", "scheme": "bearer", "bearerFormat": scheme["format"] }),
            Some("header") => json!({ "type": "apiKey", "in": "header", "name": scheme["header"] }),
            other => return Err(Error::new(format!("the security scheme kind {other:?} is not known"))),
        };
        self.schemes.insert(name.to_owned(), described);
        Ok(json!([{ name: [] }]))
    }

    fn responses(&mut self, route: &Route, told: &Value, has_body: bool, signed: bool) -> Result<Value> {
        let name = told["name"].as_str().unwrap_or_default();
        let mut responses = Map::new();
        let reply = told["reply"].clone();
        let success = if reply["type"] == "null" {
            json!({ "description": "Done.", "headers": request_id_header() })
        } else {
            let schema = self.hoisted(reply, name)?;
            json!({
                "description": "Done.",
                "headers": request_id_header(),
                "content": { "application/json": { "schema": schema } },
            })
        };
        responses.insert(told["status"].to_string(), success);
        let mut problems = vec![("500", true), ("503", true), ("405", true)];
        // A public endpoint may take credentials in its body: a password, a refresh token, a host's token.
        problems.push(("401", signed || has_body));
        problems.push(("403", signed));
        problems.push(("404", route.path.contains('{')));
        problems.push(("400", has_body || told["query"]["type"] != "null"));
        problems.push(("413", has_body));
        problems.push(("415", has_body));
        problems.push(("422", has_body || told["query"]["type"] != "null" || route.path.contains('{')));
        problems.push(("409", route.method != "GET"));
        problems.push(("402", signed && route.method != "GET"));
        problems.push(("410", route.method != "GET"));
        problems.push(("429", told["limits"].as_array().is_some_and(|limits| !limits.is_empty())));
        for (status, applies) in problems {
            if applies {
                responses.insert(status.to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
            }
        }
        Ok(responses.into())
    }

    fn query_parameters(&mut self, query: &Value, owner: &str) -> Result<Vec<Value>> {
        let query = self.hoisted(query.clone(), owner)?;
        let query = match query["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            Some(name) => self.schemas.get(name).cloned().unwrap_or_default(),
            None => query,
        };
        let required: Vec<&str> =
            query["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut parameters = Vec::new();
        for (name, schema) in query["properties"].as_object().into_iter().flatten() {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|fields| fields.remove("description"));
            let mut parameter = json!({ "name": name, "in": "query", "required": required.contains(&name.as_str()), "schema": schema });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameters.push(parameter);
        }
        Ok(parameters)
    }

    /// Moves a schema's own definitions to the document's components.
    fn hoisted(&mut self, mut schema: Value, owner: &str) -> Result<Value> {
        let definitions = schema.as_object_mut().and_then(|fields| fields.remove("$defs"));
        let mut renamed = BTreeMap::new();
        for (name, definition) in definitions.as_ref().and_then(Value::as_object).into_iter().flatten() {
            let mut definition = definition.clone();
            refer(&mut definition, &BTreeMap::new());
            let taken = self.schemas.get(name).is_some_and(|known| *known != definition);
            // Two areas may each have a type of that name.
            let free = if taken { format!("{name}_{owner}") } else { name.clone() };
            renamed.insert(name.clone(), free);
        }
        for (name, definition) in definitions.as_ref().and_then(Value::as_object).into_iter().flatten() {
            let mut definition = definition.clone();
            refer(&mut definition, &renamed);
            if let Some(free) = renamed.get(name) {
                self.schemas.insert(free.clone(), definition);
            }
        }
        refer(&mut schema, &renamed);
        let title = schema.as_object_mut().and_then(|fields| fields.remove("title"));
        match title.as_ref().and_then(Value::as_str) {
            Some(title) if schema["type"] == "object" && is_name(title) => {
                let taken = self.schemas.get(title).is_some_and(|known| *known != schema);
                let name = if taken { format!("{title}_{owner}") } else { title.to_owned() };
                self.schemas.insert(name.clone(), schema);
                Ok(json!({ "$ref": format!("#/components/schemas/{name}") }))
            }
            _ => Ok(schema),
        }
    }

    fn finish(self) -> Value {
        let problem = json!({
            "type": "object",
            "description": "RFC 9457: what went wrong, for a program by `code` and for a person by `detail`.",
            "required": ["type", "title", "status", "code"],
            "properties": {
                "type": { "type": "string" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "code": { "type": "string" },
                "detail": { "type": "string" },
                "request_id": { "type": "string" },
                "problems": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["pointer", "detail"],
                        "properties": { "pointer": { "type": "string" }, "detail": { "type": "string" } },
                    },
                },
            },
        });
        let mut schemas = self.schemas;
        schemas.insert("Problem".to_owned(), problem);
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Tenantry",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Made by `cargo run -- openapi` from the templates and the functions; do not edit.",
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "servers": [{ "url": "http://localhost:4567", "description": "The local stack" }],
            "tags": self.tags.iter().map(|tag| json!({ "name": tag })).collect::<Vec<_>>(),
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "responses": {
                    "Problem": {
                        "description": "Refused, or failed.",
                        "headers": request_id_header(),
                        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                    },
                },
                "parameters": {
                    "IdempotencyKey": {
                        "name": "Idempotency-Key",
                        "in": "header",
                        "required": false,
                        "description": "The same key and body within 24 hours replays the stored reply; another body answers 409 `idempotency_mismatch`.",
                        "schema": { "type": "string" },
                    },
                },
                "securitySchemes": self.schemes,
            },
        })
    }
}

fn request_id_header() -> Value {
    json!({ "X-Request-Id": { "description": "The id to name when asking for help.", "schema": { "type": "string" } } })
}

fn is_name(title: &str) -> bool {
    title.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name.trim_end_matches('+'), "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

fn refer(schema: &mut Value, renamed: &BTreeMap<String, String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if key == "$ref"
                    && let Some(name) = value.as_str().and_then(|path| path.strip_prefix("#/$defs/"))
                {
                    let name = renamed.get(name).map_or(name, String::as_str);
                    *value = format!("#/components/schemas/{name}").into();
                } else {
                    refer(value, renamed);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, renamed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn definitions_move_to_the_components_and_keep_apart() {
        let mut merged = Merged::default();
        let schema = |kind: &str| {
            json!({
                "title": "Sites", "type": "object", "properties": { "site": { "$ref": "#/$defs/Site" } },
                "$defs": { "Site": { "type": kind } },
            })
        };
        let first = merged.hoisted(schema("object"), "list_sites").unwrap();
        assert_eq!(first, json!({ "$ref": "#/components/schemas/Sites" }));
        merged.hoisted(schema("string"), "find_sites").unwrap();
        assert_eq!(merged.schemas["Site"], json!({ "type": "object" }));
        assert_eq!(merged.schemas["Site_find_sites"], json!({ "type": "string" }));
        assert_eq!(
            merged.schemas["Sites_find_sites"]["properties"]["site"],
            json!({ "$ref": "#/components/schemas/Site_find_sites" })
        );
    }
}
