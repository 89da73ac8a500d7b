//! `DELETE /v1/billing/checkout/{checkout}`: give a checkout up: its page takes no payment any more.

use billing::Billing;
use billing::calls::Calls;
use billing::checkout;
use billing::payer::Payer;
use billing::view::CheckoutView;
use domain::billing::SlotState;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::store::again;
use platform::stripe::Stripe;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(cancel_checkout)
}

async fn cancel_checkout(app: App, call: Call<Payer>) -> Result<Reply<CheckoutView>> {
    let billing = Billing::of(&app, call.caller.org());
    let stripe = Stripe::of(&app).await?;
    let calls = Calls { app: &app, stripe, billing, origin: call.origin() };
    let slot = again(async || {
        let slot = calls.billing.checkout(call.path("checkout")).await?;
        if slot.state == SlotState::Open {
            checkout::close(&calls, &slot).await?;
            return calls.billing.checkout(call.path("checkout")).await;
        }
        Ok(slot)
    })
    .await?;
    match slot.state {
        SlotState::Completing | SlotState::Done => {
            Err(Error::refused("checkout_completed", "This checkout was finished."))
        }
        _ => Ok(Reply::ok(CheckoutView::from(&*slot))),
    }
}
