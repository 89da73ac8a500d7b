//! `DELETE /v1/hosting/sites/{site}`: take a site down; its data is kept for at least 30 days.
//!
//! A site that is still being built is cancelled first. Answers 202 with the operation to watch; asking again is no
//! second deletion.

use domain::hosting::operation::Request;
use hosting::Hosting;
use hosting::view::{OperationView, SiteView};
use platform::auth::Owner;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// A site on its way out.
#[derive(Serialize, JsonSchema)]
struct Deletion {
    /// The site.
    site: SiteView,
    /// The operation at work on it; absent when there was nothing left to take down.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationView>,
}

/// A worker may change the site between the look at it and the write; then the rule is asked again.
const MOST_LOOKS: u32 = 5;

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(delete_site)
}

async fn delete_site(app: App, call: Call<Owner>) -> Result<Reply<Deletion, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let id = call.id("site")?;
    let request = Request { operation: call.new_id(), by: Some(call.caller.user()), now: call.now };
    let mut looks = 1;
    let (site, operation) = loop {
        let site = hosting.site(id).await?;
        match hosting.delete(&site, request, call.origin(), None).await {
            Err(Error::Conflict) if looks < MOST_LOOKS => looks += 1,
            deleted => break deleted?,
        }
    };
    let operation = operation.as_ref().map(OperationView::from);
    Ok(Reply::accepted(Deletion { site: SiteView::from(&site), operation }))
}
