//! `GET /v1/hosting/domains/{domain}/records`: the records in a domain, by name, in pages.

use hosting::Hosting;
use hosting::view::RecordView;
use platform::auth::Admin;
use platform::http::{self, Call, Reply};
use platform::page::{Listed, PageQuery};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(list_dns_records)
}

async fn list_dns_records(app: App, call: Call<Admin, (), PageQuery>) -> Result<Reply<Listed<RecordView>>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let domain = hosting.domain(&call.path("domain").to_ascii_lowercase()).await?;
    let paging = call.paging(&call.query, &domain.name)?;
    let page = hosting.records(&domain, paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |record| RecordView::from(&*record))))
}
