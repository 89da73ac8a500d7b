//! The stack as tests use it: in memory, on a free port, time moved by the test alone.

pub mod people;
pub mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::aws::faults::Faults;
use crate::aws::ledger::Called;
use crate::aws::sqs::Message;
use crate::mail::Mail;
use crate::stack::{Core, Options, Running};
use crate::{Result, binaries};
pub use web::{Answer, Client, Web};

/// The functions are built once for all stacks of a test binary.
static BINARIES: OnceCell<PathBuf> = OnceCell::const_new();

/// A stack of a test's own. Dropped, it fails the test when dead letters are left.
pub struct Stack {
    running: Running,
    web: Web,
}

/// A queue of the stack.
pub struct QueueView<'stack> {
    core: &'stack Core,
    name: String,
}

/// A table of the stack.
pub struct TableView<'stack> {
    core: &'stack Core,
    name: String,
}

impl Stack {
    /// Starts a stack with nothing in it.
    ///
    /// # Panics
    /// When it does not start, saying why.
    pub async fn start() -> Self {
        told(Self::try_start().await)
    }

    async fn try_start() -> Result<Self> {
        let workspace = binaries::workspace();
        let folder = BINARIES.get_or_try_init(|| binaries::ready(&workspace, false)).await?;
        let options = Options {
            workspace: workspace.clone(),
            data: None,
            port: None,
            real_time: false,
            aloud: binaries::variable("TENANTRY_LOGS").is_some(),
            starts_at: binaries::starts_at()?,
        };
        let running = Running::start_with(options, folder).await?;
        let web = Web::new(format!("http://{}", running.core.settings.address));
        Ok(Self { running, web })
    }

    /// The stack's parts.
    #[must_use]
    pub fn core(&self) -> &Arc<Core> {
        &self.running.core
    }

    /// `http://localhost:<port>`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.core().settings.url
    }

    /// The embedded AWS.
    #[must_use]
    pub fn cloud(&self) -> &crate::aws::Cloud {
        &self.core().cloud
    }

    /// The fake Stripe.
    #[must_use]
    pub fn stripe(&self) -> &crate::stripe::Stripe {
        &self.core().stripe
    }

    /// The stack's time.
    #[must_use]
    pub fn now(&self) -> domain::Timestamp {
        self.core().clock.now()
    }

    /// Waits until nothing is going on.
    ///
    /// # Panics
    /// When something hangs.
    pub async fn settle(&self) {
        told(self.core().settle().await);
    }

    /// Moves the clock, starts what fell due (each schedule once) and waits for quiet.
    ///
    /// # Panics
    /// When something hangs.
    pub async fn advance(&self, span: Duration) {
        told(self.core().advance(span).await);
    }

    /// Lives through so many days.
    ///
    /// # Panics
    /// When something hangs.
    pub async fn travel(&self, days: u64) {
        told(self.core().travel(days).await);
    }

    /// Goes from one due moment to the next until the condition holds.
    ///
    /// # Panics
    /// When it does not within `limit` of the stack's time.
    pub async fn run_until(&self, what: &str, limit: Duration, condition: impl AsyncFn() -> bool) {
        told(self.core().run_until(what, limit, condition).await);
    }

    /// Runs a function once with this event, as `invoke` does.
    ///
    /// # Panics
    /// When there is no such function.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, crate::lambda::FunctionError> {
        let result = told(self.core().run_once(function, event.to_string().as_bytes()).await);
        result.map(|reply| serde_json::from_slice(&reply).unwrap_or(Value::Null))
    }

    /// Mails sent to an address, oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<Mail> {
        self.settle().await;
        Mail::to(&self.core().cloud, address)
    }

    /// A queue by its name, with or without the stage in front.
    #[must_use]
    pub fn queue(&self, name: &str) -> QueueView<'_> {
        QueueView { core: self.core(), name: full_name(name) }
    }

    /// A table by its area.
    #[must_use]
    pub fn table(&self, area: &str) -> TableView<'_> {
        TableView { core: self.core(), name: full_name(area) }
    }

    /// What lies in dead-letter queues: queue and message.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<(String, Message)> {
        let core = self.core();
        let queues = core.model.queues.iter().filter(|queue| queue.holds_dead_letters);
        queues
            .flat_map(|queue| {
                let letters = core.cloud.sqs().peek(&queue.name).unwrap_or_default();
                letters.into_iter().map(|letter| (queue.name.clone(), letter)).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Takes the dead letters, of which there must be so many.
    ///
    /// # Panics
    /// When there are more or fewer.
    pub async fn expect_dead_letters(&self, count: usize) -> Vec<(String, Message)> {
        self.settle().await;
        let letters = self.dead_letters();
        assert_eq!(letters.len(), count, "dead letters: {}", shown(&letters));
        for (queue, _) in &letters {
            told(
                self.core().cloud.sqs().purge(queue).map_err(|error| crate::Error::new(format!("{error:?}"))),
            );
        }
        letters
    }

    /// From now on each message to that function (`verb_noun`) is delivered twice.
    pub fn deliver_twice(&self, function: &str) {
        self.core().disorder.deliver_twice(function);
    }

    /// From now on the messages waiting for that function are delivered in another order.
    pub fn shuffle(&self, function: &str) {
        self.core().disorder.shuffle(function);
    }

    /// Faults on order.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.core().cloud.faults()
    }

    /// The AWS calls a function (`verb_noun`) has made.
    #[must_use]
    pub fn calls_of(&self, function: &str) -> Vec<Called> {
        self.core().cloud.calls().of(function)
    }

    /// Fetches a page of the internet as the stack knows it: `http://acme.sites.localhost/`.
    ///
    /// # Panics
    /// When the stack cannot be reached.
    pub async fn browse(&self, url: &str) -> Answer {
        told(self.web.browse(url).await)
    }

    /// The last log lines of a function (`verb_noun`), oldest first.
    #[must_use]
    pub fn logs(&self, function: &str) -> Vec<String> {
        let name =
            self.core().model.function(function).map(|function| function.name.as_str()).unwrap_or_default();
        let Some(hosted) = self.core().lambda.hosted(name) else { return Vec::new() };
        crate::lambda::lock(&hosted.record).lines().map(str::to_owned).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let letters = self.dead_letters();
        assert!(letters.is_empty() || std::thread::panicking(), "dead letters are left: {}", shown(&letters));
    }
}

impl QueueView<'_> {
    /// Puts a message into the queue as somebody outside would.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn send(&self, body: Value) {
        let sent = self.core.cloud.sqs().send(&self.name, &body.to_string()).await;
        assert!(sent.is_ok(), "sending to {}: {sent:?}", self.name);
    }

    /// What is in the queue, delayed and received messages included.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.core.cloud.sqs().peek(&self.name).unwrap_or_default()
    }

    /// Moves the messages of its dead-letter queue back, as the console's redrive does, and waits for quiet.
    ///
    /// # Panics
    /// When it has no dead-letter queue.
    pub async fn redrive(&self) {
        let sqs = self.core.cloud.sqs();
        let source = sqs.arn(&format!("{}-dead-letters", self.name));
        let moved = sqs.call("StartMessageMoveTask", &serde_json::json!({ "SourceArn": source })).await;
        assert!(moved.is_ok(), "redriving to {}: {moved:?}", self.name);
        told(self.core.settle().await);
    }

    /// Empties the queue.
    pub fn purge(&self) {
        let _ = self.core.cloud.sqs().purge(&self.name);
    }
}

impl TableView<'_> {
    /// All items as plain JSON, in key order.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn items(&self) -> Vec<Value> {
        let items = self.core.cloud.dynamodb().items(&self.name);
        items.unwrap_or_else(|error| panic!("the table {}: {error:?}", self.name))
    }

    /// The items of one `kind`.
    #[must_use]
    pub fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.items().into_iter().filter(|item| item["kind"] == kind).collect()
    }
}

fn full_name(name: &str) -> String {
    let prefix = format!("tenantry-{}-", crate::keys::STAGE);
    if name.starts_with(&prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

fn shown(letters: &[(String, Message)]) -> String {
    let lines = letters.iter().map(|(queue, letter)| {
        let reason = letter.attributes.get("reason").map(Value::to_string).unwrap_or_default();
        format!("\n  {queue}: {} {reason}", letter.body)
    });
    lines.collect()
}

/// A harness has nobody to hand an error to but the test.
fn told<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
