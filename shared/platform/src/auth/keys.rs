//! Where the items lie that deciding about a caller needs. Accounts writes them; every area's endpoints read them.

use domain::{OrgId, SessionId, UserId};

use crate::store::Key;

/// A person (`domain::accounts::User`).
#[must_use]
pub fn user(user: UserId) -> Key {
    Key::new(format!("USER#{user}"), "META")
}

/// A person's session (`domain::accounts::Session`).
#[must_use]
pub fn session(user: UserId, session: SessionId) -> Key {
    Key::new(format!("USER#{user}"), format!("SESSION#{session}"))
}

/// A person's place in an organisation (`domain::accounts::Membership`).
#[must_use]
pub fn membership(org: OrgId, user: UserId) -> Key {
    Key::new(format!("ORG#{org}"), format!("MEMBER#{user}"))
}

/// An organisation (`domain::accounts::Organisation`).
#[must_use]
pub fn organisation(org: OrgId) -> Key {
    Key::new(format!("ORG#{org}"), "META")
}
