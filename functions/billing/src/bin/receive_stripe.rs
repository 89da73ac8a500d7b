//! `POST /v1/webhooks/stripe`: take in an event that Stripe signed; what it means is looked into by `project_stripe`.

use billing::BillingOfAll;
use billing::inbox;
use billing::webhook::Signed;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// That the event was taken in.
#[derive(Serialize, JsonSchema)]
struct Received {
    /// Always true.
    received: bool,
}

fn main() -> Exit {
    http::serve(receive_stripe)
}

async fn receive_stripe(app: App, call: Call<Signed, Value>) -> Result<Reply<Received>> {
    let Signed { event, livemode } = &call.caller;
    inbox::take_in(&app, &BillingOfAll::of(&app), event, *livemode, call.origin()).await?;
    Ok(Reply::ok(Received { received: true }))
}
