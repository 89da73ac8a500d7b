//! `POST /v1/hosting/operations/{operation}/retry`: let an operation go on from the step that failed.
//!
//! For an admin of its organisation, and for staff who have done what its remedy says.

use hosting::steward::Steward;
use hosting::view::OperationView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_user(20, MINUTE)]).serve(retry_operation)
}

async fn retry_operation(app: App, call: Call<Steward>) -> Result<Reply<OperationView, 202>> {
    let id = call.id("operation")?;
    let hosting = call.caller.around_operation(&app, id).await?;
    let stored = hosting.operation(id).await?;
    let (operation, _) = stored.value.clone().retry(call.now)?;
    let reply = Reply::accepted(OperationView::from(&operation));
    hosting.retry(&stored, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
