//! Schedules: a worker that the clock starts.

use std::future::Future;

use domain::{Event, OrgId, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::event::{EventEnvelope, Origin};
use crate::run::{Exit, binary_name, guarded, run};
use crate::{App, Result, log};

/// One stroke of the clock.
#[derive(Debug)]
pub struct Tick {
    /// The moment that counts as now.
    pub now: Timestamp,
    /// The moment the schedule meant; a late or repeated start has the same one.
    pub scheduled_at: Timestamp,
    origin: Origin,
}

impl Tick {
    /// Where everything comes from that this tick causes.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// An event about an organisation, caused by this tick.
    pub fn event<E: Event>(&self, org: OrgId, data: &E) -> EventEnvelope {
        self.origin.event(org, data)
    }
}

/// EventBridge's event, of which the time is all that matters.
#[derive(Debug, Deserialize)]
struct Started {
    #[serde(default)]
    time: Option<Timestamp>,
}

/// The way in for schedules. An error is told to Lambda, which starts the function again.
pub fn serve<H, F>(handler: H) -> Exit
where
    H: Fn(App, Tick) -> F + Copy,
    F: Future<Output = Result<()>>,
{
    let describe = || json!({"name": binary_name(), "trigger": "schedule"});
    run(describe, |app: App, started: Started| async move {
        let origin = Origin {
            request_id: app.lambda_request_id().to_owned(),
            trace_id: app.trace_id().to_owned(),
            actor: format!("system:{}", app.function()),
            now: app.now(),
            org: None,
        };
        let scheduled_at = started.time.unwrap_or(app.now());
        let tick = Tick { now: app.now(), scheduled_at, origin: origin.clone() };
        let done = guarded(async { handler(app.clone(), tick).await }).await;
        let error = done.as_ref().err();
        log::write(
            &app,
            &origin,
            &log::Entry { trigger: "schedule", route: "", status: None, error, note: None },
        );
        done
    })
}
