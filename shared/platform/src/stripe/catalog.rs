//! Products and prices.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::value::{Created, Expand, Metadata, Page, identified, or_nothing, unix, words};
use super::{Stripe, StripeError, nothing, part};

/// How many lookup keys a list is filtered by at once.
const LOOKUP_KEYS: usize = 10;

/// What is sold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Product {
    pub id: String,
    #[serde(default)]
    pub deleted: bool,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub active: bool,
    pub description: Option<String>,
    pub tax_code: Option<String>,
    pub unit_label: Option<String>,
    pub statement_descriptor: Option<String>,
    pub default_price: Option<Expand<Price>>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

/// What it costs. Amount, currency and interval of a price never change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Price {
    pub id: String,
    pub product: Expand<Product>,
    pub active: bool,
    pub currency: String,
    /// `recurring` or `one_time`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `per_unit` or `tiered`.
    pub billing_scheme: Option<String>,
    pub unit_amount: Option<i64>,
    /// In minor units, with up to twelve decimals.
    pub unit_amount_decimal: Option<String>,
    pub lookup_key: Option<String>,
    pub nickname: Option<String>,
    pub recurring: Option<Recurring>,
    pub tax_behavior: Option<TaxBehavior>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    pub interval: Interval,
    pub interval_count: i64,
    pub usage_type: UsageType,
    pub meter: Option<String>,
}

words! {
    /// How often a price is charged.
    Interval { Day = "day", Week = "week", Month = "month", Year = "year" }
}

words! {
    /// Whether a price is charged by quantity or by use.
    UsageType { Licensed = "licensed", Metered = "metered" }
}

words! {
    /// Whether each unit costs the same.
    BillingScheme { PerUnit = "per_unit", Tiered = "tiered" }
}

words! {
    /// Whether a tier's amount is that of the units in it, or of all.
    TiersMode { Graduated = "graduated", Volume = "volume" }
}

words! {
    /// Whether a price holds its tax.
    TaxBehavior { Exclusive = "exclusive", Inclusive = "inclusive", Unspecified = "unspecified" }
}

identified!(Product, Price);

/// What a product is made with, or changed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductParams {
    /// Ours to choose; only for a new product.
    pub id: Option<String>,
    pub name: Option<String>,
    pub active: Option<bool>,
    pub description: Option<String>,
    pub tax_code: Option<String>,
    pub unit_label: Option<String>,
    pub statement_descriptor: Option<String>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductFilter {
    pub ids: Vec<String>,
    pub active: Option<bool>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// What a price is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewPrice {
    pub currency: String,
    pub product: Option<String>,
    pub unit_amount: Option<i64>,
    pub unit_amount_decimal: Option<String>,
    pub billing_scheme: Option<BillingScheme>,
    pub tiers_mode: Option<TiersMode>,
    pub tiers: Vec<Tier>,
    pub lookup_key: Option<String>,
    /// Whether the price that has the lookup key loses it.
    pub transfer_lookup_key: Option<bool>,
    pub nickname: Option<String>,
    pub recurring: Option<RecurringParams>,
    pub tax_behavior: Option<TaxBehavior>,
    pub active: Option<bool>,
    pub metadata: Metadata,
}

/// What units cost up to a number of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tier {
    /// A number, or `inf`.
    pub up_to: String,
    pub unit_amount: Option<i64>,
    /// With up to twelve decimals.
    pub unit_amount_decimal: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecurringParams {
    pub interval: Interval,
    pub interval_count: Option<i64>,
    pub usage_type: Option<UsageType>,
    /// Of a metered price.
    pub meter: Option<String>,
}

/// What of a price may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceUpdate {
    pub active: Option<bool>,
    pub lookup_key: Option<String>,
    pub transfer_lookup_key: Option<bool>,
    pub nickname: Option<String>,
    pub tax_behavior: Option<TaxBehavior>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceFilter {
    pub active: Option<bool>,
    pub currency: Option<String>,
    pub product: Option<String>,
    pub lookup_keys: Vec<String>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// The calls for products.
#[derive(Debug, Clone, Copy)]
pub struct Products<'a>(pub(super) &'a Stripe);

impl Products<'_> {
    /// Makes one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(self, params: &ProductParams, key: &str) -> Result<Product, StripeError> {
        self.0.post("/v1/products", params, key).await
    }

    /// Changes what the parameters name.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn update(self, id: &str, params: &ProductParams, key: &str) -> Result<Product, StripeError> {
        self.0.post(&format!("/v1/products/{}", part(id)), params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<Product, StripeError> {
        self.0.get(&format!("/v1/products/{}", part(id)), &nothing()).await
    }

    /// All of them.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &ProductFilter) -> Result<Vec<Product>, StripeError> {
        self.0.all("/v1/products", filter).await
    }
}

/// The calls for prices.
#[derive(Debug, Clone, Copy)]
pub struct Prices<'a>(pub(super) &'a Stripe);

impl Prices<'_> {
    /// Makes one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(self, params: &NewPrice, key: &str) -> Result<Price, StripeError> {
        self.0.post("/v1/prices", params, key).await
    }

    /// Changes what the parameters name.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn update(self, id: &str, params: &PriceUpdate, key: &str) -> Result<Price, StripeError> {
        self.0.post(&format!("/v1/prices/{}", part(id)), params, key).await
    }

    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<Price, StripeError> {
        self.0.get(&format!("/v1/prices/{}", part(id)), &nothing()).await
    }

    /// All of them.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &PriceFilter) -> Result<Vec<Price>, StripeError> {
        self.0.all("/v1/prices", filter).await
    }

    /// The prices that have these lookup keys, in no order; a key that no price has is left out.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn by_lookup_keys(self, keys: &[&str]) -> Result<Vec<Price>, StripeError> {
        let mut prices = Vec::new();
        for keys in keys.chunks(LOOKUP_KEYS) {
            let lookup_keys = keys.iter().map(|key| (*key).to_owned()).collect();
            prices.extend(self.all(&PriceFilter { lookup_keys, ..PriceFilter::default() }).await?);
        }
        Ok(prices)
    }
}
