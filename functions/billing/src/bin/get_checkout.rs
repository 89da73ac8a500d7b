//! `GET /v1/billing/checkout/{checkout}`: what became of a checkout; the page that Stripe returns to asks here.
//!
//! While the checkout is open Stripe is asked, so that a purchase shows though no event has come yet.

use billing::Billing;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::project;
use billing::view::CheckoutView;
use domain::billing::SlotState;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(60, MINUTE)]).serve(get_checkout)
}

async fn get_checkout(app: App, call: Call<Payer>) -> Result<Reply<CheckoutView>> {
    let billing = Billing::of(&app, call.caller.org());
    let mut slot = billing.checkout(call.path("checkout")).await?;
    if matches!(slot.state, SlotState::Open | SlotState::Completing) {
        let stripe = Stripe::of(&app).await?;
        let calls = Calls { app: &app, stripe, billing, origin: call.origin() };
        slot = project::checkout::look(&calls, slot.product).await?;
    }
    if matches!(slot.state, SlotState::Expired | SlotState::Superseded) {
        return Err(Error::gone("expired", "This checkout was not finished in time, or was given up."));
    }
    Ok(Reply::ok(CheckoutView::from(&*slot)))
}
