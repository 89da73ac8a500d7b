//! `GET /v1/admin/revenue`: what a month brought, and what the live subscriptions bring each month.

use billing::BillingOfAll;
use billing::revenue::{Revenue, of_month};
use billing::store::keys::month_of;
use domain::Refusal;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which month.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Such as `2026-11`; the present one unless told.
    #[serde(default)]
    #[schemars(regex(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$"))]
    month: Option<String>,
}

fn main() -> Exit {
    http::serve(get_revenue)
}

async fn get_revenue(app: App, call: Call<Operator, (), Wanted>) -> Result<Reply<Revenue>> {
    let month = call.query.month.clone().unwrap_or_else(|| month_of(call.now));
    if !is_month(&month) {
        return Err(Refusal::invalid("/month", "expected a month such as 2026-11").into());
    }
    Ok(Reply::ok(of_month(&BillingOfAll::of(&app), &month).await?))
}

fn is_month(text: &str) -> bool {
    let Some((year, month)) = text.split_once('-') else { return false };
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    digits(year, 4) && digits(month, 2) && month.parse().is_ok_and(|month: u8| (1..=12).contains(&month))
}
