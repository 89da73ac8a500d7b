//! `GET /v1/hosting/domains/{domain}`: a domain, its name servers, and whether the world is sent to them.

use domain::hosting::DomainState;
use hosting::view::DomainView;
use hosting::{Hosting, domains};
use platform::auth::Viewer;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

/// Resolvers are asked no more often than this.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(30);

fn main() -> Exit {
    http::limit(&[Limit::per_org(60, MINUTE)]).serve(get_domain)
}

async fn get_domain(app: App, call: Call<Viewer>) -> Result<Reply<DomainView>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.domain(&call.path("domain").to_ascii_lowercase()).await?;
    let made = matches!(stored.state, DomainState::Undelegated | DomainState::Delegated);
    let fresh = stored.checked_at.is_some_and(|at| call.now.since(at) < LOOK_AGAIN);
    if !made || fresh {
        return Ok(Reply::ok(DomainView::from(&*stored)));
    }
    let found = match domains::name_servers(&app, &stored.name).await {
        Ok(found) => found,
        // A resolver that is away says nothing of the domain: what was last seen is answered.
        Err(error) => {
            app.report(call.origin(), &error);
            return Ok(Reply::ok(DomainView::from(&*stored)));
        }
    };
    let domain = stored.value.clone().looked_up(&found, call.now);
    match hosting.change_domain(&stored, &domain).await {
        Ok(()) | Err(Error::Conflict) => Ok(Reply::ok(DomainView::from(&domain))),
        Err(error) => Err(error),
    }
}
