//! Claims on labels.

use domain::Timestamp;
use domain::hosting::{ClaimState, Label, LabelClaim, Site};
use platform::Result;
use platform::store::{Stored, Write};
use serde_json::json;

use super::{HostingOfAll, keys};

const KIND: &str = "label_claim";

impl HostingOfAll {
    /// Who holds a label, if anybody.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn claim(&self, zone: &str, label: &Label) -> Result<Option<Stored<LabelClaim>>> {
        self.table.get_consistent(&keys::claim(zone, label)).await
    }

    /// Makes sure that a site holds a label.
    ///
    /// # Errors
    /// `label_taken` when another site does.
    pub(crate) async fn keep_label(&self, site: &Site, label: &Label, now: Timestamp) -> Result<()> {
        let claim = LabelClaim::live(label.clone(), &site.zone, site.org, site.id, now);
        self.table.write(self::claim(&claim, now)).await
    }
}

/// Takes a label that is free, or that this site has already.
pub(crate) fn claim(claim: &LabelClaim, now: Timestamp) -> Write {
    let free =
        "attribute_not_exists(pk) OR site = :site OR (state = :quarantine AND (org = :org OR until <= :now))";
    Write::put(keys::claim(&claim.zone, &claim.label), KIND, claim)
        .when(
            free,
            [
                (":site", json!(claim.site)),
                (":quarantine", json!(ClaimState::Quarantine)),
                (":org", json!(claim.org)),
                (":now", json!(now)),
            ],
        )
        .or(LabelClaim::taken(&claim.label))
}

/// Changes the claim of a site: to quarantine, or to nothing when it never was served.
pub(crate) fn release(stored: &Stored<LabelClaim>, served: bool, now: Timestamp) -> Write {
    if served {
        Write::replace(stored, &stored.value.clone().quarantined(now))
    } else {
        Write::remove(stored)
    }
}
