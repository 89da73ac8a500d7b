//! `DELETE /v1/hosting/domains/{domain}`: let a domain go: its records and its zone are taken away.

use hosting::view::DomainView;
use hosting::{Hosting, domains};
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(delete_domain)
}

async fn delete_domain(app: App, call: Call<Admin>) -> Result<Reply<DomainView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.domain(&call.path("domain").to_ascii_lowercase()).await?;
    let domain = domains::let_go(&app, &hosting, stored, call.origin()).await?;
    Ok(Reply::accepted(DomainView::from(&domain)))
}
