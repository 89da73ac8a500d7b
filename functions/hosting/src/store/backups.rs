//! Backups of sites.

use domain::SiteId;
use domain::hosting::{Backup, BackupId};
use platform::store::{LastKey, Page, Query, Stored, Write};
use platform::{Error, Result};

use super::{Hosting, HostingOfAll, keys};

impl Hosting {
    /// A backup of a site of the organisation.
    ///
    /// # Errors
    /// `not_found`, also for another organisation's.
    pub async fn backup(&self, site: SiteId, backup: BackupId) -> Result<Stored<Backup>> {
        let stored: Option<Stored<Backup>> = self.table.get_consistent(&keys::backup(site, backup)).await?;
        stored.filter(|backup| backup.org == self.org).ok_or(Error::NotFound)
    }

    /// The backups of a site, newest first. The site was read by [`Hosting::site`].
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn backups(&self, site: SiteId, limit: u32, after: Option<LastKey>) -> Result<Page<Backup>> {
        self.table.query(of_site(site).limit(limit).after(after)).await
    }
}

impl HostingOfAll {
    /// A backup.
    pub(crate) async fn backup(&self, site: SiteId, backup: BackupId) -> Result<Stored<Backup>> {
        self.table.get_consistent(&keys::backup(site, backup)).await?.ok_or(Error::NotFound)
    }

    /// The backups of a site, newest first.
    pub(crate) async fn backups_of(&self, site: SiteId) -> Result<Vec<Backup>> {
        let all = self.table.query_all(of_site(site).consistent()).await?;
        Ok(all.into_iter().map(|stored| stored.value).collect())
    }
}

fn of_site(site: SiteId) -> Query {
    Query::pk(keys::site_partition(site)).begins(keys::BACKUP).reverse()
}

/// A backup that was taken.
pub(crate) fn create(backup: &Backup) -> Write {
    let write = Write::create(keys::backup(backup.site, backup.id), "backup", backup);
    write.expires_at(backup.valid_until)
}

/// A backup that is one too many. Its list goes by the bucket's lifecycle.
pub(crate) fn delete(backup: &Backup) -> Write {
    Write::delete(keys::backup(backup.site, backup.id))
}
