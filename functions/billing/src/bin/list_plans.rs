//! `GET /v1/plans`: the catalogue: every product's plans with their prices, limits and features.

use domain::billing::catalog::ProductEntry;
use domain::billing::{Product, catalog};
use platform::auth::Public;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which plans.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Of one product alone.
    #[serde(default)]
    product: Option<String>,
}

/// The catalogue.
#[derive(Serialize, JsonSchema)]
struct Plans {
    /// Grows when a plan changes.
    version: u32,
    /// Product by product; each one's plans from the smallest to the largest.
    products: Vec<ProductEntry>,
}

fn main() -> Exit {
    http::serve(list_plans)
}

async fn list_plans(_: App, call: Call<Public, (), Wanted>) -> Result<Reply<Plans>> {
    let catalog = catalog();
    let products = match &call.query.product {
        Some(name) => {
            let product: Product = name.parse().map_err(|_| Error::NotFound)?;
            vec![catalog.product(product).clone()]
        }
        None => catalog.products.clone(),
    };
    Ok(Reply::ok(Plans { version: catalog.version, products }).header("cache-control", "public, max-age=60"))
}
