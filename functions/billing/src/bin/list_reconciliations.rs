//! `GET /v1/admin/reconciliations`: the daily comparisons with Stripe, newest first, in pages.

use billing::BillingOfAll;
use billing::store::reconciliations::Reconciliation;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::page::{Listed, PageQuery};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(list_reconciliations)
}

async fn list_reconciliations(
    app: App,
    call: Call<Operator, (), PageQuery>,
) -> Result<Reply<Listed<Reconciliation>>> {
    let paging = call.paging(&call.query, "")?;
    let page = BillingOfAll::of(&app).reconciliations(paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |run| run.value)))
}
