//! `PATCH /v1/billing/subscriptions/{product}`: make the change of a quote: an upgrade at once, a downgrade when the period ends.
//!
//! An upgrade that is not paid does not take place; it waits 23 hours for the payment, with the old plan.

use billing::Billing;
use billing::calls::Calls;
use billing::commands;
use billing::payer::Payer;
use billing::view::SubscriptionView;
use domain::QuoteId;
use domain::billing::{ChangeWanted, Product};
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The quote that is taken.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Taken {
    /// Its id.
    quote: QuoteId,
    /// Its signature, as it was given.
    signature: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(change_subscription)
}

async fn change_subscription(app: App, call: Call<Payer, Taken>) -> Result<Reply<SubscriptionView>> {
    call.caller.require_verified_email()?;
    let product: Product = call.id("product")?;
    let billing = Billing::of(&app, call.caller.org());
    let subscription = billing.subscription(product).await?;
    let quote = billing.quote(call.body.quote).await?;
    let used = quote.commit(&call.body.signature, &subscription, subscription.version, call.now)?;
    // What fitted into a smaller plan when it was quoted may have grown since.
    let wanted = ChangeWanted { price: quote.change.to.clone(), quantity: quote.change.quantity };
    subscription.change(&wanted, &billing.usage(product).await?)?;
    let taken = billing.taken(&quote, &used, &subscription);
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let subscription = commands::change(&calls, &subscription, &used, taken).await?;
    let dunning = calls.billing.standings(product).await?.values().dunning;
    Ok(Reply::ok(SubscriptionView::of(&subscription, &dunning)))
}
