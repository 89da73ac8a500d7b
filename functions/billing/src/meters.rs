//! Meters at Stripe and the prices by use, found or made.
//!
//! Stripe counts whole numbers, so its unit is a millionth of ours; what a plan includes is a first tier that costs nothing.

use domain::billing::catalog::MeterPrice;
use domain::billing::{Plan, PriceRef, Product, catalog};
use platform::stripe::Stripe;
use platform::stripe::catalog::{
    BillingScheme, Interval, NewPrice, Price, RecurringParams, TaxBehavior, Tier, TiersMode, UsageType,
};
use platform::stripe::meter::{Aggregation, Formula, MeterFilter, MeterStatus, NewMeter};
use platform::{App, Error, Result};

use crate::calls::metadata;
use crate::prices::stripe_product;
use crate::store::BillingOfAll;

/// Stripe's id of a meter. One that Stripe does not have yet is made.
///
/// # Errors
/// What Stripe refuses.
pub async fn meter(app: &App, stripe: &Stripe, name: &str) -> Result<String> {
    let all = BillingOfAll::of(app);
    if let Some(known) = all.meter(name).await? {
        return Ok(known);
    }
    let (id, _) = match find(stripe, name).await? {
        Some(id) => (id, false),
        None => make(stripe, name).await?,
    };
    all.remember_meter(name, &id).await?;
    Ok(id)
}

async fn find(stripe: &Stripe, name: &str) -> Result<Option<String>> {
    let filter = MeterFilter { status: Some(MeterStatus::Active), ..MeterFilter::default() };
    let meters = stripe.meters().all(&filter).await?;
    Ok(meters.into_iter().find(|meter| meter.event_name == name).map(|meter| meter.id))
}

/// Makes a meter. Answers its id, and whether it was new.
async fn make(stripe: &Stripe, name: &str) -> Result<(String, bool)> {
    let Some((_, meter)) = catalog().meter(name) else {
        return Err(Error::internal(format!("{name} is no meter of the catalogue")));
    };
    let new = NewMeter {
        display_name: format!("{} (millionths of a {})", meter.title, meter.unit),
        event_name: name.to_owned(),
        default_aggregation: Aggregation { formula: Formula::Sum },
    };
    match stripe.meters().create(&new, &format!("meter:{name}")).await {
        Ok(made) => Ok((made.id, true)),
        // Somebody else was faster: there is one active meter of a name.
        Err(error) if !error.may_have_happened() => match find(stripe, name).await? {
            Some(id) => Ok((id, false)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Brings the meters and the prices by use to Stripe. Answers how many meters were made, and `prices` with those that were.
///
/// # Errors
/// What Stripe refuses.
pub async fn sync(app: &App, stripe: &Stripe, mut prices: u32) -> Result<(u32, u32)> {
    let all = BillingOfAll::of(app);
    let mut made = 0;
    for meter in catalog().products.iter().flat_map(|entry| &entry.meters) {
        let (id, is_new) = match find(stripe, &meter.name).await? {
            Some(id) => (id, false),
            None => make(stripe, &meter.name).await?,
        };
        made += u32::from(is_new);
        all.remember_meter(&meter.name, &id).await?;
        for (product, plan, price) in priced(&meter.name) {
            let key = plan.metered_lookup_key(product, price);
            let found = stripe.prices().by_lookup_keys(&[key.as_str()]).await?;
            let known = match found.iter().find(|found| is(found, price, &id)) {
                Some(found) => found.id.clone(),
                None => {
                    prices += 1;
                    make_price(stripe, product, plan, price, &id).await?
                }
            };
            all.remember_price(&key, &known, price.unit_amount.0).await?;
        }
    }
    Ok((made, prices))
}

/// Stripe's ids of the prices by use that belong to a plan's price, with their meters. What Stripe does not have is made.
///
/// # Errors
/// What Stripe refuses.
pub async fn prices(app: &App, stripe: &Stripe, of: PriceRef<'_>) -> Result<Vec<(String, String)>> {
    let all = BillingOfAll::of(app);
    let mut found = Vec::new();
    for price in of.plan.metered.iter().filter(|price| price.currency == of.price.currency) {
        let key = of.plan.metered_lookup_key(of.product, price);
        let known = all.price(&key).await?.filter(|known| known.minor == price.unit_amount.0);
        let id = match known {
            Some(known) => known.stripe_price.clone(),
            None => {
                let meter = meter(app, stripe, &price.meter).await?;
                let there = stripe.prices().by_lookup_keys(&[key.as_str()]).await?;
                let id = match there.iter().find(|there| is(there, price, &meter)) {
                    Some(there) => there.id.clone(),
                    None => make_price(stripe, of.product, of.plan, price, &meter).await?,
                };
                all.remember_price(&key, &id, price.unit_amount.0).await?;
                id
            }
        };
        found.push((price.meter.clone(), id));
    }
    Ok(found)
}

/// The meter of a price by use, by the price's lookup key.
#[must_use]
pub fn meter_of(lookup_key: &str) -> Option<&'static str> {
    let mut priced = catalog().products.iter().flat_map(|entry| {
        let of =
            move |plan: &'static Plan| plan.metered.iter().map(move |price| (entry.product, plan, price));
        entry.plans.iter().flat_map(of)
    });
    let found = priced.find(|(product, plan, price)| plan.metered_lookup_key(*product, price) == lookup_key);
    found.map(|(_, _, price)| price.meter.as_str())
}

fn priced(meter: &str) -> impl Iterator<Item = (Product, &'static Plan, &'static MeterPrice)> {
    catalog().products.iter().flat_map(move |entry| {
        entry.plans.iter().flat_map(move |plan| {
            let prices = plan.metered.iter().filter(move |price| price.meter == meter);
            prices.map(move |price| (entry.product, plan, price))
        })
    })
}

fn is(found: &Price, wanted: &MeterPrice, meter: &str) -> bool {
    let said = |name: &str, value: String| found.metadata.get(name) == Some(&value);
    found.active
        && found.recurring.as_ref().is_some_and(|recurring| recurring.meter.as_deref() == Some(meter))
        && said("unit_amount_micro", wanted.unit_amount.0.to_string())
        && said("included", wanted.included.to_string())
}

async fn make_price(
    stripe: &Stripe,
    product: Product,
    plan: &Plan,
    price: &MeterPrice,
    meter: &str,
) -> Result<String> {
    let key = plan.metered_lookup_key(product, price);
    let included = Tier {
        up_to: (u128::from(price.included) * 1_000_000).to_string(),
        unit_amount: Some(0),
        ..Tier::default()
    };
    let beyond = Tier {
        up_to: "inf".to_owned(),
        unit_amount_decimal: Some(of_a_millionth(price.unit_amount.0)),
        ..Tier::default()
    };
    let new = NewPrice {
        currency: price.currency.to_string(),
        product: Some(stripe_product(product, plan)),
        billing_scheme: Some(BillingScheme::Tiered),
        tiers_mode: Some(TiersMode::Graduated),
        tiers: if price.included == 0 { vec![beyond] } else { vec![included, beyond] },
        lookup_key: Some(key.clone()),
        transfer_lookup_key: Some(true),
        recurring: Some(RecurringParams {
            // What is included is included each month, also where the plan is paid by the year.
            interval: Interval::Month,
            interval_count: None,
            usage_type: Some(UsageType::Metered),
            meter: Some(meter.to_owned()),
        }),
        tax_behavior: Some(TaxBehavior::Exclusive),
        metadata: metadata(&[
            ("product", product.to_string()),
            ("plan", plan.name.clone()),
            ("unit_amount_micro", price.unit_amount.0.to_string()),
            ("included", price.included.to_string()),
        ]),
        ..NewPrice::default()
    };
    let unit = price.unit_amount.0;
    let made =
        stripe.prices().create(&new, &format!("price:{key}:{unit}:{}:{meter}", price.included)).await?;
    Ok(made.id)
}

/// A price in millionths of a smallest unit, for a millionth of what it is the price of, in decimals.
fn of_a_millionth(unit_amount: i64) -> String {
    const PARTS: i64 = 1_000_000_000_000;
    let part = format!("{:012}", unit_amount % PARTS);
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        (unit_amount / PARTS).to_string()
    } else {
        format!("{}.{part}", unit_amount / PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_a_millionth_is_exact() {
        assert_eq!(of_a_millionth(800_000), "0.0000008");
        assert_eq!(of_a_millionth(280), "0.00000000028");
        assert_eq!(of_a_millionth(3_000_000_000_000), "3");
        assert_eq!(of_a_millionth(0), "0");
    }
}
