//! `GET /v1/hosting/sites`: the organisation's sites, newest first, in pages.

use hosting::Hosting;
use hosting::view::SiteView;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::page::{Listed, PageQuery};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(list_sites)
}

async fn list_sites(app: App, call: Call<Viewer, (), PageQuery>) -> Result<Reply<Listed<SiteView>>> {
    let paging = call.paging(&call.query, "")?;
    let page = Hosting::of(&app, call.caller.org()).sites(paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |site| SiteView::from(&*site))))
}
