//! `DELETE /v1/billing/subscriptions/{product}`: end a subscription with its period, or at once. Asking again changes nothing.

use billing::Billing;
use billing::calls::Calls;
use billing::commands;
use billing::payer::Payer;
use billing::view::SubscriptionView;
use domain::billing::Product;
use domain::billing::plan_change::When;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// When it is to end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ending {
    /// `now`, or `period_end` if nothing is said.
    #[serde(default = "period_end")]
    when: When,
}

fn period_end() -> When {
    When::PeriodEnd
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(cancel_subscription)
}

async fn cancel_subscription(app: App, call: Call<Payer, (), Ending>) -> Result<Reply<SubscriptionView>> {
    let product: Product = call.id("product")?;
    let billing = Billing::of(&app, call.caller.org());
    let subscription = billing.subscription(product).await?;
    let command = subscription.cancel(call.query.when)?;
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    let subscription = commands::say(&calls, &subscription, command).await?;
    let dunning = calls.billing.standings(product).await?.values().dunning;
    Ok(Reply::ok(SubscriptionView::of(&subscription, &dunning)))
}
