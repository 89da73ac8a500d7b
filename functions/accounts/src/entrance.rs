//! What somebody gets who comes in: the tokens, and who they are and where.

use domain::accounts::access::ACCESS_SECONDS;
use domain::accounts::{Membership, Organisation, Role, Session, User};
use domain::{Email, Locale, OrgId, Timestamp, UserId};
use platform::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Secrets;
use crate::device::Device;
use crate::refresh_token::RefreshToken;

/// The answer to signing up and logging in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entrance {
    /// The tokens.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// Marks this device as known; show it when logging in again.
    pub device: String,
    /// Who came in.
    pub user: Person,
    /// Into which organisation.
    pub organisation: Place,
    /// What they may do there.
    pub role: Role,
}

/// An access token, and the refresh token that gets the next one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tokens {
    /// The access token (a JWT): for the header `Authorization: Bearer …`.
    pub token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token is dead.
    pub expires_in: i64,
    /// Good once, for a week: `POST /v1/auth/refresh`.
    pub refresh_token: String,
}

/// A person, as they see themselves.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// Their address.
    pub email: Email,
    /// Whether they showed that it is theirs.
    pub email_verified: bool,
    /// Their first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Their last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The language they are written to in.
    pub locale: Locale,
    /// When they signed up.
    pub created_at: Timestamp,
}

/// An organisation's id and name.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Place {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
}

impl Tokens {
    /// The tokens of a session.
    ///
    /// # Errors
    /// `internal`.
    pub fn of(
        secrets: &Secrets,
        session: &Session,
        membership: &Membership,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> Result<Self> {
        Ok(Self {
            token: secrets.access_token(session, membership, now)?,
            token_type: "Bearer",
            expires_in: ACCESS_SECONDS,
            refresh_token: refresh.text(secrets),
        })
    }
}

impl Entrance {
    /// The answer to somebody who has just come in.
    #[must_use]
    pub fn new(
        tokens: Tokens,
        device: &Device,
        secrets: &Secrets,
        user: User,
        organisation: Organisation,
        role: Role,
    ) -> Self {
        Self {
            tokens,
            device: device.mark(&user.email, secrets),
            user: user.into(),
            organisation: Place { id: organisation.id, name: organisation.name },
            role,
        }
    }
}

impl From<User> for Person {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
            first_name: user.first_name,
            last_name: user.last_name,
            locale: user.locale,
            created_at: user.created_at,
        }
    }
}
