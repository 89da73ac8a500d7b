//! The products that are sold.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A product that is tried, subscribed to and used on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Sites on our machines.
    Hosting,
    /// Costs of cloud accounts.
    Costs,
    /// Booked one-to-one sessions.
    Sessions,
    /// Campaigns by text message.
    Campaigns,
    /// Automation agents.
    Agents,
}

/// A text names no product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAProduct;

impl Product {
    /// Every product.
    pub const ALL: [Self; 5] = [Self::Hosting, Self::Costs, Self::Sessions, Self::Campaigns, Self::Agents];

    /// Its name in keys, paths and entitlements.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hosting => "hosting",
            Self::Costs => "costs",
            Self::Sessions => "sessions",
            Self::Campaigns => "campaigns",
            Self::Agents => "agents",
        }
    }
}

impl FromStr for Product {
    type Err = NotAProduct;

    fn from_str(text: &str) -> Result<Self, NotAProduct> {
        Self::ALL.into_iter().find(|product| product.as_str() == text).ok_or(NotAProduct)
    }
}

impl fmt::Display for Product {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for NotAProduct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected hosting, costs, sessions, campaigns or agents")
    }
}

impl std::error::Error for NotAProduct {}
