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
    let site = call.id("site")?;
    let around = (settings.aws_region.as_str(), call.origin());
    let identity = mail_domains::retry(&app, &hosting, site, around).await?;
    let standing = hosting.mail_standing(site).await?;
    Ok(Reply::accepted(MailDomainView::of(&identity, &standing, call.now)))
}
