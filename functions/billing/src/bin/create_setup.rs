//! `POST /v1/billing/payment-methods`: what the browser adds a card or a bank account with, for later payments.

use billing::Billing;
use billing::calls::Calls;
use billing::customer;
use billing::payer::Payer;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::setup_intent::NewSetupIntent;
use platform::stripe::{Enabled, Stripe};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// A set-up that the browser finishes.
#[derive(Serialize, JsonSchema)]
struct Setup {
    /// Stripe's id of it.
    setup_intent: String,
    /// What the browser finishes it with.
    client_secret: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(30, MINUTE), Limit::per_org(20, MINUTE)]).serve(create_setup)
}

async fn create_setup(app: App, call: Call<Payer>) -> Result<Reply<Setup, 201>> {
    call.caller.require_verified_email()?;
    let billing = Billing::of(&app, call.caller.org());
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let new = NewSetupIntent {
        customer: Some(customer::customer(&calls).await?),
        usage: Some("off_session".into()),
        automatic_payment_methods: Some(Enabled::YES),
        ..NewSetupIntent::default()
    };
    let key = format!("setup:{}:{}", call.caller.org(), call.origin().request_id);
    let setup = calls.stripe.setup_intents().create(&new, &key).await?;
    let reply = Reply::created(Setup {
        setup_intent: setup.id,
        client_secret: setup.client_secret.unwrap_or_default(),
    });
    // A secret stays out of the table.
    drop(call.once(&reply)?);
    Ok(reply)
}
