//! The mails that exist, and what each of them needs to know.

use serde::{Deserialize, Serialize};

use crate::notifications::ContactMessage;
use crate::{OperationId, SiteId, Timestamp};

/// The mails that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// The link that proves an address.
    Verification,
    /// A proved address: what to do first.
    Welcome,
    /// A site is served.
    SiteReady,
    /// A site could not be built.
    ProvisioningFailed,
    /// A stranger wrote to us.
    ContactMessage,
}

/// How much depends on a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody waits for it and cannot go on without it; it has a queue of its own.
    Security,
    /// It tells what happened to what is theirs.
    Transactional,
    /// It goes to ourselves.
    Internal,
}

/// A mail's template with what its text needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Notice {
    /// The link that proves an address.
    Verification {
        /// What the link carries.
        token: String,
        /// Until when it is good.
        valid_until: Timestamp,
    },
    /// A proved address: what to do first.
    Welcome,
    /// A site is served.
    SiteReady {
        /// Which.
        site: SiteId,
        /// Its name.
        fqdn: String,
    },
    /// A site could not be built.
    ProvisioningFailed {
        /// Which.
        site: SiteId,
        /// The name it was to have.
        fqdn: String,
        /// What support asks for.
        operation: OperationId,
        /// Whether everything is taken back, or waits for our people.
        undone: bool,
    },
    /// A stranger wrote to us.
    ContactMessage(ContactMessage),
}

impl Template {
    /// Every mail.
    pub const ALL: [Self; 5] =
        [Self::Verification, Self::Welcome, Self::SiteReady, Self::ProvisioningFailed, Self::ContactMessage];

    /// The name of its texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Welcome => "welcome",
            Self::SiteReady => "site-ready",
            Self::ProvisioningFailed => "provisioning-failed",
            Self::ContactMessage => "contact-message",
        }
    }

    /// How much depends on it.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Verification => Class::Security,
            Self::Welcome | Self::SiteReady | Self::ProvisioningFailed => Class::Transactional,
            Self::ContactMessage => Class::Internal,
        }
    }
}

impl Notice {
    /// Which mail it is.
    #[must_use]
    pub fn template(&self) -> Template {
        match self {
            Self::Verification { .. } => Template::Verification,
            Self::Welcome => Template::Welcome,
            Self::SiteReady { .. } => Template::SiteReady,
            Self::ProvisioningFailed { .. } => Template::ProvisioningFailed,
            Self::ContactMessage(_) => Template::ContactMessage,
        }
    }
}
