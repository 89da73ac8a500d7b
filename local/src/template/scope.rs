//! One template with its parameters: conditions, and what every intrinsic function comes to.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::resources;
use super::yaml::{Data, Node};
use crate::Result;

/// What is the same for all templates of one deployment.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The region's name.
    pub region: String,
    /// The account's twelve digits.
    pub account: String,
    /// Where signed AWS requests go, for queue URLs.
    pub aws_url: String,
    /// Where the HTTP APIs are reached.
    pub api_url: String,
    /// Secrets by id, for `{{resolve:secretsmanager:...}}`.
    pub secrets: BTreeMap<String, Value>,
}

/// A template, its parameters and the outputs of the applications nested in it.
pub(super) struct Scope {
    /// `tenantry-local`, or `tenantry-local-Accounts` for a nested application.
    pub stack: String,
    /// What all templates share.
    pub around: Arc<Surroundings>,
    /// The whole document.
    pub root: Node,
    parameters: BTreeMap<String, Node>,
    outputs: BTreeMap<String, BTreeMap<String, Node>>,
    depth: Cell<usize>,
}

/// Deeper than any honest template; a reference to itself ends here instead of in a full stack.
const DEEPEST: usize = 100;

impl Scope {
    /// Binds a template to the parameters given to it.
    ///
    /// # Errors
    /// With file and line: unknown top-level keys, parameters unknown, missing or not allowed.
    pub(super) fn new(
        stack: String,
        around: Arc<Surroundings>,
        root: Node,
        given: &BTreeMap<String, Node>,
    ) -> Result<Self> {
        const KNOWN: [&str; 11] = [
            "AWSTemplateFormatVersion",
            "Transform",
            "Description",
            "Metadata",
            "Parameters",
            "Mappings",
            "Conditions",
            "Globals",
            "Resources",
            "Outputs",
            // Rules only forbid combinations of parameters that the local stack never gives.
            "Rules",
        ];
        if let Some((key, node)) = root.entries().iter().find(|(key, _)| !KNOWN.contains(&key.as_str())) {
            return Err(node.fault(format!("`{key}` is not understood at the top of a template")));
        }
        let parameters = bind(&root, given)?;
        Ok(Self { stack, around, root, parameters, outputs: BTreeMap::new(), depth: Cell::new(0) })
    }

    /// Makes a nested application's outputs known.
    pub(super) fn nested(&mut self, id: &str, outputs: BTreeMap<String, Node>) {
        self.outputs.insert(id.to_owned(), outputs);
    }

    /// The resources that exist under this template's conditions.
    ///
    /// # Errors
    /// With file and line, when a condition cannot be told.
    pub(super) fn resources(&self) -> Result<Vec<(&str, &Node)>> {
        let mut present = Vec::new();
        for (id, node) in self.root.get("Resources").map(Node::entries).unwrap_or_default() {
            if self.exists(node)? {
                present.push((id.as_str(), node));
            }
        }
        Ok(present)
    }

    /// The outputs that exist, worked out.
    ///
    /// # Errors
    /// With file and line, when a value cannot be told.
    pub(super) fn outputs(&self) -> Result<BTreeMap<String, Node>> {
        let mut outputs = BTreeMap::new();
        for (name, node) in self.root.get("Outputs").map(Node::entries).unwrap_or_default() {
            if self.exists(node)? {
                let value = node.get("Value").ok_or_else(|| node.fault("an output needs a Value"))?;
                if let Some(value) = self.resolve(value)? {
                    outputs.insert(name.clone(), value);
                }
            }
        }
        Ok(outputs)
    }

    fn exists(&self, node: &Node) -> Result<bool> {
        match node.get("Condition") {
            Some(name) => self.condition(name.text()?, name),
            None => Ok(true),
        }
    }

    /// What a node comes to; `None` is `AWS::NoValue`.
    ///
    /// # Errors
    /// With file and line, when it refers to what is not there or is not understood.
    pub(super) fn resolve(&self, node: &Node) -> Result<Option<Node>> {
        if let Some((function, argument)) = intrinsic(node) {
            return self.call(function, argument, node);
        }
        Ok(Some(match &node.data {
            Data::List(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.extend(self.resolve(item)?);
                }
                node.with(Data::List(resolved))
            }
            Data::Map(entries) => {
                let mut resolved = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    if let Some(value) = self.resolve(value)? {
                        resolved.push((key.clone(), value));
                    }
                }
                node.with(Data::Map(resolved))
            }
            Data::Scalar { text, .. } if text.contains("{{resolve:") => {
                node.text_here(self.dynamic(text, node)?)
            }
            _ => node.clone(),
        }))
    }

    /// What a node comes to, as text.
    ///
    /// # Errors
    /// As [`Scope::resolve`], and when it is no text.
    pub(super) fn text(&self, node: &Node) -> Result<String> {
        match self.resolve(node)? {
            Some(value) => value.text().map(str::to_owned),
            None => Err(node.fault("AWS::NoValue has no text")),
        }
    }

    fn call(&self, function: &str, argument: &Node, node: &Node) -> Result<Option<Node>> {
        let value = match function {
            "Ref" => {
                let name = argument.text()?;
                if name == "AWS::NoValue" {
                    return Ok(None);
                }
                self.reference(name, node)?
            }
            "GetAtt" => {
                let path = match &argument.data {
                    Data::List(parts) => {
                        parts.iter().map(|part| self.text(part)).collect::<Result<Vec<_>>>()?.join(".")
                    }
                    _ => argument.text()?.to_owned(),
                };
                self.attribute(&path, node)?
            }
            "Sub" => node.text_here(self.dynamic(&self.substitute(argument)?, node)?),
            "Join" => {
                let [separator, parts] = self.arguments(argument)?;
                let parts = self.resolve(&parts)?.ok_or_else(|| node.fault("nothing to join"))?;
                let parts = parts.items()?.iter().map(Node::text).collect::<Result<Vec<_>>>()?;
                node.text_here(self.dynamic(&parts.join(&self.text(&separator)?), node)?)
            }
            "Split" => {
                let [separator, text] = self.arguments(argument)?;
                let text = self.text(&text)?;
                let parts = text.split(&self.text(&separator)?).map(|part| node.text_here(part)).collect();
                node.with(Data::List(parts))
            }
            "Select" => {
                let [index, list] = self.arguments(argument)?;
                let index: usize =
                    self.text(&index)?.parse().map_err(|_| index.fault("Select needs a number"))?;
                let list = self.resolve(&list)?.ok_or_else(|| node.fault("nothing to select from"))?;
                let items = list.items()?;
                items.get(index).cloned().ok_or_else(|| {
                    node.fault(format!("Select wants item {index} of a list of {}", items.len()))
                })?
            }
            "FindInMap" => {
                let [map, first, second] = self.arguments(argument)?;
                let (map, first, second) = (self.text(&map)?, self.text(&first)?, self.text(&second)?);
                let found =
                    self.root.get("Mappings").and_then(|maps| maps.get(&map)?.get(&first)?.get(&second));
                found.cloned().ok_or_else(|| node.fault(format!("no mapping {map}.{first}.{second}")))?
            }
            "If" => {
                let [condition, yes, no] = self.arguments(argument)?;
                let chosen = if self.condition(condition.text()?, &condition)? { yes } else { no };
                return self.resolve(&chosen);
            }
            "Equals" | "Not" | "And" | "Or" | "Condition" => {
                let truth = self.decide(node)?;
                node.with(Data::Scalar { text: truth.to_string(), plain: true })
            }
            other => return Err(node.fault(format!("the function {other} is not played by the local stack"))),
        };
        Ok(Some(value))
    }

    fn arguments<const N: usize>(&self, argument: &Node) -> Result<[Node; N]> {
        argument
            .items()?
            .to_vec()
            .try_into()
            .map_err(|_| argument.fault(format!("{N} arguments are expected")))
    }

    /// Whether a named condition holds.
    ///
    /// # Errors
    /// With file and line, when it is unknown or not understood.
    pub(super) fn condition(&self, name: &str, at: &Node) -> Result<bool> {
        let node = self.root.get("Conditions").and_then(|all| all.get(name));
        let node = node.ok_or_else(|| at.fault(format!("there is no condition `{name}`")))?;
        self.deeper(node, || self.decide(node))
    }

    fn decide(&self, node: &Node) -> Result<bool> {
        let Some((function, argument)) = condition_function(node) else {
            return Err(node.fault("a condition is expected here"));
        };
        match function {
            "Condition" => self.condition(argument.text()?, node),
            "Equals" => {
                let [left, right] = self.arguments(argument)?;
                Ok(self.text(&left)? == self.text(&right)?)
            }
            "Not" => {
                let [inner] = self.arguments(argument)?;
                Ok(!self.decide(&inner)?)
            }
            "And" => argument.items()?.iter().try_fold(true, |all, item| Ok(self.decide(item)? && all)),
            "Or" => argument.items()?.iter().try_fold(false, |any, item| Ok(self.decide(item)? || any)),
            other => Err(node.fault(format!("{other} cannot stand in a condition"))),
        }
    }

    fn deeper<T>(&self, node: &Node, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.depth.get() > DEEPEST {
            return Err(node.fault("this refers to itself"));
        }
        self.depth.set(self.depth.get() + 1);
        let result = work();
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn reference(&self, name: &str, at: &Node) -> Result<Node> {
        let around = &self.around;
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        let pseudo = match name {
            "AWS::Region" => Some(around.region.clone()),
            "AWS::AccountId" => Some(around.account.clone()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::StackName" => Some(self.stack.clone()),
            "AWS::StackId" => Some(format!(
                "arn:aws:cloudformation:{}:{}:stack/{}/local",
                around.region, around.account, self.stack
            )),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            _ => None,
        };
        if let Some(text) = pseudo {
            return Ok(at.text_here(text));
        }
        let resource = self.resource(name, at)?;
        self.deeper(at, || resources::reference(self, name, resource)).map(|text| at.text_here(text))
    }

    fn attribute(&self, path: &str, at: &Node) -> Result<Node> {
        let Some((id, attribute)) = path.split_once('.') else {
            return Err(at.fault(format!("GetAtt needs a resource and an attribute, not `{path}`")));
        };
        if let Some(output) = attribute.strip_prefix("Outputs.") {
            self.resource(id, at)?;
            let found = self.outputs.get(id).and_then(|outputs| outputs.get(output));
            return found.cloned().ok_or_else(|| at.fault(format!("{id} has no output `{output}`")));
        }
        if let Some(text) = resources::role_of_function(self, id, attribute) {
            return Ok(at.text_here(text));
        }
        let resource = self.resource(id, at)?;
        let text = self.deeper(at, || resources::attribute(self, id, resource, attribute, at))?;
        Ok(at.text_here(text))
    }

    fn resource(&self, id: &str, at: &Node) -> Result<&Node> {
        let node = self.root.get("Resources").and_then(|all| all.get(id));
        let node = node.ok_or_else(|| at.fault(format!("there is no parameter or resource `{id}`")))?;
        if self.exists(node)? {
            Ok(node)
        } else {
            Err(at.fault(format!("`{id}` does not exist: its condition is false")))
        }
    }

    fn substitute(&self, argument: &Node) -> Result<String> {
        let (pattern, own) = match &argument.data {
            Data::List(_) => {
                let [pattern, own] = self.arguments(argument)?;
                (pattern, Some(own))
            }
            _ => (argument.clone(), None),
        };
        let mut rest = pattern.text()?;
        let mut text = String::with_capacity(rest.len());
        while let Some(start) = rest.find("${") {
            text.push_str(&rest[..start]);
            let after = &rest[start + 2..];
            let end = after.find('}').ok_or_else(|| pattern.fault("`${` is not closed"))?;
            let name = after[..end].trim();
            rest = &after[end + 1..];
            if let Some(literal) = name.strip_prefix('!') {
                text.push_str(&format!("${{{literal}}}"));
            } else if let Some(value) = own.as_ref().and_then(|own| own.get(name)) {
                text.push_str(&self.text(value)?);
            } else if name.contains('.') {
                text.push_str(self.attribute(name, &pattern)?.text()?);
            } else {
                text.push_str(self.reference(name, &pattern)?.text()?);
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    /// Replaces `{{resolve:secretsmanager:ID:SecretString:key}}`.
    fn dynamic(&self, text: &str, at: &Node) -> Result<String> {
        let mut rest = text;
        let mut resolved = String::with_capacity(text.len());
        while let Some(start) = rest.find("{{resolve:") {
            resolved.push_str(&rest[..start]);
            let after = &rest[start + "{{resolve:".len()..];
            let end = after.find("}}").ok_or_else(|| at.fault("`{{resolve:` is not closed"))?;
            resolved.push_str(&self.secret(&after[..end], at)?);
            rest = &after[end + 2..];
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    fn secret(&self, reference: &str, at: &Node) -> Result<String> {
        let parts: Vec<&str> = reference.split(':').collect();
        let ["secretsmanager", id, "SecretString", key, ..] = parts.as_slice() else {
            return Err(
                at.fault(format!("the dynamic reference `{reference}` is not played by the local stack"))
            );
        };
        let secret = self.around.secrets.get(*id);
        let secret = secret.ok_or_else(|| at.fault(format!("the local stack makes no secret `{id}`")))?;
        match secret.get(key) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
            None => Err(at.fault(format!("the secret `{id}` has no key `{key}`"))),
        }
    }

    /// The ids of resources that a node refers to, by whatever intrinsic; for the order of nested applications.
    pub(super) fn references(node: &Node, found: &mut Vec<String>) {
        let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
        if let Some((function, argument)) = intrinsic(node) {
            match (function, &argument.data) {
                ("Ref" | "GetAtt", Data::Scalar { text, .. }) => found.push(first(text)),
                ("GetAtt", Data::List(parts)) => {
                    found.extend(parts.first().and_then(|part| part.text().ok()).map(first));
                }
                ("Sub", _) => {
                    let pattern = match &argument.data {
                        Data::List(items) => items.first().and_then(|item| item.text().ok()),
                        _ => argument.text().ok(),
                    };
                    for piece in pattern.unwrap_or_default().split("${").skip(1) {
                        found.push(first(piece.split('}').next().unwrap_or_default().trim()));
                    }
                }
                _ => {}
            }
        }
        match &node.data {
            Data::List(items) => items.iter().for_each(|item| Self::references(item, found)),
            Data::Map(entries) => entries.iter().for_each(|(_, value)| Self::references(value, found)),
            Data::Tagged(_, inner) => Self::references(inner, found),
            _ => {}
        }
    }
}

/// The intrinsic function that a node calls, in its short form or its long one.
fn intrinsic(node: &Node) -> Option<(&str, &Node)> {
    match &node.data {
        Data::Tagged(tag, argument) => Some((tag.as_str(), argument)),
        Data::Map(entries) => match entries.as_slice() {
            [(key, argument)] if key == "Ref" => Some(("Ref", argument)),
            [(key, argument)] => key.strip_prefix("Fn::").map(|function| (function, argument)),
            _ => None,
        },
        _ => None,
    }
}

/// As [`intrinsic`]; in a condition `{Condition: Name}` is one too, elsewhere it may be a policy's.
fn condition_function(node: &Node) -> Option<(&str, &Node)> {
    match node.entries() {
        [(key, argument)] if key == "Condition" => Some(("Condition", argument)),
        _ => intrinsic(node),
    }
}

fn bind(root: &Node, given: &BTreeMap<String, Node>) -> Result<BTreeMap<String, Node>> {
    let declared = root.get("Parameters").map(Node::entries).unwrap_or_default();
    if let Some((name, node)) =
        given.iter().find(|(name, _)| !declared.iter().any(|(known, _)| known == *name))
    {
        return Err(node.fault(format!("{} declares no parameter `{name}`", root.file)));
    }
    let mut bound = BTreeMap::new();
    for (name, declaration) in declared {
        let kind =
            declaration.get("Type").ok_or_else(|| declaration.fault("a parameter needs a Type"))?.text()?;
        let value = given.get(name).or_else(|| declaration.get("Default"));
        let value = value.ok_or_else(|| declaration.fault(format!("the parameter `{name}` has no value")))?;
        let text = match &value.data {
            Data::Null => String::new(),
            Data::List(items) => items.iter().map(Node::text).collect::<Result<Vec<_>>>()?.join(","),
            _ => value.text()?.to_owned(),
        };
        if let Some(allowed) = declaration.get("AllowedValues") {
            let allowed = allowed.items()?.iter().map(Node::text).collect::<Result<Vec<_>>>()?;
            if !allowed.contains(&text.as_str()) {
                return Err(value.fault(format!("`{name}` must be one of {}", allowed.join(", "))));
            }
        }
        let data = match kind {
            "Number" if text.parse::<f64>().is_err() => {
                return Err(value.fault(format!("`{name}` must be a number")));
            }
            "CommaDelimitedList" | "List<String>" | "List<Number>" => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Data::List(items.map(|item| value.text_here(item)).collect())
            }
            _ => Data::Scalar { text, plain: false },
        };
        bound.insert(name.clone(), value.with(data));
    }
    Ok(bound)
}
