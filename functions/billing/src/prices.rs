//! The catalogue at Stripe: products and prices, found or made by lookup key.

use domain::billing::{Interval, Plan, PriceRef, Product, catalog};
use platform::stripe::Stripe;
use platform::stripe::catalog::{
    self as stripe_catalog, NewPrice, Price, ProductFilter, ProductParams, RecurringParams, TaxBehavior,
};
use platform::{App, Error, Result};

use crate::calls::metadata;
use crate::meters;
use crate::store::BillingOfAll;

/// What bringing the catalogue to Stripe wrote there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Synced {
    /// Products made or renamed.
    pub products: u32,
    /// Prices made.
    pub prices: u32,
    /// Meters made.
    pub meters: u32,
}

/// Stripe's id of a price. One that Stripe does not have yet is made.
///
/// # Errors
/// What Stripe refuses.
pub async fn price(app: &App, stripe: &Stripe, wanted: PriceRef<'_>) -> Result<String> {
    let all = BillingOfAll::of(app);
    let key = wanted.lookup_key();
    if let Some(known) = all.price(&key).await?.filter(|known| known.minor == wanted.price.minor) {
        return Ok(known.stripe_price.clone());
    }
    let found = stripe.prices().by_lookup_keys(&[key.as_str()]).await?;
    let id = match found.into_iter().find(|price| is(price, wanted)) {
        Some(price) => price.id,
        None => {
            product(stripe, wanted, None).await?;
            make(stripe, wanted).await?
        }
    };
    all.remember_price(&key, &id, wanted.price.minor).await?;
    Ok(id)
}

/// The lookup key of a price that Stripe calls by this id; `None` for one that is not in the catalogue.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn lookup_key(app: &App, stripe_price: &str) -> Result<Option<String>> {
    BillingOfAll::of(app).lookup_key(stripe_price).await
}

/// Brings the whole catalogue to Stripe; what is there is left alone.
///
/// # Errors
/// What Stripe refuses.
pub async fn sync(app: &App, stripe: &Stripe) -> Result<Synced> {
    let all = BillingOfAll::of(app);
    let mut synced = Synced::default();
    let products = stripe.products().all(&ProductFilter::default()).await?;
    let keys: Vec<String> = catalog().prices().map(|price| price.lookup_key()).collect();
    let prices = stripe.prices().by_lookup_keys(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    for wanted in catalog().prices() {
        let id = product_id(wanted);
        if synced_before(wanted) {
            let known = products.iter().find(|product| product.id == id);
            synced.products +=
                u32::from(product(stripe, wanted, known.map(|known| known.name.as_str())).await?);
        }
        let price = match prices.iter().find(|price| is(price, wanted)) {
            Some(price) => price.id.clone(),
            None => {
                synced.prices += 1;
                make(stripe, wanted).await?
            }
        };
        all.remember_price(&wanted.lookup_key(), &price, wanted.price.minor).await?;
    }
    (synced.meters, synced.prices) = meters::sync(app, stripe, synced.prices).await?;
    Ok(synced)
}

/// Whether a price is the first of its plan: the plan's product is looked at once.
fn synced_before(wanted: PriceRef<'_>) -> bool {
    wanted.plan.prices.first() == Some(&wanted.price)
}

/// Makes or renames a plan's product. `known` is the name that Stripe has it under. Answers whether anything was written.
async fn product(stripe: &Stripe, wanted: PriceRef<'_>, known: Option<&str>) -> Result<bool> {
    let id = product_id(wanted);
    let entry = catalog().product(wanted.product);
    let name = format!("{} {}", entry.title, wanted.plan.title);
    if known == Some(name.as_str()) {
        return Ok(false);
    }
    let metadata = metadata(&[("product", wanted.product.to_string()), ("plan", wanted.plan.name.clone())]);
    let params = ProductParams { name: Some(name.clone()), metadata, ..ProductParams::default() };
    if known.is_some() {
        stripe.products().update(&id, &params, &format!("product:{id}:{name}")).await?;
        return Ok(true);
    }
    let create = ProductParams { id: Some(id.clone()), ..params };
    match stripe.products().create(&create, &format!("product:{id}")).await {
        Err(error) if error.code() == "resource_already_exists" => Ok(false),
        done => done.map(|_| true).map_err(Error::from),
    }
}

async fn make(stripe: &Stripe, wanted: PriceRef<'_>) -> Result<String> {
    let key = wanted.lookup_key();
    let interval = match wanted.price.interval {
        Interval::Month => stripe_catalog::Interval::Month,
        Interval::Year => stripe_catalog::Interval::Year,
    };
    let new = NewPrice {
        currency: wanted.price.currency.to_string(),
        product: Some(product_id(wanted)),
        unit_amount: Some(wanted.price.minor),
        lookup_key: Some(key.clone()),
        // Whoever bought at the old amount keeps it; whoever buys from now on finds the new one under the key.
        transfer_lookup_key: Some(true),
        recurring: Some(RecurringParams { interval, interval_count: None, usage_type: None, meter: None }),
        tax_behavior: Some(TaxBehavior::Exclusive),
        metadata: metadata(&[("product", wanted.product.to_string()), ("plan", wanted.plan.name.clone())]),
        ..NewPrice::default()
    };
    let price = stripe.prices().create(&new, &format!("price:{key}:{}", wanted.price.minor)).await?;
    Ok(price.id)
}

fn is(price: &Price, wanted: PriceRef<'_>) -> bool {
    price.active
        && price.lookup_key.as_deref() == Some(wanted.lookup_key().as_str())
        && price.unit_amount == Some(wanted.price.minor)
}

fn product_id(wanted: PriceRef<'_>) -> String {
    stripe_product(wanted.product, wanted.plan)
}

/// Stripe's id of a plan's product.
#[must_use]
pub fn stripe_product(product: Product, plan: &Plan) -> String {
    format!("tenantry_{product}_{}", plan.name)
}
