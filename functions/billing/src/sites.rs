//! What hosting tells of sites, as far as plans count them.

use domain::hosting::OperationKind;
use domain::hosting::operation::OperationRolledBack;
use domain::hosting::site::{SiteDeleted, SiteRequested};
use domain::{Event, SiteId};
use platform::Result;
use platform::queue::{Payload, parse, unknown};
use serde_json::Value;

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteTold {
    /// A site was asked for.
    Requested(SiteId),
    /// A site is gone, or never came.
    Gone(SiteId),
    /// Something else became of a site, which is there as before.
    Stays,
}

impl Payload for SiteTold {
    fn accept(kind: &str, version: u32, data: Value) -> Result<Self> {
        match (kind, version) {
            (SiteRequested::TYPE, 1) => Ok(Self::Requested(parse::<SiteRequested>(data)?.site)),
            (SiteDeleted::TYPE, 1) => Ok(Self::Gone(parse::<SiteDeleted>(data)?.site)),
            (OperationRolledBack::TYPE, 1) => {
                let taken_back = parse::<OperationRolledBack>(data)?;
                let never_came = taken_back.kind == OperationKind::Provision;
                Ok(if never_came { Self::Gone(taken_back.site) } else { Self::Stays })
            }
            _ => Err(unknown(kind, version)),
        }
    }
}
