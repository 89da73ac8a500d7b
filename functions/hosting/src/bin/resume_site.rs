//! `POST /v1/hosting/sites/{site}/resume`: an operator lets go of a site that was held down.
//!
//! Its plan counts again: without one that pays for it, the site stays suspended, and no operation is answered.

use domain::hosting::operation::Request;
use hosting::HostingOfAll;
use hosting::view::SiteChange;
use platform::auth::Operator;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

/// A worker may change the site between the look at it and the write; then the rule is asked again.
const MOST_LOOKS: u32 = 5;

fn main() -> Exit {
    http::limit(&[Limit::per_user(60, MINUTE)]).serve(resume_site)
}

async fn resume_site(app: App, call: Call<Operator>) -> Result<Reply<SiteChange, 202>> {
    let hosting = HostingOfAll::of(&app);
    let id = call.id("site")?;
    for _ in 0..MOST_LOOKS {
        let stored = hosting.site_by_id(id).await?;
        let site = stored.value.clone().resume()?;
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
