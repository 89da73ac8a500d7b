//! Backups of sites: which version of each file there was, so that it can be put back.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Where its list of files is; with `parts`, what the parts' names begin with.
    pub manifest: String,
    /// How many parts the list has; absent when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
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
    /// How large it is; not known of what was backed up before this was noted.
    #[serde(default)]
    pub bytes: u64,
}

/// S3 copies no more than this in one call.
pub const MOST_COPIED: u64 = 5 * 1024 * 1024 * 1024;

/// The name of a part of a list of files.
#[must_use]
pub fn part_name(manifest: &str, part: u32) -> String {
    format!("{manifest}/{part:05}.json")
}

impl Backup {
    /// Where the parts of its list are, in the order of their files.
    #[must_use]
    pub fn lists(&self) -> Vec<String> {
        match self.parts {
            Some(parts) => (0..parts).map(|part| part_name(&self.manifest, part)).collect(),
            None => vec![self.manifest.clone()],
        }
    }
}

/// A stretch of a site's files, in the order of their keys: what a backup has there, and what the site has.
#[derive(Debug)]
pub struct Stretch<'a> {
    /// The backup's files, in their order.
    pub backed: &'a [BackedFile],
    /// Whether the backup has more after them.
    pub more_backed: bool,
    /// The site's files with their tags, in their order.
    pub present: &'a [(String, String)],
    /// Whether the site has more after them.
    pub more_present: bool,
}

/// What brings a stretch of a site's files back to a backup.
#[derive(Debug, PartialEq, Eq)]
pub struct Differences<'a> {
    /// Files to put back.
    pub put_back: Vec<&'a BackedFile>,
    /// Files that came since.
    pub gone: Vec<&'a str>,
    /// Up to which key this is true; to the end when absent.
    pub end: Option<&'a str>,
}

impl<'a> Stretch<'a> {
    /// What is to be done up to the first end of the two, with no more than so many files put back.
    #[must_use]
    pub fn differences(&self, most: usize) -> Differences<'a> {
        let last_backed = self.backed.last().filter(|_| self.more_backed).map(|file| file.key.as_str());
        let last_present = self.present.last().filter(|_| self.more_present).map(|(key, _)| key.as_str());
        let first_end = match (last_backed, last_present) {
            (Some(backed), Some(present)) => Some(backed.min(present)),
            (one, other) => one.or(other),
        };
        let within = |key: &str, end: Option<&str>| end.is_none_or(|end| key <= end);
        let tags: BTreeMap<&str, &str> =
            self.present.iter().map(|(key, tag)| (key.as_str(), tag.as_str())).collect();
        let mut put_back: Vec<&BackedFile> = self
            .backed
            .iter()
            .filter(|file| {
                within(&file.key, first_end) && tags.get(file.key.as_str()) != Some(&file.tag.as_str())
            })
            .collect();
        let too_many = put_back.len() > most;
        put_back.truncate(most);
        let end = if too_many { put_back.last().map(|file| file.key.as_str()) } else { first_end };
        let known: BTreeSet<&str> = self.backed.iter().map(|file| file.key.as_str()).collect();
        let gone = tags.keys().copied().filter(|key| within(key, end) && !known.contains(key)).collect();
        Differences { put_back, gone, end }
    }
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
        BackedFile { key: key.to_owned(), version: "v".to_owned(), tag: tag.to_owned(), bytes: 1 }
    }

    #[test]
    fn what_changed_is_put_back_and_what_came_since_goes() {
        let backed = [file("a", "1"), file("b", "2"), file("c", "3")];
        let present = [("a", "1"), ("b", "9"), ("d", "4")];
        let present = present.map(|(key, tag)| (key.to_owned(), tag.to_owned()));
        let whole = Stretch { backed: &backed, more_backed: false, present: &present, more_present: false };
        let whole = whole.differences(9);
        assert_eq!(whole.put_back.iter().map(|file| file.key.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((whole.gone, whole.end), (vec!["d"], None));
    }

    #[test]
    fn a_stretch_ends_where_the_first_of_the_two_lists_does() {
        let backed = [file("b", "1"), file("d", "2"), file("f", "3")];
        let present = [("a", "1"), ("c", "9"), ("e", "4")];
        let present = present.map(|(key, tag)| (key.to_owned(), tag.to_owned()));
        let told = |more_backed, more_present, most| {
            let stretch = Stretch { backed: &backed, more_backed, present: &present, more_present };
            let Differences { put_back, gone, end } = stretch.differences(most);
            (
                put_back.iter().map(|file| file.key.clone()).collect::<String>(),
                gone.concat(),
                end.map(str::to_owned),
            )
        };
        let some = |end: &str| Some(end.to_owned());
        assert_eq!(told(false, false, 9), ("bdf".into(), "ace".into(), None));
        assert_eq!(told(true, false, 9), ("bdf".into(), "ace".into(), some("f")));
        assert_eq!(told(false, true, 9), ("bd".into(), "ace".into(), some("e")));
        assert_eq!(told(true, true, 9), ("bd".into(), "ace".into(), some("e")));
        assert_eq!(told(false, false, 2), ("bd".into(), "ac".into(), some("d")), "the rest comes later");
    }

    #[test]
    fn the_newest_are_kept_and_one_at_least() {
        let backup = |id| Backup {
            id: BackupId::from_ulid(id),
            site: SiteId::from_ulid(1),
            org: OrgId::from_ulid(1),
            manifest: String::new(),
            parts: None,
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
