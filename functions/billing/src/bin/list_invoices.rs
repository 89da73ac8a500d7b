//! `GET /v1/billing/invoices`: the organisation's invoices, newest first, in pages.

use billing::Billing;
use billing::payer::Accountant;
use domain::billing::Invoice;
use platform::http::{self, Call, Reply};
use platform::page::{Listed, PageQuery};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(list_invoices)
}

async fn list_invoices(app: App, call: Call<Accountant, (), PageQuery>) -> Result<Reply<Listed<Invoice>>> {
    let paging = call.paging(&call.query, "")?;
    let page = Billing::of(&app, call.caller.org()).invoices(paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |invoice| invoice.value)))
}
