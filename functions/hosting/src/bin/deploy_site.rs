//! `POST /v1/hosting/sites`: claim a label and start provisioning a site.
//!
//! Answers 202 with the operation to watch. The same `Idempotency-Key` answers with the same operation.

use domain::hosting::operation::Request;
use domain::hosting::site::Asked;
use domain::hosting::{HeardPlan, NewSite};
use hosting::Hosting;
use hosting::view::OperationView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    sites_domain: String,
}

/// The plan may change between the look at it and the write; then the rule is asked again.
const MOST_LOOKS: u32 = 5;

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(deploy_site)
}

async fn deploy_site(app: App, call: Call<Admin, NewSite>) -> Result<Reply<OperationView, 202>> {
    call.caller.require_verified_email()?;
    let settings: Settings = app.config()?;
    let hosting = Hosting::of(&app, call.caller.org());
    let request = Request { operation: call.new_id(), by: Some(call.caller.user()), now: call.now };
    let asked = Asked { site: call.new_id(), org: call.caller.org(), zone: &settings.sites_domain, request };
    let mut looks = 1;
    loop {
        let usage = hosting.usage().await?;
        // Billing's news may have come here before they came to accounts, or the other way round.
        let heard = hosting.heard_plan().await?;
        let plan = HeardPlan::newest(heard.as_deref(), &call.caller.entitlements).at(call.now);
        let granted = call.body.clone().request(&asked, &plan, usage)?;

        let reply = Reply::accepted(OperationView::from(&granted.operation));
        match hosting.create(&granted, (heard.as_ref(), &plan), call.origin(), call.once(&reply)?).await {
            Err(Error::Conflict) if looks < MOST_LOOKS => looks += 1,
            created => return created.map(|()| reply),
        }
    }
}
