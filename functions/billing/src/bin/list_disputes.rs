//! `GET /v1/admin/disputes`: what payers dispute, newest first, in pages.

use billing::BillingOfAll;
use domain::billing::Dispute;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::page::{Listed, PageQuery};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(list_disputes)
}

async fn list_disputes(app: App, call: Call<Operator, (), PageQuery>) -> Result<Reply<Listed<Dispute>>> {
    let paging = call.paging(&call.query, "")?;
    let page = BillingOfAll::of(&app).disputes(paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |dispute| dispute.value)))
}
