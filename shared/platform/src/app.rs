//! What a function has at hand: its table, queues, secrets, partners and metrics, for one invocation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_types::SdkConfig;
use domain::Timestamp;
use lambda_runtime::Context;
use serde::de::DeserializeOwned;

use crate::auth::token::Keys;
use crate::clock::{self, Clock, Stopwatch};
use crate::metrics::{Measured, Unit};
use crate::partner::{Internet, Partner};
use crate::queue::Queue;
use crate::secret::Secrets;
use crate::store::Table;
use crate::{Error, Origin, Result, aws, config, log};

/// A function's surroundings. Cloning is cheap; clients are made when they are first asked for, because a cold start pays
/// for everything that is made.
#[derive(Debug, Clone)]
pub struct App {
    shared: Arc<Shared>,
    invocation: Arc<Invocation>,
}

#[derive(Debug, Default)]
struct Shared {
    function: String,
    stage: String,
    clock: Clock,
    warm: AtomicBool,
    aws: OnceLock<SdkConfig>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    secrets: Secrets,
    internet: Internet,
    keys: OnceLock<Keys>,
}

#[derive(Debug)]
struct Invocation {
    now: Timestamp,
    watch: Stopwatch,
    deadline: Instant,
    request_id: String,
    trace_id: String,
    cold: bool,
    metrics: Mutex<Vec<Measured>>,
}

impl App {
    /// The surroundings of this process, before any invocation.
    pub(crate) fn start() -> Self {
        let stage = config::optional("STAGE").unwrap_or_default();
        let function =
            function_name(&config::optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(), &stage);
        let clock = Clock::from_env();
        let shared = Arc::new(Shared { function, stage, clock, ..Shared::default() });
        let invocation = Invocation {
            now: shared.clock.now(),
            watch: Stopwatch::start(),
            deadline: clock::deadline(u64::MAX),
            request_id: String::new(),
            trace_id: String::new(),
            cold: true,
            metrics: Mutex::default(),
        };
        Self { shared, invocation: Arc::new(invocation) }
    }

    /// The same surroundings for one invocation.
    pub(crate) fn invoked(&self, context: &Context) -> Self {
        let invocation = Invocation {
            now: self.shared.clock.now(),
            watch: Stopwatch::start(),
            deadline: clock::deadline(context.deadline),
            request_id: context.request_id.clone(),
            trace_id: root_of(context.xray_trace_id.as_deref().unwrap_or_default()).to_owned(),
            cold: !self.shared.warm.swap(true, Ordering::Relaxed),
            metrics: Mutex::default(),
        };
        Self { shared: self.shared.clone(), invocation: Arc::new(invocation) }
    }

    /// The same invocation at the next item of its batch.
    pub(crate) fn next(&self, first: bool) -> Self {
        let invocation = Invocation {
            now: self.shared.clock.now(),
            watch: Stopwatch::start(),
            deadline: self.invocation.deadline,
            request_id: self.invocation.request_id.clone(),
            trace_id: self.invocation.trace_id.clone(),
            cold: self.invocation.cold && first,
            metrics: Mutex::default(),
        };
        Self { shared: self.shared.clone(), invocation: Arc::new(invocation) }
    }

    /// The function's name, `verb_noun`.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.shared.function
    }

    /// The stage: `production`, `staging`, `dev`, `local`.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.shared.stage
    }

    /// The area's table (`TABLE`).
    #[must_use]
    pub fn table(&self) -> Table {
        self.table_named("TABLE")
    }

    /// The table that another variable names.
    #[must_use]
    pub fn table_named(&self, variable: &'static str) -> Table {
        Table::from_env(self.dynamodb().clone(), variable)
    }

    /// Settings from the environment: field `sites_domain` is the variable `SITES_DOMAIN`.
    ///
    /// # Errors
    /// `internal`, naming the variable that is missing or cannot be read.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        config::read()
    }

    /// The JSON secret whose id is in the variable. Kept for five minutes, so that a rotated one is seen.
    ///
    /// # Errors
    /// `internal`, `unavailable`.
    pub async fn secret<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
        variable: &str,
    ) -> Result<Arc<T>> {
        self.shared.secrets.get(self.aws(), variable).await
    }

    /// The queue whose URL is in the variable.
    #[must_use]
    pub fn queue(&self, variable: &'static str) -> Queue {
        let client = self.shared.sqs.get_or_init(|| aws_sdk_sqs::Client::new(self.aws()));
        Queue::from_env(client.clone(), variable)
    }

    /// What SDK clients are built with: region, credentials, endpoint, retries, timeouts, one HTTP client for all.
    #[must_use]
    pub fn aws(&self) -> &SdkConfig {
        self.shared.aws.get_or_init(aws::configuration)
    }

    /// The client for everything on the internet that is not AWS.
    #[must_use]
    pub fn partner(&self) -> Partner<'_> {
        Partner::new(&self.shared.internet, self.invocation.deadline)
    }

    /// Counts something in CloudWatch's namespace `Tenantry`; the name is in PascalCase.
    pub fn count(&self, name: &'static str, by: u64) {
        self.record(Measured::count(name, by));
    }

    /// Measures something; the name ends in what it measures: `ProvisioningMillis`.
    pub fn measure(&self, name: &'static str, value: f64, unit: Unit) {
        self.record(Measured { name, value, unit });
    }

    /// Tells the log of an error that the handler deals with itself, with its causes.
    pub fn report(&self, origin: &Origin, error: &Error) {
        let note = Some("dealt_with");
        let entry = log::Entry { trigger: "report", route: "", status: None, error: Some(error), note };
        log::write(self, origin, &entry);
    }

    /// The moment that counts as now at the start of this invocation; handlers get it with their call or message.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.invocation.now
    }

    /// Now, plus what has passed since the invocation began: for a worker that takes its time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.invocation.now + self.invocation.watch.elapsed()
    }

    /// How long this invocation may still run.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        clock::left(self.invocation.deadline)
    }

    pub(crate) fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.shared.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(self.aws()))
    }

    pub(crate) fn internet(&self) -> &Internet {
        &self.shared.internet
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.invocation.deadline
    }

    /// The public keys that access tokens are verified with (`TOKEN_KEYS`).
    pub(crate) fn keys(&self) -> Result<&Keys> {
        if let Some(keys) = self.shared.keys.get() {
            return Ok(keys);
        }
        let keys = Keys::from_env()?;
        Ok(self.shared.keys.get_or_init(|| keys))
    }

    pub(crate) fn lambda_request_id(&self) -> &str {
        &self.invocation.request_id
    }

    pub(crate) fn trace_id(&self) -> &str {
        &self.invocation.trace_id
    }

    pub(crate) fn is_cold(&self) -> bool {
        self.invocation.cold
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.invocation.watch.elapsed()
    }

    pub(crate) fn take_metrics(&self) -> Vec<Measured> {
        std::mem::take(&mut *self.invocation.metrics.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, measured: Measured) {
        self.invocation.metrics.lock().unwrap_or_else(PoisonError::into_inner).push(measured);
    }
}

/// `tenantry-local-deploy-site` in stage `local` is the function `deploy_site`.
fn function_name(deployed: &str, stage: &str) -> String {
    deployed.strip_prefix(&format!("tenantry-{stage}-")).unwrap_or(deployed).replace('-', "_")
}

/// The root of an X-Ray header: `Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1`.
fn root_of(header: &str) -> &str {
    header.split(';').find_map(|part| part.strip_prefix("Root=")).unwrap_or(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_knows_its_name() {
        assert_eq!(function_name("tenantry-local-deploy-site", "local"), "deploy_site");
        assert_eq!(function_name("relay_events", ""), "relay_events");
        assert_eq!(root_of("Root=1-57-bd;Parent=0;Sampled=1"), "1-57-bd");
        assert_eq!(root_of(""), "");
    }
}
