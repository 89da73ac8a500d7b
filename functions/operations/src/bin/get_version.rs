//! `GET /v1/version`: tells what is deployed.

use platform::auth::Public;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Settings {
    stage: String,
    #[serde(default)]
    revision: String,
}

/// What is deployed.
#[derive(Serialize, JsonSchema)]
struct Version {
    /// Always `tenantry`.
    name: &'static str,
    /// The version of the code.
    version: &'static str,
    /// The commit it was built from, as far as the deployment knows it.
    revision: String,
    /// Where it runs.
    stage: String,
}

fn main() -> Exit {
    http::serve(get_version)
}

async fn get_version(app: App, _: Call<Public>) -> Result<Reply<Version>> {
    let Settings { stage, revision } = app.config()?;
    Ok(Reply::ok(Version { name: "tenantry", version: env!("CARGO_PKG_VERSION"), revision, stage }))
}
