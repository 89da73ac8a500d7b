//! `DELETE /v1/hosting/sites/{site}/email-domain`: let a site's mail come from its own name again.

use hosting::{Hosting, HostingOfAll, mail_domains};
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::store::again;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(delete_email_domain)
}

async fn delete_email_domain(app: App, call: Call<Admin>) -> Result<Reply<(), 204>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let site = call.id("site")?;
    let domain = hosting.site(site).await?.own_mail_domain.clone().ok_or(Error::NotFound)?;
    again(async || {
        let stored = hosting.site(site).await?;
        // Another was faster.
        if stored.own_mail_domain.as_ref() != Some(&domain) {
            return Ok(());
        }
        // Taken off since the site was read: that is read anew.
        let gone = |error| if matches!(error, Error::NotFound) { Error::Conflict } else { error };
        let identity = hosting.fresh_identity(&domain).await.map_err(gone)?;
        // After the look, so that whoever tells SES of it once more fails this write, or finds the domain gone.
        mail_domains::forget(&app, &domain).await?;
        let writes = mail_domains::removal(&HostingOfAll::of(&app), &identity, call.origin()).await?;
        hosting.take_mail_domain(&stored, writes).await
    })
    .await?;
    Ok(Reply::no_content())
}
