//! `DELETE /v1/billing/tax-ids/{type}`: take a tax id off invoices. One that is not there is not there already.

use billing::Billing;
use billing::account;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::tax_ids;
use billing::view::AccountView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(delete_tax_id)
}

async fn delete_tax_id(app: App, call: Call<Payer>) -> Result<Reply<AccountView>> {
    let billing = Billing::of(&app, call.caller.org());
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    tax_ids::delete(&calls, call.path("type")).await?;
    let account = calls.billing.account().await?;
    let view = account::view(&calls.billing, &account, call.now).await?;
    Ok(Reply::ok(view).version(account.version))
}
