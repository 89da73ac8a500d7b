//! `GET /v1/billing/subscriptions/{product}`: the subscription to a product: its plan, its period, what it is to become, what is owed.

use billing::Billing;
use billing::view::SubscriptionView;
use domain::billing::Product;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::serve(get_subscription)
}

async fn get_subscription(app: App, call: Call<Viewer>) -> Result<Reply<SubscriptionView>> {
    let product: Product = call.id("product")?;
    let standings = Billing::of(&app, call.caller.org()).standings(product).await?;
    let values = standings.values();
    let subscription = standings.subscription.ok_or(Error::NotFound)?;
    let view = SubscriptionView::of(&subscription, &values.dunning);
    Ok(Reply::ok(view).version(subscription.version))
}
