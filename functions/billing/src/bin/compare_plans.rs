//! `GET /v1/plans/compare`: what two plans of a product hold, limit by limit and feature by feature, and what a change would gain or lose.

use domain::billing::catalog::{Difference, compare};
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
    /// The product.
    product: String,
    /// The plan that one has.
    from: String,
    /// The plan that one thinks of.
    to: String,
}

/// Two plans side by side.
#[derive(Serialize, JsonSchema)]
struct Comparison {
    /// The product.
    product: Product,
    /// The plan that one has.
    from: String,
    /// The plan that one thinks of.
    to: String,
    /// Limit by limit and feature by feature.
    differences: Vec<Difference>,
}

fn main() -> Exit {
    http::serve(compare_plans)
}

async fn compare_plans(_: App, call: Call<Public, (), Wanted>) -> Result<Reply<Comparison>> {
    let Wanted { product, from, to } = &call.query;
    let product: Product = product.parse().map_err(|_| Error::NotFound)?;
    let plan = |name: &str| catalog().plan(product, name).ok_or(Error::NotFound);
    let differences = compare(plan(from)?, plan(to)?);
    let comparison = Comparison { product, from: from.clone(), to: to.clone(), differences };
    Ok(Reply::ok(comparison).header("cache-control", "public, max-age=60"))
}
