//! `POST /v1/admin/orgs/{org}/trials/{product}/extend`: staff prolong a trial, once and by at most 14 days.

use billing::BillingOfAll;
use billing::view::TrialView;
use domain::OrgId;
use domain::billing::{Product, TrialTrigger};
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::store::again;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// By how much.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Extension {
    /// 1 to 14 days.
    days: u32,
}

fn main() -> Exit {
    http::serve(extend_trial)
}

async fn extend_trial(app: App, call: Call<Operator, Extension>) -> Result<Reply<TrialView>> {
    let (org, product): (OrgId, Product) = (call.id("org")?, call.id("product")?);
    let billing = BillingOfAll::of(&app).one(org);
    let (trial, _) = again(async || {
        let trigger = TrialTrigger::Extend { days: call.body.days, by: Some(call.caller.user) };
        billing.step_trial(product, &trigger, call.origin(), |_| Ok(None)).await
    })
    .await?;
    Ok(Reply::ok(TrialView::of(&trial, call.now)))
}
