//! Whether the parts that the functions stand on can be reached.

use std::future::Future;
use std::time::Duration;

use futures_util::future::{self, BoxFuture, FutureExt};
use platform::clock::Stopwatch;
use platform::{App, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part that takes longer counts as out of reach: a caller would not wait for it either.
const LONGEST: Duration = Duration::from_secs(3);

/// What has to be there.
#[derive(Debug, Deserialize)]
pub struct Parts {
    /// The event bus.
    pub bus: String,
    /// The deployment stage, which every name begins with.
    pub stage: String,
    /// All areas' tables.
    pub ready_tables: Vec<String>,
    /// The queues that work waits in.
    pub ready_queues: Vec<String>,
}

/// Whether all parts can be reached.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Readiness {
    /// Whether each of them can.
    pub ready: bool,
    /// Part by part.
    pub checks: Vec<Check>,
}

/// Whether one part can be reached.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Check {
    /// What and which: `table accounts`, `queue hosting-operations`, `bus`.
    pub name: String,
    /// Whether it answered.
    pub ok: bool,
    /// How long that took, in milliseconds.
    pub ms: u64,
}

impl Parts {
    /// Asks all parts at the same time.
    pub async fn check(&self, app: &App) -> Readiness {
        let dynamodb = aws_sdk_dynamodb::Client::new(app.aws());
        let sqs = aws_sdk_sqs::Client::new(app.aws());
        let bus = aws_sdk_eventbridge::Client::new(app.aws());

        let mut asked: Vec<BoxFuture<'_, Check>> = Vec::new();
        for table in &self.ready_tables {
            let call = dynamodb.describe_table().table_name(table).send();
            let answer = call.map(|answer| answer.map(drop).map_err(|error| Error::aws("dynamodb", error)));
            asked.push(check(format!("table {}", self.short(table)), answer).boxed());
        }
        for queue in &self.ready_queues {
            let call = sqs.get_queue_url().queue_name(queue).send();
            let answer = call.map(|answer| answer.map(drop).map_err(|error| Error::aws("sqs", error)));
            asked.push(check(format!("queue {}", self.short(queue)), answer).boxed());
        }
        let call = bus.describe_event_bus().name(&self.bus).send();
        let answer = call.map(|answer| answer.map(drop).map_err(|error| Error::aws("eventbridge", error)));
        asked.push(check("bus".to_owned(), answer).boxed());

        let checks = future::join_all(asked).await;
        Readiness { ready: checks.iter().all(|check| check.ok), checks }
    }

    /// A name as the areas use it among themselves.
    fn short<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&format!("tenantry-{}-", self.stage)).unwrap_or(name)
    }
}

async fn check(name: String, answer: impl Future<Output = Result<()>>) -> Check {
    let watch = Stopwatch::start();
    let answer = tokio::time::timeout(LONGEST, answer).await;
    Check { name, ok: matches!(answer, Ok(Ok(()))), ms: watch.millis() }
}
