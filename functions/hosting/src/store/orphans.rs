//! What was found without an owner, and how much is stored for whom.

use domain::hosting::measure::Measure;
use domain::hosting::orphan::{Orphan, OrphanKind};
use domain::hosting::{Site, SiteState};
use domain::{OrgId, SiteId};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{Hosting, HostingOfAll, keys, sites};
use crate::reconcile;

impl HostingOfAll {
    /// Something has no owner. What was seen before keeps its first day.
    pub(crate) async fn saw_orphan(&self, orphan: &Orphan, origin: &Origin) -> Result<()> {
        let key = keys::orphan(orphan.what, &orphan.name);
        let write = Write::create(key, "orphan", orphan).or(Error::Conflict);
        match self.table.write(write.event(origin.envelope(None, &orphan.found()))).await {
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What is not found any more has an owner again, or is gone.
    pub(crate) async fn forget_orphans(&self, found: &[(OrphanKind, String)]) -> Result<()> {
        let still = reconcile::keys_of(found);
        let known = self.table.query_all::<Orphan>(Query::pk(keys::ORPHANS)).await?;
        for orphan in known.iter().filter(|orphan| !still.contains(&orphan.key.sk)) {
            self.table.write(Write::remove(orphan)).await?;
        }
        Ok(())
    }

    /// Every site that has files.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn standing_sites(&self) -> Result<Vec<Stored<Site>>> {
        let mut sites = Vec::new();
        for shard in 0..keys::SITE_SHARDS {
            let all = Query::pk(keys::due_sites(shard)).index(Index::Gsi2);
            sites.extend(self.table.query_all::<Site>(all).await?);
        }
        sites.retain(|site| site.state != SiteState::Retained && site.bucket.is_some());
        sites::anywhere(&mut sites);
        Ok(sites)
    }

    /// How much a site stores.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn measured(&self, site: &Site, measure: &Measure, origin: &Origin) -> Result<()> {
        let key = keys::measure(site.org, site.id);
        let write = Write::put(key, "measure", measure);
        self.table.write(write.event(origin.event(site.org, &measure.told()))).await
    }
}

/// Forgets how much a site stores and how its mail fares.
pub(crate) fn forget_counts(org: OrgId, site: SiteId) -> [Write; 2] {
    [Write::delete(keys::measure(org, site)), Write::delete(keys::mail_standing(site))]
}

impl Hosting {
    /// How much a site of the organisation stores, as it was last measured.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn stored_bytes_of(&self, site: SiteId) -> Result<u64> {
        let measure = self.table.get::<Measure>(&keys::measure(self.org, site)).await?;
        Ok(measure.map_or(0, |measure| measure.stored_bytes))
    }

    /// How much the organisation's sites store, as it was last measured.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn stored_bytes(&self) -> Result<u64> {
        let measures = Query::pk(keys::org_partition(self.org)).begins(keys::MEASURE);
        Ok(self.table.query_all::<Measure>(measures).await?.iter().map(|measure| measure.stored_bytes).sum())
    }
}
