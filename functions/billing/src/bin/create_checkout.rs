//! `POST /v1/billing/checkout`: open a page of Stripe's on which a plan is bought.
//!
//! Of each product one checkout is open at a time: the same wish finds the one that is open, another one closes it first.

use billing::Billing;
use billing::calls::Calls;
use billing::checkout;
use billing::payer::Payer;
use billing::view::CheckoutView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is to be bought.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Purchase {
    /// The lookup key of a price, such as `hosting_launch_month_usd`: product, plan, interval and currency.
    price: String,
    /// How many.
    #[serde(default = "one")]
    quantity: u64,
}

#[derive(Deserialize)]
struct Settings {
    app_url: String,
}

fn one() -> u64 {
    1
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(30, MINUTE), Limit::per_org(20, MINUTE)]).serve(create_checkout)
}

async fn create_checkout(app: App, call: Call<Payer, Purchase>) -> Result<Reply<CheckoutView, 201>> {
    call.caller.require_verified_email()?;
    let Settings { app_url } = app.config()?;
    let stripe = Stripe::of(&app).await?;
    let billing = Billing::of(&app, call.caller.org());
    let calls = Calls { app: &app, stripe, billing, origin: call.origin() };
    let slot = checkout::open(&calls, &call.body.price, call.body.quantity, &app_url).await?;
    Ok(Reply::created(CheckoutView::from(&*slot)))
}
