//! `POST /v1/billing/invoices/{invoice}/pay`: pay an open invoice now, with the default payment method.

use billing::Billing;
use billing::calls::{Action, Calls, Wanted};
use billing::payer::Payer;
use billing::project;
use domain::billing::Invoice;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Error, Exit, Result};
use serde_json::json;

fn main() -> Exit {
    http::limit(&[Limit::per_ip(30, MINUTE), Limit::per_org(10, MINUTE)]).serve(pay_invoice)
}

async fn pay_invoice(app: App, call: Call<Payer>) -> Result<Reply<Invoice>> {
    let billing = Billing::of(&app, call.caller.org());
    let id = call.path("invoice");
    let invoice = billing.invoice(id).await?.ok_or(Error::NotFound)?;
    invoice.ensure_payable()?;
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    // One call for each state of the invoice: a further one after a decline is another call.
    let entity = format!("{id}:{}:{}", invoice.version, calls.billing.account().await?.version);
    let wanted = Wanted::new(Action::Pay, entity, format!("/v1/invoices/{id}/pay"), &json!({}))?;
    let paid = calls.make(wanted, Vec::new()).await;
    // Whatever came of it is stored before it is told: a decline may have a reason, or ask for a confirmation.
    if let Some(subscription) = &invoice.subscription
        && let Some(product) = invoice.product
    {
        project::subscription::look(&calls, product, subscription).await?;
    }
    project::invoice::look(&calls, id).await?;
    paid?;
    let invoice = calls.billing.invoice(id).await?.ok_or(Error::NotFound)?;
    Ok(Reply::ok(invoice.value.clone()).version(invoice.version))
}
