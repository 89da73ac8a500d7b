//! What is in use of a product, as far as other areas tell.

use std::collections::BTreeMap;

use domain::billing::Product;
use domain::{OrgId, SiteId};
use platform::store::{NO_VALUES, Query, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Billing, keys};

/// A site that counts, or that did.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CountedSite {
    org: OrgId,
    site: SiteId,
    gone: bool,
}

impl Billing {
    /// A site was asked for. One that is gone does not come back.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn count_site(&self, site: SiteId) -> Result<()> {
        let counted = CountedSite { org: self.org, site, gone: false };
        let write = Write::put(keys::site(self.org, site), "site_count", &counted);
        match self.table.write(write.when("attribute_not_exists(pk)", NO_VALUES)).await {
            Err(Error::Conflict) => Ok(()),
            done => done,
        }
    }

    /// A site is gone, whether its request was heard of or not.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn uncount_site(&self, site: SiteId) -> Result<()> {
        let gone = CountedSite { org: self.org, site, gone: true };
        self.table.write(Write::put(keys::site(self.org, site), "site_count", &gone)).await
    }

    /// What is in use of a product, by the limits' names.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn usage(&self, product: Product) -> Result<BTreeMap<String, u64>> {
        if product != Product::Hosting {
            return Ok(BTreeMap::new());
        }
        let sites = Query::pk(keys::partition(self.org)).begins(keys::SITE);
        let sites = self.table.query_all::<CountedSite>(sites).await?;
        let live = sites.iter().filter(|site| !site.gone).count();
        Ok(BTreeMap::from([("sites".to_owned(), u64::try_from(live).unwrap_or(u64::MAX))]))
    }
}
