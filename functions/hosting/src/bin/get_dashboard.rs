//! `GET /v1/hosting/dashboard`: everything about an organisation's hosting at once: plan, use, sites, what is at work on them.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::accounts::Mode;
use domain::accounts::entitlements::{Access, HOSTING, Limit};
use hosting::Hosting;
use hosting::view::{MailView, OperationView, SiteView};
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// So many of the newest sites are shown; `GET /v1/hosting/sites` lists all.
const MOST_SITES: u32 = 20;

/// An organisation's hosting.
#[derive(Serialize, JsonSchema)]
struct Dashboard {
    /// Its plan; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanView>,
    /// What it uses, by the names of the plan's limits.
    usage: BTreeMap<&'static str, u64>,
    /// Its newest sites.
    sites: Vec<SiteOverview>,
}

/// What an organisation may use.
#[derive(Serialize, JsonSchema)]
struct PlanView {
    /// Its name.
    name: String,
    /// How far the door stands open.
    access: Access,
    /// When a trial ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    /// On machines of whose.
    mode: Mode,
    /// What it holds.
    limits: BTreeMap<String, Limit>,
}

/// A site, the newest operation on it, and its mail domain.
#[derive(Serialize, JsonSchema)]
struct SiteOverview {
    #[serde(flatten)]
    site: SiteView,
    /// The newest operation, at work or over.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationView>,
    /// Its mail domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<MailView>,
}

fn main() -> Exit {
    http::serve(get_dashboard)
}

async fn get_dashboard(app: App, call: Call<Viewer>) -> Result<Reply<Dashboard>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let usage = hosting.usage().await?;
    let page = hosting.sites(MOST_SITES, None).await?;
    let sites: Vec<_> = page.items.into_iter().map(|stored| stored.value).collect();
    let (operations, mails) = hosting.overview(&sites).await?;
    let sites = sites.iter().map(|site| SiteOverview {
        site: SiteView::from(site),
        operation: operations.iter().find(|one| one.id == site.last_op).map(OperationView::from),
        mail: mails.iter().find(|mail| mail.site == site.id).map(MailView::from),
    });
    let plan = call.caller.entitlements.products.get(HOSTING).map(|plan| PlanView {
        name: plan.plan.clone(),
        access: plan.access,
        ends_at: plan.full_until,
        mode: plan.mode,
        limits: plan.limits.clone(),
    });
    let mut usage = BTreeMap::from([("sites", usage.sites), ("custom_domains", usage.domains)]);
    usage.insert("storage_bytes", hosting.stored_bytes().await?);
    usage.insert("mails_per_month", hosting.mails_this_month(call.now).await?);
    Ok(Reply::ok(Dashboard { plan, usage, sites: sites.collect() }))
}
