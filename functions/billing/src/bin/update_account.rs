//! `PUT /v1/billing/account`: change what is written on invoices; what is not named stays.

use billing::Billing;
use billing::account;
use billing::calls::Calls;
use billing::payer::Accountant;
use billing::view::AccountView;
use domain::billing::AccountUpdate;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(update_account)
}

async fn update_account(app: App, call: Call<Accountant, AccountUpdate>) -> Result<Reply<AccountView>> {
    let billing = Billing::of(&app, call.caller.org());
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let account = account::update(&calls, &call.body, call.if_match()?).await?;
    let view = account::view(&calls.billing, &account, call.now).await?;
    Ok(Reply::ok(view).version(account.version))
}
