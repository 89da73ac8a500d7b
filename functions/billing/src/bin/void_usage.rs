//! `POST /v1/usage/{id}/void`: staff take back use that was told wrongly, as long as its hour is open.

use billing::BillingOfAll;
use billing::usage::{self, UsageView};
use domain::OrgId;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Whose use.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Whose {
    /// The organisation: ids are chosen by those who tell, each for their own.
    org: OrgId,
}

fn main() -> Exit {
    http::serve(void_usage)
}

async fn void_usage(app: App, call: Call<Operator, Whose>) -> Result<Reply<UsageView>> {
    let billing = BillingOfAll::of(&app).one(call.body.org);
    let void = usage::void(&billing, call.path("id"), call.origin()).await?;
    Ok(Reply::ok(void.into()))
}
