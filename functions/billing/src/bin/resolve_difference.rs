//! `POST /v1/admin/reconciliations/{date}/differences/{object}/resolve`: staff say what a difference came from, and close it.

use billing::BillingOfAll;
use billing::store::reconciliations::{Difference, Resolution};
use domain::Refusal;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// What it came from.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// In a few words.
    #[schemars(length(min = 1, max = 500))]
    note: String,
}

fn main() -> Exit {
    http::serve(resolve_difference)
}

async fn resolve_difference(app: App, call: Call<Operator, Said>) -> Result<Reply<Difference>> {
    let note = call.body.note.trim();
    if note.is_empty() || note.chars().count() > 500 {
        return Err(Refusal::invalid("/note", "expected 1 to 500 characters").into());
    }
    let all = BillingOfAll::of(&app);
    let stored = all.difference(call.path("date"), call.path("object")).await?.ok_or(Error::NotFound)?;
    if stored.resolved.is_some() {
        return Err(Refusal::conflict("already_resolved", "Somebody closed this difference.").into());
    }
    let resolved = Resolution { note: note.to_owned(), by: call.caller.user, at: call.now };
    let next = Difference { resolved: Some(resolved), ..stored.value.clone() };
    let reply = Reply::ok(next.clone());
    all.resolve(&stored, &next, call.once(&reply)?).await?;
    Ok(reply)
}
