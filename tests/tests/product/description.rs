//! `openapi.json` read as a promise: which statuses each operation answers, and with which bodies.

use std::cell::RefCell;
use std::collections::BTreeMap;

use boon::{Compiler, SchemaIndex, Schemas};
use local::harness::Answer;
use serde_json::Value;
use tests::tree;

const NAME: &str = "https://tenantry.invalid/openapi.json";

/// The published description.
pub(crate) struct Description {
    document: Value,
    compiled: RefCell<(Compiler, Schemas, BTreeMap<String, SchemaIndex>)>,
}

impl Description {
    pub(crate) fn read() -> Self {
        let document: Value = serde_json::from_str(&tree::read("openapi.json")).unwrap();
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource(NAME, document.clone()).unwrap();
        Self { document, compiled: RefCell::new((compiler, Schemas::new(), BTreeMap::new())) }
    }

    /// Every operation as method and path.
    pub(crate) fn operations(&self) -> Vec<(String, String)> {
        let paths = self.document["paths"].as_object().unwrap();
        let methods = ["get", "put", "post", "delete", "patch"];
        paths
            .iter()
            .flat_map(|(path, item)| {
                methods
                    .iter()
                    .filter(|method| item.get(**method).is_some())
                    .map(move |method| (method.to_uppercase(), path.clone()))
            })
            .collect()
    }

    /// What is wrong with an answer, if anything: a status or a body that the description does not promise.
    pub(crate) fn fault(&self, method: &str, path: &str, answer: &Answer) -> Option<String> {
        let called = format!("{method} {path} answered {}", answer.status);
        let operation = format!("/paths/{}/{}", escaped(path), method.to_lowercase());
        if self.document.pointer(&operation).is_none() {
            return Some(format!("{method} {path} is not described"));
        }
        let described = self.resolve(format!("{operation}/responses/{}", answer.status));
        let Some((pointer, response)) = described else {
            return Some(format!("{called}, which is not described: {:.200}", answer.text()));
        };
        let Some(content) = response.get("content") else {
            return (!answer.text().is_empty())
                .then(|| format!("{called} with a body, but none is described"));
        };
        let kind = answer.header("content-type");
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        if content.get(&kind).is_none() {
            return Some(format!("{called} as `{kind}`, which is not described"));
        }
        if content[&kind].get("schema").is_none() || !kind.ends_with("json") {
            return None;
        }
        let schema = format!("{pointer}/content/{}/schema", escaped(&kind));
        self.mismatch(&schema, &answer.json()).map(|mismatch| format!("{called}: {mismatch}"))
    }

    /// Follows a response's `$ref`, if it is one.
    fn resolve(&self, pointer: String) -> Option<(String, &Value)> {
        let found = self.document.pointer(&pointer)?;
        match found["$ref"].as_str() {
            Some(reference) => self.resolve(reference.trim_start_matches('#').to_owned()),
            None => Some((pointer, found)),
        }
    }

    fn mismatch(&self, schema: &str, body: &Value) -> Option<String> {
        let mut compiled = self.compiled.borrow_mut();
        let (compiler, schemas, known) = &mut *compiled;
        let index = match known.get(schema) {
            Some(index) => *index,
            None => match compiler.compile(&format!("{NAME}#{schema}"), schemas) {
                Ok(index) => *known.entry(schema.to_owned()).or_insert(index),
                Err(error) => return Some(format!("the schema at {schema} is not valid: {error:#}")),
            },
        };
        schemas.validate(body, index).err().map(|error| format!("{error:#}"))
    }
}

fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
