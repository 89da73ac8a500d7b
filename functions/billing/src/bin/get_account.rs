//! `GET /v1/billing/account`: who pays, where invoices go, what is subscribed to and what may be used.

use billing::Billing;
use billing::account;
use billing::payer::Accountant;
use billing::view::AccountView;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(get_account)
}

async fn get_account(app: App, call: Call<Accountant>) -> Result<Reply<AccountView>> {
    let billing = Billing::of(&app, call.caller.org());
    let account = billing.account().await?;
    let view = account::view(&billing, &account, call.now).await?;
    Ok(Reply::ok(view).version(account.version))
}
