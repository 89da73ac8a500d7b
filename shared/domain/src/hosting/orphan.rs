//! Things in the account that carry our mark and belong to nothing that the product knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Event, Timestamp};

/// Something without an owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Orphan {
    /// What it is.
    pub what: OrphanKind,
    /// As AWS names it.
    pub name: String,
    /// When it was seen first.
    pub first_seen_at: Timestamp,
}

/// What can lose its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrphanKind {
    /// A machine: it costs by the hour.
    Instance,
    /// An Elastic IP: it costs by the hour, and the account may have few.
    Address,
    /// A bucket: it costs by what is in it.
    Bucket,
    /// A zone in Route 53: it costs by the month.
    Zone,
    /// A record that nobody wants, or that leads to none of our machines: whoever gets the address gets the name's visitors.
    Record,
    /// A mail domain in SES: whoever has its keys can write in its name.
    MailDomain,
}

impl OrphanKind {
    /// As it is written in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Address => "address",
            Self::Bucket => "bucket",
            Self::Zone => "zone",
            Self::Record => "record",
            Self::MailDomain => "mail_domain",
        }
    }
}

impl Orphan {
    /// Something was seen that has no owner.
    #[must_use]
    pub fn new(what: OrphanKind, name: &str, now: Timestamp) -> Self {
        Self { what, name: name.to_owned(), first_seen_at: now }
    }

    /// Tells of it.
    #[must_use]
    pub fn found(&self) -> OrphanFound {
        OrphanFound { what: self.what, name: self.name.clone() }
    }
}

/// `hosting.orphan_found`: something in the account carries our mark and has no owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrphanFound {
    /// What it is.
    pub what: OrphanKind,
    /// As AWS names it.
    pub name: String,
}

impl Event for OrphanFound {
    const TYPE: &'static str = "hosting.orphan_found";
}
