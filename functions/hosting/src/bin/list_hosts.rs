//! `GET /v1/admin/hosting/hosts`: the hosts of a pool, oldest first, in pages.

use domain::accounts::Mode;
use hosting::view::HostView;
use hosting::{HostingOfAll, capacity};
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::page::Listed;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which hosts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Those that sites share, or those that carry one each; shared if not given.
    #[serde(default)]
    pool: Mode,
    /// How many in one page.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// Where the last page ended.
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Settings {
    aws_region: String,
}

fn main() -> Exit {
    http::serve(list_hosts)
}

async fn list_hosts(app: App, call: Call<Operator, (), Which>) -> Result<Reply<Listed<HostView>>> {
    let settings: Settings = app.config()?;
    let pool = capacity::pool(&settings.aws_region, call.query.pool);
    let paging = call.paging_by(call.query.limit, call.query.cursor.as_deref(), &pool)?;
    let page = HostingOfAll::of(&app).host_page(&pool, paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |host| HostView::from(&*host))))
}
