//! What the templates ask for, as types the rest of the stack works with.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::aws::rights::Statement;

/// Everything that the templates describe.
#[derive(Debug, Default)]
pub struct Model {
    /// Lambda functions.
    pub functions: Vec<Function>,
    /// HTTP APIs.
    pub apis: Vec<Api>,
    /// DynamoDB tables.
    pub tables: Vec<Table>,
    /// SQS queues, dead-letter queues first.
    pub queues: Vec<Queue>,
    /// Event buses besides `default`.
    pub buses: Vec<String>,
    /// Event rules and where they deliver.
    pub rules: Vec<Rule>,
    /// Hosted zones.
    pub zones: Vec<Zone>,
    /// SES identities: addresses or domains.
    pub identities: Vec<String>,
    /// SES configuration sets and the types of events they tell the default bus of.
    pub configuration_sets: BTreeMap<String, Vec<String>>,
    /// S3 buckets.
    pub buckets: Vec<String>,
    /// IAM roles that may be assumed.
    pub roles: Vec<Role>,
    /// Instance profiles and the ARN of each one's role.
    pub profiles: BTreeMap<String, String>,
    /// Queues and the policies that say who else may use them.
    pub queue_policies: Vec<(String, Value)>,
    /// The root template's outputs.
    pub outputs: BTreeMap<String, String>,
}

/// One Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// `tenantry-local-sign-up`.
    pub name: String,
    /// `SignUp`.
    pub id: String,
    /// `sign_up`: the binary's name, and what people call the function.
    pub verb: String,
    /// `accounts`: the folder of its template.
    pub area: String,
    /// Where it is stated: `functions/accounts/template.yaml:40`.
    pub place: String,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// Killed after that.
    pub timeout: Duration,
    /// In megabytes; told to the function, not enforced.
    pub memory: u64,
    /// At most so many at once.
    pub reserved_concurrency: Option<usize>,
    /// What it may do.
    pub statements: Vec<Statement>,
    /// What starts it.
    pub triggers: Vec<Trigger>,
}

/// What starts a function.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// A route of an HTTP API.
    Http(Route),
    /// Messages of a queue.
    Queue(QueueSource),
    /// Changes of a table.
    Stream(StreamSource),
    /// A time.
    Schedule(Schedule),
}

/// A route of an HTTP API.
#[derive(Debug, Clone)]
pub struct Route {
    /// The API's id.
    pub api: String,
    /// Upper-case, or `ANY`.
    pub method: String,
    /// `/v1/hosting/sites/{site}`.
    pub path: String,
}

/// A mapping of a queue's messages to a function.
#[derive(Debug, Clone)]
pub struct QueueSource {
    /// The queue's name.
    pub queue: String,
    /// Messages per invocation, at most.
    pub batch_size: usize,
    /// How long to gather a batch.
    pub window: Duration,
    /// The function says which messages failed.
    pub reports_failures: bool,
    /// Invocations at once, at most.
    pub concurrency: Option<usize>,
}

/// A mapping of a table's changes to a function.
#[derive(Debug, Clone)]
pub struct StreamSource {
    /// The table's name.
    pub table: String,
    /// Records per invocation, at most.
    pub batch_size: usize,
    /// How long to gather a batch.
    pub window: Duration,
    /// The function says from which record on it failed.
    pub reports_failures: bool,
    /// A failed batch is tried again in halves.
    pub bisects: bool,
    /// Tries after the first; none means until the record is too old.
    pub retries: Option<u32>,
    /// Records older than this are given up once they fail.
    pub oldest: Option<Duration>,
    /// Records match one of these patterns; none means all do.
    pub filters: Vec<Value>,
    /// The queue that is told of records given up.
    pub on_failure: Option<String>,
}

/// A time at which a function starts.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The schedule's name.
    pub name: String,
    /// `rate(...)`, `cron(...)` or `at(...)`.
    pub expression: String,
    /// The time zone of `cron(...)`.
    pub zone: String,
    /// What the function gets instead of the usual event.
    pub input: Option<String>,
    /// Where it is stated.
    pub place: String,
}

/// An HTTP API.
#[derive(Debug, Clone)]
pub struct Api {
    /// What `Ref` gives.
    pub id: String,
    /// Who may call it from a browser.
    pub cors: Option<Cors>,
}

/// An HTTP API's `CorsConfiguration`.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Origins, or `*`.
    pub origins: Vec<String>,
    /// Methods, or `*`.
    pub methods: Vec<String>,
    /// Request headers, or `*`.
    pub headers: Vec<String>,
    /// Response headers a script may read.
    pub exposed: Vec<String>,
    /// How long a preflight holds.
    pub max_age: Option<u64>,
    /// Cookies and credentials may be sent.
    pub credentials: bool,
}

/// A DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its properties, worked out.
    pub definition: Value,
}

/// An SQS queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// As `CreateQueue` takes them.
    pub attributes: BTreeMap<String, String>,
    /// Another queue's dead letters come here.
    pub holds_dead_letters: bool,
}

impl Queue {
    /// A number among its attributes.
    #[must_use]
    pub fn seconds(&self, attribute: &str) -> Option<u64> {
        self.attributes.get(attribute)?.parse().ok()
    }
}

/// An event rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The bus it listens on.
    pub bus: String,
    /// Off when false.
    pub enabled: bool,
    /// What it picks.
    pub pattern: Value,
    /// As `PutTargets` takes them.
    pub targets: Vec<Value>,
    /// Where it is stated.
    pub place: String,
}

/// A hosted zone.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Its id.
    pub id: String,
    /// Its name, without the last dot.
    pub name: String,
}

/// An IAM role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What it may do.
    pub statements: Vec<Statement>,
}

impl Model {
    /// The function of that verb, logical id or full name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions
            .iter()
            .find(|function| function.verb == name || function.name == name || function.id == name)
    }

    /// Every route with the function it leads to.
    pub fn routes(&self) -> impl Iterator<Item = (&Route, &Function)> {
        self.functions.iter().flat_map(|function| {
            function.triggers.iter().filter_map(move |trigger| match trigger {
                Trigger::Http(route) => Some((route, function)),
                _ => None,
            })
        })
    }
}
