//! `POST /v1/hosting/sites/{site}/suspend`: an operator holds a site down; its visitors are told so, everything is kept.
//!
//! The plan cannot lift this, only `resume` can. While another operation is at work it waits for that one's end.

use domain::hosting::operation::Request;
use hosting::HostingOfAll;
use hosting::view::SiteChange;
use platform::auth::Operator;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// A worker may change the site between the look at it and the write; then the rule is asked again.
const MOST_LOOKS: u32 = 5;

/// Why a site is held down.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Suspension {
    /// For the customer, in one sentence.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_user(60, MINUTE)]).serve(suspend_site)
}

async fn suspend_site(app: App, call: Call<Operator, Suspension>) -> Result<Reply<SiteChange, 202>> {
    let reason = call.body.reason.trim();
    if reason.is_empty() || reason.len() > 500 {
        return Err(Error::invalid("/reason", "must have 1 to 500 characters"));
    }
    let hosting = HostingOfAll::of(&app);
    let id = call.id("site")?;
    for _ in 0..MOST_LOOKS {
        let stored = hosting.site_by_id(id).await?;
        let site = stored.value.clone().suspend(call.caller.user, reason.to_owned(), call.now)?;
        let request = Request { operation: call.new_id(), by: Some(call.caller.user), now: call.now };
        let wish = site.next_operation(request);
        match hosting.wish(&stored, &wish, call.origin()).await {
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(Reply::accepted(SiteChange::from(&wish))),
        }
    }
    Err(Error::Conflict)
}
