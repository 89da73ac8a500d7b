//! `GET /v1/admin/reconciliations/{date}`: what a day's comparison with Stripe found.

use billing::BillingOfAll;
use billing::store::reconciliations::{Difference, Reconciliation};
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// A comparison with what it found.
#[derive(Serialize, JsonSchema)]
struct Report {
    #[serde(flatten)]
    run: Reconciliation,
    /// What was not as it was kept here.
    differences: Vec<Difference>,
}

fn main() -> Exit {
    http::serve(get_reconciliation)
}

async fn get_reconciliation(app: App, call: Call<Operator>) -> Result<Reply<Report>> {
    let found = BillingOfAll::of(&app).reconciliation(call.path("date")).await?;
    let (run, differences) = found.ok_or(Error::NotFound)?;
    Ok(Reply::ok(Report { run, differences }))
}
