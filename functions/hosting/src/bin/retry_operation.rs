//! `POST /v1/hosting/operations/{operation}/retry`: let an operation go on from the step that failed.

use hosting::Hosting;
use hosting::view::OperationView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(retry_operation)
}

async fn retry_operation(app: App, call: Call<Admin>) -> Result<Reply<OperationView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.operation(call.id("operation")?).await?;
    let (operation, _) = stored.value.clone().retry(call.now)?;
    let reply = Reply::accepted(OperationView::from(&operation));
    hosting.retry(&stored, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
