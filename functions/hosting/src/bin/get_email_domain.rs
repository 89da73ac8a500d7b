//! `GET /v1/hosting/sites/{site}/email-domain`: the domain that a site's mail comes from, and how its mail fares.

use hosting::Hosting;
use hosting::view::MailDomainView;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::serve(get_email_domain)
}

async fn get_email_domain(app: App, call: Call<Viewer>) -> Result<Reply<MailDomainView>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let site = hosting.site(call.id("site")?).await?;
    let identity = hosting.identity(site.mail_domain()).await?.ok_or(Error::NotFound)?;
    let standing = hosting.mail_standing(site.id).await?;
    Ok(Reply::ok(MailDomainView::of(&identity, &standing, call.now)))
}
