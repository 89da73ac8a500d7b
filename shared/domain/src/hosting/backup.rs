//! Backups of sites: which version of each file there was, so that it can be put back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Id, Kind};
use crate::{OrgId, SiteId, Timestamp, UserId};

/// How long a backup can be put back: older versions of files are kept as long.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How often each site is backed up.
pub const EVERY: Duration = Duration::from_secs(24 * 3_600);

/// The kind of `bkp_…` identifiers.
#[derive(Debug)]
pub enum Backed {}

impl Kind for Backed {
    const PREFIX: &'static str = "bkp";
    const NAME: &'static str = "BackupId";
}

/// A backup.
pub type BackupId = Id<Backed>;

/// A backup of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backup {
    /// Its id.
    pub id: BackupId,
    /// Of which site.
    pub site: SiteId,
    /// Whose.
    pub org: OrgId,
    /// Where its list of files is.
    pub manifest: String,
    /// How many files it holds.
    pub files: u64,
    /// How large they are together.
    pub bytes: u64,
    /// Who asked for it; absent when the product did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Until when it can be put back.
    pub valid_until: Timestamp,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedFile {
    /// Its key.
    pub key: String,
    /// S3's id of the version that it had.
    pub version: String,
    /// Its tag, which tells whether the site has this content still.
    pub tag: String,
}

/// What brings a site's files back to a backup: files to put back, and files that came since.
#[must_use]
pub fn differences<'a>(
    backed: &'a [BackedFile],
    present: &std::collections::BTreeMap<String, String>,
) -> (Vec<&'a BackedFile>, Vec<String>) {
    let put_back = backed.iter().filter(|file| present.get(&file.key) != Some(&file.tag)).collect();
    let known: std::collections::BTreeSet<&str> = backed.iter().map(|file| file.key.as_str()).collect();
    let gone = present.keys().filter(|key| !known.contains(key.as_str())).cloned().collect();
    (put_back, gone)
}

/// The backups that are one too many when so many are kept; `newest_first` is how they are listed.
#[must_use]
pub fn surplus(newest_first: &[Backup], kept: u64) -> &[Backup] {
    let kept = usize::try_from(kept.max(1)).unwrap_or(usize::MAX);
    newest_first.get(kept..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(key: &str, tag: &str) -> BackedFile {
        BackedFile { key: key.to_owned(), version: "v".to_owned(), tag: tag.to_owned() }
    }

    #[test]
    fn what_changed_is_put_back_and_what_came_since_goes() {
        let backed = [file("a", "1"), file("b", "2"), file("c", "3")];
        let present = [("a", "1"), ("b", "9"), ("d", "4")];
        let present = present.map(|(key, tag)| (key.to_owned(), tag.to_owned())).into();
        let (back, gone) = differences(&backed, &present);
        assert_eq!(back.iter().map(|file| file.key.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(gone, ["d"]);
    }

    #[test]
    fn the_newest_are_kept_and_one_at_least() {
        let backup = |id| Backup {
            id: BackupId::from_ulid(id),
            site: SiteId::from_ulid(1),
            org: OrgId::from_ulid(1),
            manifest: String::new(),
            files: 0,
            bytes: 0,
            requested_by: None,
            taken_at: Timestamp::from_secs(0),
            valid_until: Timestamp::from_secs(0),
        };
        let all = [backup(3), backup(2), backup(1)];
        assert_eq!(surplus(&all, 2), &all[2..]);
        assert_eq!((surplus(&all, 0).len(), surplus(&all, 9).len()), (2, 0));
        assert_eq!(surplus(&[], 1).len(), 0);
    }
}
