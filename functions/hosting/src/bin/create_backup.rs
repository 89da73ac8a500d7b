//! `POST /v1/hosting/sites/{site}/backups`: note which version each file of a site has now.
//!
//! Answers 202 with the operation to watch. The plan says how many backups are kept; the oldest give way.

use domain::hosting::OperationKind;
use domain::hosting::operation::Request;
use hosting::Hosting;
use hosting::view::OperationView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(create_backup)
}

async fn create_backup(app: App, call: Call<Admin>) -> Result<Reply<OperationView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.site(call.id("site")?).await?;
    let request = Request { operation: call.new_id(), by: Some(call.caller.user()), now: call.now };
    let (site, begun) = stored.value.clone().work_on_files(OperationKind::BackUp, None, request)?;

    let reply = Reply::accepted(OperationView::from(&begun.0));
    hosting.wish(&stored, &(site, Some(begun)), None, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
