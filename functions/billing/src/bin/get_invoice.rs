//! `GET /v1/billing/invoices/{invoice}`: one invoice, with the places where it can be seen, paid and got as a document.

use billing::Billing;
use billing::payer::Accountant;
use domain::billing::Invoice;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::serve(get_invoice)
}

async fn get_invoice(app: App, call: Call<Accountant>) -> Result<Reply<Invoice>> {
    let billing = Billing::of(&app, call.caller.org());
    let invoice = billing.invoice(call.path("invoice")).await?.ok_or(Error::NotFound)?;
    Ok(Reply::ok(invoice.value.clone()).version(invoice.version))
}
