//! The languages that people are written to in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A language of the product, as its BCP 47 tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English, the fallback.
    #[default]
    En,
    /// French.
    Fr,
    /// Arabic, written right to left.
    Ar,
}

impl Locale {
    /// Every language, in the order of the fallback.
    pub const ALL: [Self; 3] = [Self::En, Self::Fr, Self::Ar];

    /// The BCP 47 tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::Ar => "ar",
        }
    }

    /// The value of HTML's `dir` attribute.
    #[must_use]
    pub fn direction(self) -> &'static str {
        match self {
            Self::Ar => "rtl",
            Self::En | Self::Fr => "ltr",
        }
    }
}
