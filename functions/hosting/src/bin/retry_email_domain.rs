//! `POST /v1/hosting/sites/{site}/email-domain/retry`: let SES look once more for the records of a domain that it gave up.

use hosting::view::MailDomainView;
use hosting::{Hosting, mail_domains};
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    aws_region: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(5, MINUTE)]).serve(retry_email_domain)
}

async fn retry_email_domain(app: App, call: Call<Admin>) -> Result<Reply<MailDomainView, 202>> {
    let settings: Settings = app.config()?;
    let hosting = Hosting::of(&app, call.caller.org());
    let site = hosting.site(call.id("site")?).await?;
    let stored = hosting.fresh_identity(site.mail_domain()).await?;
    let identity = stored.value.clone().retried(call.now)?;
    // A customer's zone that is being deleted takes no records any more.
    if let Some(zone) = &identity.zone {
        hosting.domain(zone).await?.check_open()?;
    }
    // Of two at once one tries. SES begins its 72 hours anew with a domain that it does not know, and may give it other keys.
    hosting.change_identity(&stored, &identity, &site, Vec::new()).await?;
    mail_domains::forget(&app, &identity.domain).await?;
    let around = (settings.aws_region.as_str(), call.origin());
    let identity = mail_domains::connect(&app, &hosting, site.id, &identity, around).await?;
    let standing = hosting.mail_standing(site.id).await?;
    Ok(Reply::accepted(MailDomainView::of(&identity, &standing, call.now)))
}
