//! `GET /v1/billing/payment-methods`: what the organisation can pay with, the default first.

use billing::Billing;
use billing::payer::Accountant;
use billing::view::MethodsView;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(list_payment_methods)
}

async fn list_payment_methods(app: App, call: Call<Accountant>) -> Result<Reply<MethodsView>> {
    let methods = Billing::of(&app, call.caller.org()).payment_methods().await?;
    Ok(Reply::ok(MethodsView::of(&methods)))
}
