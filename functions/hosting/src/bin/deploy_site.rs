//! `POST /v1/hosting/sites`: claim a label and start provisioning a site.
//!
//! Answers 202 with the operation to watch. The same `Idempotency-Key` answers with the same operation.

use domain::hosting::NewSite;
use domain::hosting::operation::Request;
use domain::hosting::site::Asked;
use hosting::Hosting;
use hosting::view::OperationView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    sites_domain: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(deploy_site)
}

async fn deploy_site(app: App, call: Call<Admin, NewSite>) -> Result<Reply<OperationView, 202>> {
    call.caller.require_verified_email()?;
    let settings: Settings = app.config()?;
    let hosting = Hosting::of(&app, call.caller.org());
    let usage = hosting.usage().await?;

    let request = Request { operation: call.new_id(), by: Some(call.caller.user()), now: call.now };
    let asked = Asked { site: call.new_id(), org: call.caller.org(), zone: &settings.sites_domain, request };
    let granted = call.body.clone().request(&asked, &call.caller.entitlements, usage)?;

    let reply = Reply::accepted(OperationView::from(&granted.operation));
    hosting.create(&granted, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
