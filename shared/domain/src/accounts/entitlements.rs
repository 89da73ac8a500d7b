//! What an organisation may use: products, their limits and their features.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The product that hosts sites.
pub const HOSTING: &str = "hosting";

/// Everything an organisation may use at one moment. Billing replaces it as a whole and counts `version` up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Entitlements {
    /// Grows with each replacement, so that a late event cannot bring back an older state.
    pub version: u64,
    /// By product name, such as `hosting`.
    pub products: BTreeMap<String, ProductEntitlement>,
}

/// What an organisation may use of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductEntitlement {
    /// The plan's name: `trial`, or one of billing's.
    pub plan: String,
    /// How far the door stands open.
    pub access: Access,
    /// Whether the product's machines are shared with other organisations.
    #[serde(default)]
    pub mode: Mode,
    /// Counts by name, with the unit in the name: `sites`, `storage_bytes`, `mails_per_month`.
    pub limits: BTreeMap<String, u64>,
    /// Features that are on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub features: BTreeSet<String>,
}

/// How far a product's door stands open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everything within the limits.
    #[default]
    Full,
    /// What exists may be seen and taken away, nothing new may be made.
    ReadOnly,
    /// Nothing.
    None,
}

/// Whether machines are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Several organisations' sites on one machine.
    #[default]
    Shared,
    /// Machines of its own.
    Dedicated,
}

impl Entitlements {
    /// What a new organisation may use before it pays: one small shared site.
    #[must_use]
    pub fn trial() -> Self {
        let limits = [
            ("sites", 1),
            ("users", 3),
            ("storage_bytes", 1024 * 1024 * 1024),
            ("mails_per_month", 200),
            ("units", 1),
        ];
        let hosting = ProductEntitlement {
            plan: "trial".to_owned(),
            access: Access::Full,
            mode: Mode::Shared,
            limits: limits.map(|(name, limit)| (name.to_owned(), limit)).into(),
            features: BTreeSet::new(),
        };
        Self { version: 1, products: BTreeMap::from([(HOSTING.to_owned(), hosting)]) }
    }

    /// The entitlement to a product, unless there is none or its door is shut.
    #[must_use]
    pub fn product(&self, name: &str) -> Option<&ProductEntitlement> {
        self.products.get(name).filter(|product| product.access != Access::None)
    }
}

impl ProductEntitlement {
    /// The limit with this name; what is not named is not allowed.
    #[must_use]
    pub fn limit(&self, name: &str) -> u64 {
        self.limits.get(name).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_holds_one_shared_site_and_nothing_else() {
        let trial = Entitlements::trial();
        let hosting = trial.product(HOSTING).map(|product| (product.limit("sites"), product.mode));
        assert_eq!(hosting, Some((1, Mode::Shared)));
        assert_eq!(trial.product("campaigns"), None);
    }

    #[test]
    fn a_shut_door_is_no_entitlement() {
        let mut entitlements = Entitlements::trial();
        for product in entitlements.products.values_mut() {
            product.access = Access::None;
        }
        assert_eq!(entitlements.product(HOSTING), None);
    }
}
