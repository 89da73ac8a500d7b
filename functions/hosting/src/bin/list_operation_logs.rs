//! `GET /v1/hosting/operations/{operation}/logs`: what an operation did, oldest first, in pages. Kept for 90 days.

use domain::Timestamp;
use domain::hosting::{OperationLog, StepName};
use hosting::Hosting;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::page::{Listed, PageQuery};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// One line of the log.
#[derive(Serialize, JsonSchema)]
struct Line {
    /// When.
    at: Timestamp,
    /// At which step; absent for what concerns the whole operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<StepName>,
    /// What happened.
    message: String,
}

fn main() -> Exit {
    http::serve(list_operation_logs)
}

async fn list_operation_logs(app: App, call: Call<Viewer, (), PageQuery>) -> Result<Reply<Listed<Line>>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let operation = hosting.operation(call.id("operation")?).await?;
    let paging = call.paging(&call.query, &operation.id.to_string())?;
    let page = hosting.logs(&operation, paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |line| Line::from(line.value))))
}

impl From<OperationLog> for Line {
    fn from(log: OperationLog) -> Self {
        Self { at: log.at, step: log.step, message: log.message }
    }
}
