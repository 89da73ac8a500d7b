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

    /// What Stripe calls the meter with this name.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn meter(&self, name: &str) -> Result<Option<String>> {
        let known = self.table.get::<KnownMeter>(&keys::meter(name)).await?;
        Ok(known.map(|known| known.value.stripe_meter))
    }

    /// Remembers what Stripe calls a meter.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn remember_meter(&self, name: &str, stripe_meter: &str) -> Result<()> {
        let known = KnownMeter { stripe_meter: stripe_meter.to_owned() };
        self.table.write(Write::put(keys::meter(name), "meter", &known)).await
    }
}

/// A meter as Stripe knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KnownMeter {
    stripe_meter: String,
}
