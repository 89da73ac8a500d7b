//! `PUT /v1/admin/hosting/pools/{pool}`: how the pool `shared` or `dedicated` grows, in place of the deployment's settings.

use domain::accounts::Mode;
use domain::hosting::PoolSettings;
use hosting::{HostingOfAll, capacity};
use platform::auth::Operator;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pool as it grows from now on.
#[derive(Serialize, JsonSchema)]
struct PoolView {
    /// Its name.
    name: String,
    #[serde(flatten)]
    settings: PoolSettings,
}

#[derive(Deserialize)]
struct Settings {
    aws_region: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_user(30, MINUTE)]).serve(put_pool)
}

async fn put_pool(app: App, call: Call<Operator, PoolSettings>) -> Result<Reply<PoolView>> {
    let settings: Settings = app.config()?;
    let mode = match call.path("pool") {
        "shared" => Mode::Shared,
        "dedicated" => Mode::Dedicated,
        _ => return Err(Error::NotFound),
    };
    call.body.check(mode)?;
    let name = capacity::pool(&settings.aws_region, mode);
    HostingOfAll::of(&app).put_pool(&name, &call.body, call.origin()).await?;
    Ok(Reply::ok(PoolView { name, settings: call.body }))
}
