//! `POST /v1/billing/subscriptions`: subscribe without Stripe's page: with a payment method that is there, or one that is given now.
//!
//! Without a method the answer has a `client_secret`, with which the browser makes the first payment; until then nothing may be used.

use billing::Billing;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::subscribe::{self, Begun};
use billing::view::{BegunView, SubscriptionView};
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is to be subscribed to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The lookup key of a price, such as `costs_pro_month_usd`.
    price: String,
    /// How many.
    #[serde(default = "one")]
    quantity: u64,
    /// The payment method to pay with at once.
    #[serde(default)]
    payment_method: Option<String>,
}

fn one() -> u64 {
    1
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(30, MINUTE), Limit::per_org(20, MINUTE)]).serve(create_subscription)
}

async fn create_subscription(app: App, call: Call<Payer, Wanted>) -> Result<Reply<BegunView, 201>> {
    call.caller.require_verified_email()?;
    let billing = Billing::of(&app, call.caller.org());
    let Wanted { price, quantity, payment_method } = &call.body;
    if let Some(method) = payment_method {
        billing.payment_method(method).await?;
    }
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let begun = subscribe::begin(&calls, price, *quantity, payment_method.as_deref()).await?;
    let Begun { subscription, client_secret } = begun;
    let reply =
        Reply::created(BegunView { subscription: SubscriptionView::of(&subscription, &[]), client_secret });
    // A secret stays out of the table: a repeat of the request gets it from Stripe again.
    drop(call.once(&reply)?);
    Ok(reply)
}
