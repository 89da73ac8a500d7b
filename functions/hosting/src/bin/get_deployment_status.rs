//! `GET /v1/hosting/sites/{site}/deployment`: the operation at work on a site, or its last one, step by step.

use hosting::Hosting;
use hosting::view::Deployment;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(get_deployment_status)
}

async fn get_deployment_status(app: App, call: Call<Viewer>) -> Result<Reply<Deployment>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let site = hosting.site(call.id("site")?).await?;
    let operation = hosting.operation(site.last_op).await?;
    let begun = hosting.steps(&operation).await?;
    Ok(Reply::ok(Deployment::of(&operation, &begun)))
}
