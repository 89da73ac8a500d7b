//! What is sold: products, their plans with limits and features, and prices by lookup key.
//!
//! The data is `catalog.json`; `sync_catalog` makes Stripe's products and prices of it. A price that was sold never
//! changes: another amount is a new version of the plan's price under the same lookup key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Currency, Micro, Money, Product};
use crate::accounts::{Access, Limit, Mode, ProductEntitlement};

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| serde_json::from_str(include_str!("catalog.json")).expect("a test reads the catalogue"));

/// The catalogue in force.
#[must_use]
pub fn catalog() -> &'static Catalog {
    &CATALOG
}

/// Everything that is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Grows with each change.
    pub version: u32,
    /// The products.
    pub products: Vec<ProductEntry>,
}

/// A product with its plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductEntry {
    /// Which.
    pub product: Product,
    /// As people call it.
    pub title: String,
    /// What its metered prices count.
    pub meters: Vec<Meter>,
    /// Its plans, by rank.
    pub plans: Vec<Plan>,
}

/// Something that is counted and charged by use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// Its name, also Stripe's event name.
    pub name: String,
    /// As people call it.
    pub title: String,
    /// One of what it counts.
    pub unit: String,
}

/// A plan of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its name in keys.
    pub name: String,
    /// As people call it.
    pub title: String,
    /// Its place among the product's plans: up is an upgrade, whatever a day of it costs.
    pub rank: u32,
    /// Whether its machines are shared.
    pub mode: Mode,
    /// Whether everybody has it who has no other.
    #[serde(default)]
    pub free: bool,
    /// Whether it is what a trial tries.
    #[serde(default)]
    pub trial: bool,
    /// What it costs; nothing for a free plan and a trial.
    pub prices: Vec<Price>,
    /// Counts by name, with the unit in the name.
    pub limits: BTreeMap<String, Limit>,
    /// What is charged by use besides.
    #[serde(default)]
    pub metered: Vec<MeterPrice>,
    /// Features that are on.
    pub features: BTreeSet<String>,
}

/// A price that comes back each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// How often it is paid.
    pub interval: Interval,
    /// In which currency.
    pub currency: Currency,
    /// One unit for one interval, in the currency's smallest unit.
    pub minor: i64,
}

/// A price by use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterPrice {
    /// What is counted.
    pub meter: String,
    /// In which currency.
    pub currency: Currency,
    /// One unit of use, in millionths of the currency's smallest unit.
    #[serde(rename = "unit_amount_micro")]
    pub unit_amount: Micro,
    /// Units a month that the plan itself pays for.
    pub included: u64,
}

/// How often a price is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Each month.
    Month,
    /// Each year.
    Year,
}

/// A price with the plan and the product that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRef<'a> {
    /// Of which product.
    pub product: Product,
    /// Of which plan.
    pub plan: &'a Plan,
    /// The price.
    pub price: Price,
}

/// What one plan holds of something, or whether it has a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Holding {
    /// A feature.
    Feature(bool),
    /// A limit.
    Limit(Limit),
}

/// How two plans differ in one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The limit's or the feature's name.
    pub name: String,
    /// By the present plan.
    pub from: Holding,
    /// By the other plan.
    pub to: Holding,
    /// What the change of plan would bring.
    pub change: Change,
}

/// What a change of plan brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// More.
    Gain,
    /// Less.
    Loss,
    /// The same.
    Same,
}

/// Something of which more is in use than a plan holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Excess {
    /// The limit's name.
    pub limit: String,
    /// What is in use.
    pub used: u64,
    /// What the plan holds.
    pub allowed: u64,
}

impl Catalog {
    /// A product's entry.
    ///
    /// # Panics
    /// Never for the catalogue in force: a test finds every product in it.
    #[must_use]
    pub fn product(&self, product: Product) -> &ProductEntry {
        self.products
            .iter()
            .find(|entry| entry.product == product)
            .expect("every product is in the catalogue")
    }

    /// A plan by its name.
    #[must_use]
    pub fn plan(&self, product: Product, name: &str) -> Option<&Plan> {
        self.product(product).plans.iter().find(|plan| plan.name == name)
    }

    /// The plan that everybody has who has no other.
    #[must_use]
    pub fn free_plan(&self, product: Product) -> Option<&Plan> {
        self.product(product).plans.iter().find(|plan| plan.free)
    }

    /// The plan that a trial tries.
    #[must_use]
    pub fn trial_plan(&self, product: Product) -> Option<&Plan> {
        self.product(product).plans.iter().find(|plan| plan.trial)
    }

    /// The next plan up that one can buy.
    #[must_use]
    pub fn upgrade_of(&self, product: Product, plan: &str) -> Option<&Plan> {
        let rank = self.plan(product, plan).map(|plan| plan.rank)?;
        let above =
            self.product(product).plans.iter().filter(|plan| plan.rank > rank && !plan.prices.is_empty());
        above.min_by_key(|plan| plan.rank)
    }

    /// A price by its lookup key, such as `hosting_launch_month_usd`.
    #[must_use]
    pub fn price(&self, lookup_key: &str) -> Option<PriceRef<'_>> {
        self.prices().find(|price| price.lookup_key() == lookup_key)
    }

    /// Every price that comes back each interval.
    pub fn prices(&self) -> impl Iterator<Item = PriceRef<'_>> {
        self.products.iter().flat_map(|entry| {
            entry.plans.iter().flat_map(|plan| {
                plan.prices.iter().map(|price| PriceRef { product: entry.product, plan, price: *price })
            })
        })
    }

    /// A meter and the product that it belongs to.
    #[must_use]
    pub fn meter(&self, name: &str) -> Option<(Product, &Meter)> {
        self.products.iter().find_map(|entry| {
            entry.meters.iter().find(|meter| meter.name == name).map(|meter| (entry.product, meter))
        })
    }
}

impl Plan {
    /// What the plan entitles to, as far as the door stands open.
    #[must_use]
    pub fn entitlement(&self, access: Access) -> ProductEntitlement {
        ProductEntitlement {
            plan: self.name.clone(),
            access,
            paused: false,
            full_until: None,
            mode: self.mode,
            limits: self.limits.clone(),
            features: self.features.clone(),
        }
    }

    /// The limit with this name; what is not named is not allowed.
    #[must_use]
    pub fn limit(&self, name: &str) -> Limit {
        self.limits.get(name).copied().unwrap_or(Limit::Count(0))
    }

    /// What is in use beyond what the plan holds.
    #[must_use]
    pub fn exceeded(&self, usage: &BTreeMap<String, u64>) -> Vec<Excess> {
        let excess = usage.iter().filter_map(|(name, used)| match self.limit(name) {
            Limit::Count(allowed) if *used > allowed => {
                Some(Excess { limit: name.clone(), used: *used, allowed })
            }
            _ => None,
        });
        excess.collect()
    }

    /// The lookup key of a price by use.
    #[must_use]
    pub fn metered_lookup_key(&self, product: Product, price: &MeterPrice) -> String {
        format!("{product}_{}_{}_{}", self.name, price.meter, price.currency)
    }

    /// The price by use of a meter in a currency.
    #[must_use]
    pub fn meter_price(&self, meter: &str, currency: Currency) -> Option<&MeterPrice> {
        self.metered.iter().find(|price| price.meter == meter && price.currency == currency)
    }
}

impl PriceRef<'_> {
    /// Stripe's lookup key.
    #[must_use]
    pub fn lookup_key(&self) -> String {
        let Price { interval, currency, .. } = self.price;
        format!("{}_{}_{interval}_{currency}", self.product, self.plan.name)
    }

    /// What one unit costs for one interval.
    #[must_use]
    pub fn amount(&self) -> Money {
        Money::new(self.price.minor, self.price.currency)
    }
}

impl Interval {
    /// How many months it lasts.
    #[must_use]
    pub fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Year => 12,
        }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

/// How two plans differ, limit by limit and feature by feature.
#[must_use]
pub fn compare(from: &Plan, to: &Plan) -> Vec<Difference> {
    let limits: BTreeSet<&String> = from.limits.keys().chain(to.limits.keys()).collect();
    let features: BTreeSet<&String> = from.features.union(&to.features).collect();
    let limits = limits
        .into_iter()
        .map(|name| (name, Holding::Limit(from.limit(name)), Holding::Limit(to.limit(name))));
    let features = features.into_iter().map(|name| {
        (name, Holding::Feature(from.features.contains(name)), Holding::Feature(to.features.contains(name)))
    });
    let difference = |(name, from, to): (&String, Holding, Holding)| Difference {
        name: name.clone(),
        from,
        to,
        change: match from.cmp(&to) {
            std::cmp::Ordering::Less => Change::Gain,
            std::cmp::Ordering::Greater => Change::Loss,
            std::cmp::Ordering::Equal => Change::Same,
        },
    };
    limits.chain(features).map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Entitlements;

    #[test]
    fn the_catalogue_is_sound() {
        let catalog = catalog();
        let mut keys = BTreeSet::new();
        for product in Product::ALL {
            let entry = catalog.product(product);
            let ranks: Vec<u32> = entry.plans.iter().map(|plan| plan.rank).collect();
            assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{product} has plans out of rank");
            for plan in &entry.plans {
                let limited: BTreeSet<_> = plan.limits.keys().collect();
                let first: BTreeSet<_> = entry.plans[0].limits.keys().collect();
                assert_eq!(limited, first, "{product} {}: each plan names every limit", plan.name);
                assert_eq!(plan.prices.is_empty(), plan.free || plan.trial, "{product} {}", plan.name);
                assert!(plan.prices.iter().all(|price| price.minor > 0));
                for price in &plan.metered {
                    assert!(entry.meters.iter().any(|meter| meter.name == price.meter));
                    assert!(keys.insert(plan.metered_lookup_key(product, price)));
                }
            }
        }
        for price in catalog.prices() {
            let key = price.lookup_key();
            assert_eq!(catalog.price(&key), Some(price));
            assert!(keys.insert(key.clone()), "{key} is there twice");
        }
    }

    #[test]
    fn the_prices_of_the_decision() {
        let minor = |key: &str| catalog().price(key).map(|price| price.price.minor);
        for (key, expected) in [
            ("hosting_launch_month_usd", 29_900),
            ("hosting_growth_month_usd", 59_900),
            ("hosting_scale_month_usd", 129_900),
            ("costs_pro_month_usd", 2_900),
            ("sessions_focused_month_eur", 1_900),
            ("sessions_teams_month_eur", 4_900),
        ] {
            assert_eq!(minor(key), Some(expected), "{key}");
        }
        assert_eq!(minor("hosting_trial_month_usd"), None);
        let scans =
            |plan: &str| catalog().plan(Product::Costs, plan).map(|plan| plan.limit("scans_per_hour"));
        assert_eq!(scans("free"), Some(Limit::Count(5)));
        assert_eq!(scans("pro"), Some(Limit::Count(50)));
        assert_eq!(scans("enterprise"), Some(Limit::Count(500)));
    }

    #[test]
    fn a_new_organisations_trial_is_the_catalogues() {
        let at_sign_up = Entitlements::trial();
        let held = &at_sign_up.products["hosting"];
        let plan = catalog().trial_plan(Product::Hosting).expect("hosting can be tried");
        for (name, limit) in &held.limits {
            assert_eq!(plan.limit(name), *limit, "{name}");
        }
    }

    #[test]
    fn a_comparison_says_what_is_gained_and_lost() {
        let plan = |name| catalog().plan(Product::Hosting, name).expect("a plan");
        let found = |from, to, name: &str| {
            compare(plan(from), plan(to)).into_iter().find(|difference| difference.name == name)
        };
        let storage = found("trial", "scale", "storage_bytes").expect("a limit");
        assert_eq!((storage.to, storage.change), (Holding::Limit(Limit::Unlimited), Change::Gain));
        let support = found("growth", "launch", "priority_support").expect("a feature");
        assert_eq!((support.from, support.change), (Holding::Feature(true), Change::Loss));
        assert!(compare(plan("launch"), plan("launch")).iter().all(|one| one.change == Change::Same));
        let json = serde_json::to_value(storage).expect("JSON");
        assert_eq!(json["to"], "unlimited");
    }

    #[test]
    fn the_next_plan_up_is_one_that_can_be_bought() {
        let upgrade = |product, plan| catalog().upgrade_of(product, plan).map(|plan| plan.name.as_str());
        assert_eq!(upgrade(Product::Hosting, "trial"), Some("launch"));
        assert_eq!(upgrade(Product::Hosting, "scale"), None);
        assert_eq!(upgrade(Product::Costs, "free"), Some("pro"));
        assert_eq!(upgrade(Product::Costs, "unheard-of"), None);
    }
}
