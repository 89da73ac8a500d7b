//! Wishes about sites: what shall be is stored together with the operation that follows from it.

use domain::hosting::{LabelClaim, Operation, OperationQueued, Site};
use domain::{OrgId, SiteId};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{Hosting, HostingOfAll, keys, labels, operations, sites};

/// A site as it shall be, and the operation that brings it there, if one may begin now.
pub type Wish = (Site, Option<(Operation, OperationQueued)>);

impl Hosting {
    /// Stores what an organisation wants of its site. `claim` takes a label with it, `once` is the call's idempotency record.
    ///
    /// # Errors
    /// `version_conflict` when the site changed in this moment; `label_taken`.
    pub async fn wish(
        &self,
        stored: &Stored<Site>,
        wish: &Wish,
        claim: Option<&LabelClaim>,
        origin: &Origin,
        once: Option<Write>,
    ) -> Result<()> {
        let label = claim.map(|claim| labels::claim(claim, origin.now));
        let writes = label.into_iter().chain(writes(stored, wish, origin)).chain(once);
        self.table.transact(writes).await
    }
}

impl HostingOfAll {
    /// Stores what the product or its operators want of a site.
    ///
    /// # Errors
    /// `version_conflict` when the site changed in this moment.
    pub async fn wish(&self, stored: &Stored<Site>, wish: &Wish, origin: &Origin) -> Result<()> {
        self.table.transact(writes(stored, wish, origin)).await
    }

    /// A site by its id alone, as operators know it.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn site_by_id(&self, site: SiteId) -> Result<Stored<Site>> {
        let operations = Query::pk(format!("{}{site}", keys::SITE)).index(Index::Gsi3).reverse().limit(1);
        let newest = self.table.query::<Operation>(operations).await?.items.into_iter().next();
        let org = newest.ok_or(Error::NotFound)?.org;
        self.site(org, site).await
    }

    /// Every site of an organisation.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn sites_of(&self, org: OrgId) -> Result<Vec<Stored<Site>>> {
        let sites = Query::pk(keys::org_partition(org)).begins(keys::SITE).consistent();
        self.table.query_all(sites).await
    }
}

/// While an operation is at work the site alone changes: its end looks at what is wanted then.
fn writes(stored: &Stored<Site>, wish: &Wish, origin: &Origin) -> Vec<Write> {
    let (site, operation) = wish;
    let changed = (stored.value != *site).then(|| sites::replace(stored, site));
    let begun = operation.as_ref().map(|(operation, queued)| operations::create(operation, queued, origin));
    changed.into_iter().chain(begun).collect()
}
