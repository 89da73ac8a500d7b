//! How much a site uses, as it is measured every hour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Event, SiteId, Timestamp};

/// What a site uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measure {
    /// Which site.
    pub site: SiteId,
    /// How large its files are together, older versions aside.
    pub stored_bytes: u64,
    /// When that was.
    pub measured_at: Timestamp,
}

impl Measure {
    /// Tells of it.
    #[must_use]
    pub fn told(&self) -> SiteMeasured {
        SiteMeasured { site: self.site, stored_bytes: self.stored_bytes }
    }
}

/// `hosting.site_measured`: how much a site stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteMeasured {
    /// Which.
    pub site: SiteId,
    /// How large its files are together, older versions aside.
    pub stored_bytes: u64,
}

impl Event for SiteMeasured {
    const TYPE: &'static str = "hosting.site_measured";
}
