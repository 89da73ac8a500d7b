//! `POST /v1/billing/subscriptions/{product}/resume`: take back that a subscription ends, what is scheduled for it, or its pause.

use billing::Billing;
use billing::calls::Calls;
use billing::commands;
use billing::payer::Payer;
use billing::view::SubscriptionView;
use domain::billing::Product;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(resume_subscription)
}

async fn resume_subscription(app: App, call: Call<Payer>) -> Result<Reply<SubscriptionView>> {
    let product: Product = call.id("product")?;
    let billing = Billing::of(&app, call.caller.org());
    let subscription = billing.subscription(product).await?;
    let command = subscription.resume(call.now)?;
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let subscription = commands::say(&calls, &subscription, command).await?;
    let dunning = calls.billing.standings(product).await?.values().dunning;
    Ok(Reply::ok(SubscriptionView::of(&subscription, &dunning)))
}
