//! What an organisation may use: products, their limits and their features.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Timestamp;

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
    /// Until when full access is full; from then on it reads as `read_only`. A trial's end, which needs no sweep to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_until: Option<Timestamp>,
    /// Whether the organisation paused it of its own will: nothing is owed, and nothing of theirs may be taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Whether the product's machines are shared with other organisations.
    #[serde(default)]
    pub mode: Mode,
    /// Counts by name, with the unit in the name: `sites`, `storage_bytes`, `mails_per_month`.
    pub limits: BTreeMap<String, Limit>,
    /// Features that are on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub features: BTreeSet<String>,
}

/// How much of something a plan holds: a number, or `"unlimited"` in so many letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// So many at most.
    Count(u64),
    /// As many as one likes.
    Unlimited,
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
            paused: false,
            full_until: None,
            mode: Mode::Shared,
            limits: limits.map(|(name, limit)| (name.to_owned(), Limit::Count(limit))).into(),
            features: BTreeSet::new(),
        };
        Self { version: 1, products: BTreeMap::from([(HOSTING.to_owned(), hosting)]) }
    }

    /// These entitlements as they are at this moment: what was full until an earlier one is read-only.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        for product in self.products.values_mut() {
            let over = product.full_until.is_some_and(|until| until <= now);
            if over && product.access == Access::Full {
                product.access = Access::ReadOnly;
            }
        }
        self
    }

    /// The entitlement to a product, unless there is none or its door is shut.
    #[must_use]
    pub fn product(&self, name: &str) -> Option<&ProductEntitlement> {
        self.products.get(name).filter(|product| product.access != Access::None)
    }
}

impl ProductEntitlement {
    /// The limit with this name; what is not named is not allowed, and what is unlimited is more than anybody has.
    #[must_use]
    pub fn limit(&self, name: &str) -> u64 {
        match self.limit_of(name) {
            Limit::Count(count) => count,
            Limit::Unlimited => u64::MAX,
        }
    }

    /// The limit with this name; what is not named is not allowed.
    #[must_use]
    pub fn limit_of(&self, name: &str) -> Limit {
        self.limits.get(name).copied().unwrap_or(Limit::Count(0))
    }
}

impl Limit {
    /// Whether so many are within it.
    #[must_use]
    pub fn holds(self, count: u64) -> bool {
        Self::Count(count) <= self
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Unlimited => formatter.write_str("unlimited"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Limit;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a count or \"unlimited\"")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Limit, E> {
                Ok(Limit::Count(count))
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Limit, E> {
                u64::try_from(count)
                    .map(Limit::Count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
                if text == "unlimited" {
                    Ok(Limit::Unlimited)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "unlimited"}]})
    }

    fn inline_schema() -> bool {
        true
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

    #[test]
    fn what_was_full_until_yesterday_is_read_only_today() {
        let end = Timestamp::from_secs(1_000_000);
        let mut entitlements = Entitlements::trial();
        for product in entitlements.products.values_mut() {
            product.full_until = Some(end);
        }
        let access = |now| entitlements.clone().at(now).products[HOSTING].access;
        assert_eq!(access(Timestamp::from_millis(end.as_millis() - 1)), Access::Full);
        assert_eq!(access(end), Access::ReadOnly);
    }

    #[test]
    fn unlimited_is_said_in_letters() {
        let read = |json: &str| serde_json::from_str::<Limit>(json).ok();
        assert_eq!(read("7"), Some(Limit::Count(7)));
        assert_eq!(read("\"unlimited\""), Some(Limit::Unlimited));
        for wrong in ["-1", "\"many\"", "null", "1.5"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(
            serde_json::to_string(&[Limit::Count(7), Limit::Unlimited]).ok(),
            Some("[7,\"unlimited\"]".to_owned())
        );
        assert!(Limit::Unlimited.holds(u64::MAX) && Limit::Count(3).holds(3) && !Limit::Count(3).holds(4));
    }
}
