//! `PUT /v1/billing/tax-ids/{type}`: write a tax id on invoices, such as a VAT number; whether it is valid shows later.

use billing::Billing;
use billing::account;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::tax_ids;
use billing::view::AccountView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The number.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TaxNumber {
    /// As it is written, such as `DE123456789`.
    value: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(put_tax_id)
}

async fn put_tax_id(app: App, call: Call<Payer, TaxNumber>) -> Result<Reply<AccountView>> {
    let billing = Billing::of(&app, call.caller.org());
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    tax_ids::put(&calls, call.path("type"), &call.body.value).await?;
    let account = calls.billing.account().await?;
    let view = account::view(&calls.billing, &account, call.now).await?;
    Ok(Reply::ok(view).version(account.version))
}
