//! `POST /v1/hosting/sites/{site}/rename`: give a site another label.
//!
//! The new name is made ready beside the old one; from the moment the site takes it, the old one leads nowhere and is kept
//! from others for 90 days. Answers 202 with the operation to watch.

use domain::hosting::operation::Request;
use hosting::Hosting;
use hosting::view::OperationView;
use platform::auth::Owner;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The label that a site shall have.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewLabel {
    /// 3 to 63 of a-z, 0-9 and inner hyphens.
    label: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(rename_subdomain)
}

async fn rename_subdomain(app: App, call: Call<Owner, NewLabel>) -> Result<Reply<OperationView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.site(call.id("site")?).await?;
    let (site, claim) = stored.value.clone().rename(&call.body.label, call.now)?;
    let request = Request { operation: call.new_id(), by: Some(call.caller.user()), now: call.now };
    let wish = site.next_operation(request);
    let Some((operation, _)) = &wish.1 else {
        return Err(Error::internal("a site that may be renamed has no operation at work"));
    };

    let reply = Reply::accepted(OperationView::from(operation));
    hosting.wish(&stored, &wish, Some(&claim), call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
