//! `POST /v1/billing/subscriptions/{product}/preview`: what a change of plan or quantity would cost; the amount is good for ten minutes.

use billing::Billing;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::quotes;
use domain::billing::{ChangeWanted, Product, Quote};
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(preview_change)
}

async fn preview_change(app: App, call: Call<Payer, ChangeWanted>) -> Result<Reply<Quote, 201>> {
    let product: Product = call.id("product")?;
    let billing = Billing::of(&app, call.caller.org());
    let subscription = billing.subscription(product).await?;
    let planned = subscription.change(&call.body, &billing.usage(product).await?)?;
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let quote = quotes::make(&calls, &subscription, planned).await?;
    let reply = Reply::created(quote.clone());
    calls.billing.offer(&quote, call.once(&reply)?).await?;
    Ok(reply)
}
