//! The functions, queues and alarms that the templates declare.

use std::collections::BTreeMap;
use std::fmt;

use local::template::yaml::{self, Data, Node};

use crate::tree;

/// What the templates hold.
#[derive(Debug)]
pub struct Catalog {
    /// Each area's template, by area.
    pub templates: BTreeMap<String, Node>,
    /// Every function, by name.
    pub functions: BTreeMap<String, Function>,
    /// Every queue, dead-letter queues too.
    pub queues: Vec<Queue>,
    /// Every alarm.
    pub alarms: Vec<Alarm>,
}

/// One Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// `verb_noun`: its binary, its file and the last part of its `CodeUri`.
    pub name: String,
    /// The area whose template declares it.
    pub area: String,
    /// Its logical id.
    pub logical_id: String,
    /// What starts it.
    pub triggers: Vec<Trigger>,
}

/// What starts a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A route of the area's API.
    Route {
        /// `GET`, `POST` and so on.
        method: String,
        /// The full public path with its `{parameters}`.
        path: String,
    },
    /// A queue, by the name that follows the stage.
    Queue(String),
    /// A schedule's expression.
    Schedule(String),
    /// A table's stream, by what the template refers to.
    Stream(String),
}

/// One SQS queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The area whose template declares it.
    pub area: String,
    /// Its logical id.
    pub logical_id: String,
    /// Its name without product and stage: `hosting-operations`.
    pub name: String,
    /// The logical id of its dead-letter queue.
    pub dead_letters: Option<String>,
}

/// One CloudWatch alarm.
#[derive(Debug, Clone)]
pub struct Alarm {
    /// The area whose template declares it.
    pub area: String,
    /// Its logical id.
    pub logical_id: String,
    /// What it says when it goes off.
    pub description: String,
}

impl fmt::Display for Trigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { method, path } => write!(formatter, "{method} {path}"),
            Self::Queue(name) | Self::Schedule(name) | Self::Stream(name) => formatter.write_str(name),
        }
    }
}

impl Trigger {
    /// What the trigger is called before its name: nothing for a route.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Route { .. } => "",
            Self::Queue(_) => "Queue ",
            Self::Schedule(_) => "Schedule ",
            Self::Stream(_) => "Stream ",
        }
    }
}

impl Function {
    /// Its source file.
    #[must_use]
    pub fn file(&self) -> String {
        format!("functions/{}/src/bin/{}.rs", self.area, self.name)
    }

    /// The sample of what starts it.
    #[must_use]
    pub fn sample(&self) -> String {
        format!("events/{}/{}.json", self.area, self.name)
    }

    /// The first line of its file, which says what starts it and what it does.
    #[must_use]
    pub fn headline(&self) -> String {
        let source = tree::read(&self.file());
        source.lines().next().unwrap_or_default().trim_start_matches("//!").trim().to_owned()
    }

    /// Its routes, as method and path.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Route { method, path } => Some((method.as_str(), path.as_str())),
            _ => None,
        })
    }
}

impl Catalog {
    /// Reads the templates.
    ///
    /// # Panics
    /// With file and line, when one is not what the local stack could read either.
    #[must_use]
    pub fn read() -> Self {
        let mut catalog = Self {
            templates: BTreeMap::new(),
            functions: BTreeMap::new(),
            queues: Vec::new(),
            alarms: Vec::new(),
        };
        for area in tree::areas() {
            let file = format!("functions/{area}/template.yaml");
            let template = template(&file);
            catalog.add(&area, &template);
            catalog.templates.insert(area, template);
        }
        assert!(!catalog.functions.is_empty(), "no template declares a function");
        catalog
    }

    /// Every route as function, method and path, sorted by path.
    #[must_use]
    pub fn routes(&self) -> Vec<(&Function, &str, &str)> {
        let mut routes: Vec<_> = self
            .functions
            .values()
            .flat_map(|function| function.routes().map(move |(method, path)| (function, method, path)))
            .collect();
        routes.sort_by_key(|(_, method, path)| (*path, *method));
        routes
    }

    fn add(&mut self, area: &str, template: &Node) {
        let resources: BTreeMap<&str, &Node> = section(template, "Resources");
        for (id, resource) in &resources {
            let properties = resource.get("Properties");
            let property = |name: &str| properties.and_then(|properties| properties.get(name));
            match text(resource.get("Type")).as_str() {
                "AWS::Serverless::Function" => {
                    let name = text(property("CodeUri"))
                        .rsplit('/')
                        .find(|part| !part.is_empty())
                        .map(str::to_owned);
                    let Some(name) = name else {
                        panic!("{}:{}: {id} has no CodeUri", resource.file, resource.line)
                    };
                    let events = property("Events").map(Node::entries).unwrap_or_default();
                    let function = Function {
                        name: name.clone(),
                        area: area.to_owned(),
                        logical_id: (*id).to_owned(),
                        triggers: events.iter().filter_map(|(_, event)| trigger(event, &resources)).collect(),
                    };
                    let twice = self.functions.insert(name.clone(), function);
                    assert!(twice.is_none(), "two functions are called {name}");
                }
                "AWS::SQS::Queue" => self.queues.push(Queue {
                    area: area.to_owned(),
                    logical_id: (*id).to_owned(),
                    name: queue_name(resource),
                    dead_letters: property("RedrivePolicy")
                        .and_then(|policy| policy.get("deadLetterTargetArn"))
                        .map(reference),
                }),
                "AWS::CloudWatch::Alarm" => self.alarms.push(Alarm {
                    area: area.to_owned(),
                    logical_id: (*id).to_owned(),
                    description: text(property("AlarmDescription")),
                }),
                _ => {}
            }
        }
    }
}

/// A template of the tree.
///
/// # Panics
/// With file and line, when it cannot be read.
#[must_use]
pub fn template(file: &str) -> Node {
    match yaml::parse(file, &tree::read(file)) {
        Ok(node) => node,
        Err(error) => panic!("{error}"),
    }
}

/// The entries of a template's section.
#[must_use]
pub fn section<'node>(template: &'node Node, name: &str) -> BTreeMap<&'node str, &'node Node> {
    let entries = template.get(name).map(Node::entries).unwrap_or_default();
    entries.iter().map(|(key, node)| (key.as_str(), node)).collect()
}

/// A scalar's characters, with or without a tag such as `!Sub`; empty for anything else.
#[must_use]
pub fn text(node: Option<&Node>) -> String {
    match node.map(|node| &node.data) {
        Some(Data::Scalar { text, .. }) => text.clone(),
        Some(Data::Tagged(_, inner)) => text(Some(inner)),
        _ => String::new(),
    }
}

/// The logical id or parameter that a `!GetAtt` or `!Ref` names.
#[must_use]
pub fn reference(node: &Node) -> String {
    match &node.data {
        Data::Tagged(_, inner) => match &inner.data {
            Data::List(items) => text(items.first()),
            _ => text(Some(inner)).split('.').next().unwrap_or_default().to_owned(),
        },
        _ => text(Some(node)),
    }
}

fn trigger(event: &Node, resources: &BTreeMap<&str, &Node>) -> Option<Trigger> {
    let property = |name: &str| event.get("Properties").and_then(|properties| properties.get(name));
    match text(event.get("Type")).as_str() {
        "HttpApi" => Some(Trigger::Route {
            method: text(property("Method")).to_uppercase(),
            path: text(property("Path")),
        }),
        "SQS" => {
            let id = reference(property("Queue")?);
            Some(Trigger::Queue(resources.get(id.as_str()).map_or(id.clone(), |queue| queue_name(queue))))
        }
        "Schedule" => Some(Trigger::Schedule(text(property("Schedule")))),
        "ScheduleV2" => Some(Trigger::Schedule(text(property("ScheduleExpression")))),
        "DynamoDB" => Some(Trigger::Stream(reference(property("Stream")?))),
        _ => None,
    }
}

fn queue_name(resource: &Node) -> String {
    let name = text(resource.get("Properties").and_then(|properties| properties.get("QueueName")));
    name.trim_start_matches("tenantry-${Stage}-").to_owned()
}
