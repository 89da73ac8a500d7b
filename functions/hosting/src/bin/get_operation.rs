//! `GET /v1/hosting/operations/{operation}`: one operation, step by step.

use hosting::Hosting;
use hosting::view::Deployment;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(get_operation)
}

async fn get_operation(app: App, call: Call<Viewer>) -> Result<Reply<Deployment>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let operation = hosting.operation(call.id("operation")?).await?;
    let begun = hosting.steps(&operation).await?;
    Ok(Reply::ok(Deployment::of(&operation, &begun)))
}
