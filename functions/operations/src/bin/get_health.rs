//! `GET /v1/health`: tells that the API answers. It asks nothing else, so that it fails only with the API itself.

use platform::auth::Public;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// That the API answers.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

fn main() -> Exit {
    http::serve(get_health)
}

async fn get_health(_: App, _: Call<Public>) -> Result<Reply<Health>> {
    Ok(Reply::ok(Health { status: "ok" }))
}
