//! `POST /v1/hosting/sites/{site}/email-domain`: let a site's mail come from a domain of the organisation's own.
//!
//! The domain, or one above it, was added before; the records that prove it are kept in its zone. Asking again goes on
//! where an earlier request was interrupted.

use domain::Email;
use domain::hosting::EmailIdentity;
use domain::hosting::custom_domain::{CustomDomain, name_in, normal_name};
use hosting::view::MailDomainView;
use hosting::{Hosting, domains, mail_domains};
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::store::Stored;
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// A domain that mail shall come from.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewMailDomain {
    /// Such as `mail.example.com`.
    #[schemars(length(min = 3, max = 253))]
    domain: String,
}

#[derive(Deserialize)]
struct Settings {
    aws_region: String,
    sites_domain: String,
    mail_from: Email,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(add_email_domain)
}

async fn add_email_domain(app: App, call: Call<Admin, NewMailDomain>) -> Result<Reply<MailDomainView, 202>> {
    let settings: Settings = app.config()?;
    let wrong = |_| Error::invalid("/domain", "must be a domain of the organisation's own");
    let ours = [settings.sites_domain.as_str(), settings.mail_from.domain()];
    let name = normal_name(&call.body.domain, &ours).map_err(wrong)?;
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.site(call.id("site")?).await?;
    stored.may_mail(&call.caller.entitlements)?;
    let zone = zone_of(&hosting, &name).await?;
    zone.check_open()?;
    if stored.own_mail_domain.as_ref().is_some_and(|own| *own != name) {
        return Err(Error::refused(
            "exists",
            "The site's mail comes from another domain; take that off first.",
        ));
    }
    if stored.own_mail_domain.is_none() {
        let zone = domains::delegated(&app, &hosting, zone.clone(), call.now).await?;
        // SES knows each domain once: told of one that is somebody's, it would answer with their keys.
        if mail_domains::is_known(&app, &name).await? {
            return Err(Error::refused("exists", "The domain sends mail for somebody else already."));
        }
        let identity = EmailIdentity {
            zone: Some(zone.name.clone()),
            ..EmailIdentity::pending(&name, call.caller.org(), stored.id, call.now).watched(call.now)
        };
        hosting.give_mail_domain(&stored, &identity, &zone).await?;
    }
    let identity = hosting.fresh_identity(&name).await?;
    let around = (settings.aws_region.as_str(), call.origin());
    let watched = mail_domains::connect(&app, &hosting, stored.id, &identity, around).await?;
    let standing = hosting.mail_standing(stored.id).await?;
    Ok(Reply::accepted(MailDomainView::of(&watched, &standing, call.now)))
}

/// The organisation's domain that a name is, or is under.
async fn zone_of(hosting: &Hosting, name: &str) -> Result<Stored<CustomDomain>> {
    let mut above = Some(name);
    while let Some(candidate) = above.filter(|candidate| candidate.contains('.')) {
        if let Some(found) = hosting.find_domain(candidate).await? {
            name_in(&found.name, name)?;
            return Ok(found);
        }
        above = candidate.split_once('.').map(|(_, rest)| rest);
    }
    Err(Error::invalid("/domain", "must be, or be under, a domain that was added to the organisation"))
}
