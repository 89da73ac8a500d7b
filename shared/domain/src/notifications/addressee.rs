//! Whom mail goes to: what notifications has been told of people, so that it need not ask accounts.

use serde::{Deserialize, Serialize};

use crate::accounts::{Role, UserSignedUp};
use crate::{Email, Locale, OrgId, UserId};

/// A person of an organisation, as far as a letter needs to know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressee {
    /// Who.
    pub user: UserId,
    /// In which organisation.
    pub org: OrgId,
    /// What they are there; news without a known reader goes to the owners.
    pub role: Role,
    /// Where mail goes.
    pub email: Email,
    /// For the salutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The language they are written to in.
    pub locale: Locale,
}

impl From<UserSignedUp> for Addressee {
    fn from(signed_up: UserSignedUp) -> Self {
        let UserSignedUp { user, org, role, email, first_name, locale, .. } = signed_up;
        Self { user, org, role, email, first_name, locale }
    }
}
