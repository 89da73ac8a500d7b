//! `POST /v1/hosting/sites/{site}/migrate`: bring a site to the machines that its plan says, now.
//!
//! A plan's change does so by itself; this is for a move that was taken back. Answers 202 with the operation to watch.

use domain::accounts::entitlements::HOSTING;
use domain::hosting::operation::Request;
use hosting::Hosting;
use hosting::view::OperationView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(migrate_site)
}

async fn migrate_site(app: App, call: Call<Admin>) -> Result<Reply<OperationView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.site(call.id("site")?).await?;
    // What the caller may is newer than what the site has heard of it.
    let plan = &call.caller.entitlements;
    let informed = stored.entitled(plan.version, plan.product(HOSTING), call.now);
    let site = informed.unwrap_or_else(|| stored.value.clone()).migrate()?;
    let request = Request { operation: call.new_id(), by: Some(call.caller.user()), now: call.now };
    let wish = site.next_operation(request);
    let Some((operation, _)) = &wish.1 else {
        return Err(Error::internal("a site that may move has no operation at work"));
    };

    let reply = Reply::accepted(OperationView::from(operation));
    hosting.wish(&stored, &wish, None, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
