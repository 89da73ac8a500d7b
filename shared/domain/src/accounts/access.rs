//! Who comes in: what an access token says, and whether it still holds.

use serde::{Deserialize, Serialize};

use super::{Membership, OrgState, Organisation, Session};
use crate::{OrgId, SessionId, Timestamp, UserId};

/// The audience of every access token.
pub const AUDIENCE: &str = "tenantry";
/// The `typ` claim of an access token; no other kind of token opens a route.
pub const ACCESS: &str = "access";
/// How long an access token lives, in seconds.
pub const ACCESS_SECONDS: i64 = 15 * 60;

/// The claims of an access token (a JWT signed with EdDSA).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The stage that issued it.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// Who.
    pub sub: UserId,
    /// For which organisation.
    pub org: OrgId,
    /// In which session.
    pub sid: SessionId,
    /// [`epoch`] when it was issued.
    pub epoch: u64,
    /// One token's own id.
    pub jti: String,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Dead from, seconds since 1970.
    pub exp: i64,
    /// When the person last proved who they are, seconds since 1970.
    pub auth_time: i64,
    /// How they proved it (RFC 8176): `pwd`, `otp`.
    pub amr: Vec<String>,
    /// [`ACCESS`].
    pub typ: String,
}

/// Why a well-made token does not open the door; always a 401 with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The session was ended: by logging out, by its owner elsewhere, or because its refresh token was used twice.
    SessionRevoked,
    /// The session's time is over.
    SessionExpired,
    /// Role or session changed since the token was made; refreshing gives a new one.
    TokenStale,
    /// The organisation is suspended or closed.
    OrganisationInactive,
}

impl Denied {
    /// The code that clients branch on.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SessionRevoked => "session_revoked",
            Self::SessionExpired => "session_expired",
            Self::TokenStale => "token_stale",
            Self::OrganisationInactive => "organisation_inactive",
        }
    }
}

/// The number a token carries: it grows when session or membership change, and tokens with another number are stale.
#[must_use]
pub fn epoch(session: &Session, membership: &Membership) -> u64 {
    session.epoch.saturating_add(membership.epoch)
}

/// Whether a token that was made at `token_epoch` still opens the door.
///
/// # Errors
/// [`Denied`], which says why.
pub fn admit(
    session: &Session,
    membership: &Membership,
    organisation: &Organisation,
    token_epoch: u64,
    now: Timestamp,
) -> Result<(), Denied> {
    session.ensure_live(now)?;
    if organisation.state != OrgState::Active {
        return Err(Denied::OrganisationInactive);
    }
    if epoch(session, membership) == token_epoch { Ok(()) } else { Err(Denied::TokenStale) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::accounts::session::tests::session;
    use crate::accounts::{Entitlements, OrgSettings, Role};

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn membership() -> Membership {
        Membership {
            user: UserId::from_ulid(1),
            org: OrgId::from_ulid(2),
            role: Role::Owner,
            billing: true,
            verified: true,
            epoch: 4,
            joined_at: NOW,
        }
    }

    fn organisation() -> Organisation {
        Organisation {
            id: OrgId::from_ulid(2),
            name: "Anna's".to_owned(),
            state: OrgState::Active,
            wanted_plan: None,
            entitlements: Entitlements::trial(),
            settings: OrgSettings::default(),
            created_at: NOW,
        }
    }

    #[test]
    fn a_change_of_session_role_or_state_shuts_the_door_at_once() {
        let (session, membership, organisation) = (session(NOW), membership(), organisation());
        let token = epoch(&session, &membership);
        assert_eq!(admit(&session, &membership, &organisation, token, NOW), Ok(()));

        let revoked = Session { revoked_at: Some(NOW), ..session.clone() };
        assert_eq!(admit(&revoked, &membership, &organisation, token, NOW), Err(Denied::SessionRevoked));
        let demoted = Membership { role: Role::Viewer, epoch: 5, ..membership.clone() };
        assert_eq!(admit(&session, &demoted, &organisation, token, NOW), Err(Denied::TokenStale));
        let suspended = Organisation { state: OrgState::Suspended, ..organisation.clone() };
        assert_eq!(admit(&session, &membership, &suspended, token, NOW), Err(Denied::OrganisationInactive));
        let later = NOW + Duration::from_secs(7 * 24 * 3600);
        assert_eq!(admit(&session, &membership, &organisation, token, later), Err(Denied::SessionExpired));
    }
}
