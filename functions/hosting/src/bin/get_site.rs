//! `GET /v1/hosting/sites/{site}`: one site, and whether mail from its name is believed.

use hosting::Hosting;
use hosting::view::{MailView, SiteView};
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// A site with the state of its mail domain.
#[derive(Serialize, JsonSchema)]
struct SiteWithMail {
    #[serde(flatten)]
    site: SiteView,
    /// Its mail domain, once SES knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<MailView>,
}

fn main() -> Exit {
    http::serve(get_site)
}

async fn get_site(app: App, call: Call<Viewer>) -> Result<Reply<SiteWithMail>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let site = hosting.site(call.id("site")?).await?;
    let mail = hosting.identity(site.mail_domain()).await?;
    let mail = mail.filter(|identity| identity.site == site.id).map(|identity| MailView::from(&*identity));
    Ok(Reply::ok(SiteWithMail { site: SiteView::from(&*site), mail }).version(site.version))
}
