//! `POST /v1/hosting/domains`: bring a domain: a hosted zone is made for it, whose name servers its parent must name.
//!
//! Asking again answers with the same zone; what an interrupted request left undone is finished.

use domain::Email;
use domain::accounts::entitlements::HOSTING;
use domain::hosting::CustomDomain;
use domain::hosting::custom_domain::normal_name;
use domain::hosting::site::limit_reached;
use hosting::view::DomainView;
use hosting::{Hosting, domains};
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Origin, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// A domain that a customer brings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewDomain {
    /// Such as `example.com`.
    #[schemars(length(min = 3, max = 253))]
    name: String,
}

#[derive(Deserialize)]
struct Settings {
    stage: String,
    sites_domain: String,
    mail_from: Email,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(add_domain)
}

async fn add_domain(app: App, call: Call<Admin, NewDomain>) -> Result<Reply<DomainView, 201>> {
    call.caller.require_verified_email()?;
    let settings: Settings = app.config()?;
    let name = normal_name(&call.body.name, &[&settings.sites_domain, settings.mail_from.domain()])?;
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = match hosting.find_domain(&name).await? {
        Some(stored) => stored,
        None => {
            let plan = call.caller.entitlements.product(HOSTING);
            let most = plan.map_or(0, |plan| plan.limit("custom_domains"));
            let reference = domains::reference(&settings.stage, call.new_id());
            let (org, user) = (call.caller.org(), call.caller.user());
            let domain = CustomDomain::added(name.clone(), org, reference, user, call.now);
            let plan = plan.map_or("none", |plan| plan.plan.as_str());
            if hosting.usage().await?.domains >= most {
                return Err(limit_reached("custom_domains", plan, most).into());
            }
            take(&app, &hosting, &domain, (plan, most), call.origin()).await?;
            hosting.domain(&name).await?
        }
    };
    if stored.zone_id.is_some() {
        return Ok(Reply::created(DomainView::from(&*stored)));
    }
    let made = match domains::make_zone(&app, &stored).await {
        Ok(made) => made,
        // There will never be a zone: the name is not kept from others for that.
        Err(error @ Error::Refused { .. }) => {
            hosting.undo_domain(&stored).await?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let domain = stored.value.clone().made(made.id.clone(), made.name_servers);
    match hosting.domain_made(&stored, &domain).await {
        Ok(()) => Ok(Reply::created(DomainView::from(&domain))),
        Err(Error::Conflict) => match hosting.find_domain(&name).await? {
            // A twin of this request was faster, with the same zone.
            Some(there) if there.reference == stored.reference => {
                Ok(Reply::created(DomainView::from(&*there)))
            }
            // It was deleted in this moment, before the zone was there to be found.
            _ => {
                domains::delete_zone(&app, &made.id).await?;
                Err(Error::Conflict)
            }
        },
        Err(error) => Err(error),
    }
}

/// Takes a domain for the organisation. Somebody else's who has not shown for days that it is theirs begins to go.
async fn take(
    app: &App,
    hosting: &Hosting,
    domain: &CustomDomain,
    (plan, most): (&str, u64),
    origin: &Origin,
) -> Result<()> {
    match hosting.add_domain(domain, plan, most).await {
        Err(Error::Refused { code: "owned_elsewhere", .. })
            if domains::yield_unproven(app, &domain.name, origin).await? =>
        {
            let message =
                "Another organisation had the domain and never used it. It is free in a few minutes.";
            Err(Error::refused("domain_being_freed", message))
        }
        taken => taken,
    }
}
