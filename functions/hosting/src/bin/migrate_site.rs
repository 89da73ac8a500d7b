//! `POST /v1/hosting/sites/{site}/migrate`: bring a site to the machines that its plan says, now.
//!
//! A plan's change does so by itself; this is for a move that was taken back, and also for staff. Answers 202 with the
//! operation to watch.

use domain::accounts::entitlements::HOSTING;
use domain::hosting::operation::Request;
use hosting::steward::Steward;
use hosting::view::OperationView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_user(10, MINUTE)]).serve(migrate_site)
}

async fn migrate_site(app: App, call: Call<Steward>) -> Result<Reply<OperationView, 202>> {
    let id = call.id("site")?;
    let hosting = call.caller.around_site(&app, id).await?;
    let stored = hosting.site(id).await?;
    let site = match &call.caller {
        Steward::Admin(admin) => {
            // What the caller may is newer than what the site has heard of it.
            let plan = &admin.entitlements;
            let informed = stored.entitled(plan.version, plan.products.get(HOSTING), call.now);
            informed.unwrap_or_else(|| stored.value.clone()).migrate()?
        }
        Steward::Staff(_) => stored.value.clone().migrate()?,
    };
    let request = Request { operation: call.new_id(), by: Some(call.caller.person()), now: call.now };
    let wish = site.next_operation(request);
    let Some((operation, _)) = &wish.1 else {
        return Err(Error::internal("a site that may move has no operation at work"));
    };

    let reply = Reply::accepted(OperationView::from(operation));
    hosting.wish(&stored, &wish, None, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
