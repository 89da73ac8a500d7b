//! What Stripe calls our prices: remembered, so that a checkout need not ask.

use platform::Result;
use platform::store::{Query, Stored, Write};
use serde::{Deserialize, Serialize};

use super::{BillingOfAll, keys};

/// A price as Stripe knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPrice {
    /// Stripe's id.
    pub stripe_price: String,
    /// Its amount: a price of another amount has another id.
    pub minor: i64,
}

impl BillingOfAll {
    /// What Stripe calls the price with this lookup key.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn price(&self, lookup_key: &str) -> Result<Option<Stored<KnownPrice>>> {
        self.table.get(&keys::price(lookup_key)).await
    }

    /// The lookup key of the price that Stripe calls by this id, if we ever sold by it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn lookup_key(&self, stripe_price: &str) -> Result<Option<String>> {
        let prices = Query::pk(keys::PRICES).begins(keys::PRICE);
        let known = self.table.query_all::<KnownPrice>(prices).await?;
        let found = known.iter().find(|known| known.stripe_price == stripe_price);
        Ok(found.and_then(|known| known.key.sk.strip_prefix(keys::PRICE)).map(str::to_owned))
    }

    /// Remembers what Stripe calls a price.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn remember_price(&self, lookup_key: &str, stripe_price: &str, minor: i64) -> Result<()> {
        let known = KnownPrice { stripe_price: stripe_price.to_owned(), minor };
        self.table.write(Write::put(keys::price(lookup_key), "price", &known)).await
    }
}
