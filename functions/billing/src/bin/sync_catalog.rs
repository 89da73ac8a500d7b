//! `POST /v1/admin/catalog/sync`: bring the catalogue's products, prices and meters to Stripe; what is there already is left alone.

use billing::prices;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// What was written at Stripe.
#[derive(Serialize, JsonSchema)]
struct Written {
    /// Products made or renamed.
    products: u32,
    /// Prices made.
    prices: u32,
    /// Meters made.
    meters: u32,
}

fn main() -> Exit {
    http::serve(sync_catalog)
}

async fn sync_catalog(app: App, _: Call<Operator>) -> Result<Reply<Written>> {
    let stripe = Stripe::of(&app).await?;
    let synced = prices::sync(&app, &stripe).await?;
    let prices::Synced { products, prices, meters } = synced;
    Ok(Reply::ok(Written { products, prices, meters }))
}
