//! `GET /v1/usage`: what was used of a meter on a day, entry by entry, in pages.

use billing::Billing;
use billing::store::keys;
use billing::usage::UsageView;
use domain::Timestamp;
use domain::billing::catalog;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::page::Listed;
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which use.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Of which meter.
    meter: String,
    /// On which day in UTC, such as `2027-02-28`; today unless said.
    #[serde(default)]
    day: Option<String>,
    /// How many items, 1 to 200; 50 unless said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

fn main() -> Exit {
    http::serve(get_usage)
}

async fn get_usage(app: App, call: Call<Viewer, (), Wanted>) -> Result<Reply<Listed<UsageView>>> {
    let Wanted { meter, day, limit, cursor } = &call.query;
    if catalog().meter(meter).is_none() {
        return Err(Error::invalid("?meter", "expected the name of a meter"));
    }
    let day = match day {
        Some(day) => {
            let start: Option<Timestamp> = format!("{day}T00:00:00Z").parse().ok();
            let start = start.ok_or_else(|| Error::invalid("?day", "expected a day such as 2027-02-28"))?;
            keys::day(start)
        }
        None => keys::day(call.now),
    };
    let paging = call.paging_by(*limit, cursor.as_deref(), &format!("{meter} {day}"))?;
    let billing = Billing::of(&app, call.caller.org());
    let page = billing.usage_of_day(meter, &day, paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |entry| entry.value.into())))
}
