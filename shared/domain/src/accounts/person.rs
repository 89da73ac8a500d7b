//! People.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Email, Locale, OrgId, Timestamp, UserId};

/// A person with an account. The password lies in an item of its own, so that no read of a person carries its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, which is also what they log in with.
    pub email: Email,
    /// Their first name, if they told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Their last name, if they told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The language they are written to in.
    pub locale: Locale,
    /// Whether they may come in.
    pub state: UserState,
    /// When they showed that the address is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified_at: Option<Timestamp>,
    /// The organisations they belong to, the one they log in to first.
    pub organisations: Vec<OrgId>,
    /// Whether they are platform staff.
    #[serde(default)]
    pub operator: bool,
    /// When they accepted the terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_accepted_at: Option<Timestamp>,
    /// When they agreed to marketing mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketing_agreed_at: Option<Timestamp>,
    /// When they signed up.
    pub created_at: Timestamp,
}

/// Whether a person may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// They may.
    Active,
    /// Shut out by staff.
    Suspended,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn user() -> User {
        User {
            id: UserId::from_ulid(1),
            email: "anna@example.com".parse().expect("a sound address"),
            first_name: Some("Anna".to_owned()),
            last_name: None,
            locale: Locale::En,
            state: UserState::Active,
            email_verified_at: None,
            organisations: vec![OrgId::from_ulid(2)],
            operator: false,
            terms_accepted_at: None,
            marketing_agreed_at: None,
            created_at: Timestamp::from_secs(1_000_000),
        }
    }
}
