//! `PATCH /v1/billing/payment-methods/{method}`: put a card's new end down; the number stays the same.

use billing::Billing;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::project;
use billing::view::MethodView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::stripe::payment_method::{CardUpdate, PaymentMethodUpdate};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// A card's end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ending {
    /// The last month it is good, 1 to 12.
    exp_month: u8,
    /// That month's year.
    exp_year: u16,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(update_payment_method)
}

async fn update_payment_method(app: App, call: Call<Payer, Ending>) -> Result<Reply<MethodView>> {
    let billing = Billing::of(&app, call.caller.org());
    let method = billing.payment_method(call.path("method")).await?;
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let Ending { exp_month, exp_year } = call.body;
    let card = CardUpdate { exp_month: Some(exp_month), exp_year: Some(exp_year) };
    let update = PaymentMethodUpdate { card: Some(card), ..PaymentMethodUpdate::default() };
    let key = format!("method:{}:{}:{exp_year}-{exp_month}", method.id, method.version);
    calls.stripe.payment_methods().update(&method.id, &update, &key).await?;
    project::methods::look(&calls).await?;
    let method = calls.billing.payment_method(&method.id).await?;
    Ok(Reply::ok(MethodView::from(&*method)))
}
