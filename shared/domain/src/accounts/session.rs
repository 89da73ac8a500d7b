//! Sessions: one sign-in on one device, kept alive by a refresh token that is replaced each time it is used.
//!
//! A used refresh token that comes back means that two hold it, and one of them stole it: the whole session ends. Within
//! [`REPEAT`] of its use the same token gets the same successor instead, because a lost response and two open tabs look
//! exactly like a thief.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Denied;
use crate::{Event, OrgId, SessionId, Timestamp, UserId};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A session that is not refreshed for so long ends.
pub const IDLE: Duration = DAY.saturating_mul(7);
/// A session ends after so long, however busy it is.
pub const LIFETIME: Duration = DAY.saturating_mul(30);
/// Within so long of its use, a refresh token's repeat gets the same successor.
pub const REPEAT: Duration = Duration::from_secs(30);
/// An ended session is kept so long, to answer for it.
pub const KEPT: Duration = DAY.saturating_mul(30);

/// One sign-in on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The organisation its tokens are for.
    pub org: OrgId,
    /// Grows when something about the session changes that its tokens say; ends those made before.
    pub epoch: u64,
    /// The refresh token that is good now.
    pub refresh: Refresh,
    /// The refresh token before it, while its repeat is welcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<Rotated>,
    /// When the person last proved who they are.
    pub authenticated_at: Timestamp,
    /// How they proved it (RFC 8176): `pwd`, `otp`.
    pub methods: Vec<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub idle_until: Timestamp,
    /// When it ends in any case.
    pub ends_at: Timestamp,
    /// When it was ended, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// What is kept of a refresh token: never the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// Counts from 1.
    pub generation: u32,
    /// SHA-256 of the token, in hex.
    pub hash: String,
}

/// A refresh token that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// SHA-256 of the token, in hex.
    pub hash: String,
    /// When it was used.
    pub at: Timestamp,
    /// Its successor, encrypted with a key that only the holder of the used token can derive.
    pub sealed_successor: String,
}

/// What a presented refresh token gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// It is the good one: make a successor.
    Current,
    /// It was used a moment ago: give the same successor again, from its sealed form.
    Repeated(String),
    /// It was used before, and somebody uses it again: end the session.
    Stolen,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The person logged out.
    LoggedOut,
    /// A used refresh token came back.
    RefreshReused,
}

/// `accounts.session_started`: somebody logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    /// The session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// How they proved who they are (RFC 8176).
    pub methods: Vec<String>,
    /// Whether the device had logged in to this account before.
    pub known_device: bool,
}

impl Event for SessionStarted {
    const TYPE: &'static str = "accounts.session_started";
}

/// `accounts.session_revoked`: a session was ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRevoked {
    /// The session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Why.
    pub reason: Ending,
}

impl Event for SessionRevoked {
    const TYPE: &'static str = "accounts.session_revoked";
}

impl Session {
    /// A session that begins now with a password, and the hash of its first refresh token.
    #[must_use]
    pub fn begin(id: SessionId, user: UserId, org: OrgId, refresh_hash: String, now: Timestamp) -> Self {
        Self {
            id,
            user,
            org,
            epoch: 0,
            refresh: Refresh { generation: 1, hash: refresh_hash },
            rotated: None,
            authenticated_at: now,
            methods: vec!["pwd".to_owned()],
            created_at: now,
            idle_until: now + IDLE,
            ends_at: now + LIFETIME,
            revoked_at: None,
        }
    }

    /// The event of its beginning.
    #[must_use]
    pub fn started(&self, known_device: bool) -> SessionStarted {
        SessionStarted { session: self.id, user: self.user, methods: self.methods.clone(), known_device }
    }

    /// Whether the session is alive.
    ///
    /// # Errors
    /// `SessionRevoked`, `SessionExpired`.
    pub fn ensure_live(&self, now: Timestamp) -> Result<(), Denied> {
        if self.revoked_at.is_some() {
            Err(Denied::SessionRevoked)
        } else if now >= self.idle_until || now >= self.ends_at {
            Err(Denied::SessionExpired)
        } else {
            Ok(())
        }
    }

    /// What a refresh token of this session gets. The token is genuine: its tag was checked before.
    ///
    /// # Errors
    /// `SessionRevoked`, `SessionExpired`: a dead session's tokens get nothing and change nothing.
    pub fn present(&self, hash: &str, now: Timestamp) -> Result<Presented, Denied> {
        self.ensure_live(now)?;
        if hash == self.refresh.hash {
            return Ok(Presented::Current);
        }
        Ok(match &self.rotated {
            Some(rotated) if rotated.hash == hash && now.since(rotated.at) <= REPEAT => {
                Presented::Repeated(rotated.sealed_successor.clone())
            }
            _ => Presented::Stolen,
        })
    }

    /// The current refresh token is used: its successor takes its place.
    #[must_use]
    pub fn rotate(mut self, successor_hash: String, sealed_successor: String, now: Timestamp) -> Self {
        let generation = self.refresh.generation.saturating_add(1);
        let used = std::mem::replace(&mut self.refresh, Refresh { generation, hash: successor_hash });
        self.rotated = Some(Rotated { hash: used.hash, at: now, sealed_successor });
        self.idle_until = now + IDLE;
        self
    }

    /// The session ends now. One that has ended stays as it is, and says nothing again.
    #[must_use]
    pub fn revoke(mut self, reason: Ending, now: Timestamp) -> (Self, Option<SessionRevoked>) {
        if self.revoked_at.is_some() {
            return (self, None);
        }
        self.revoked_at = Some(now);
        self.rotated = None;
        let event = SessionRevoked { session: self.id, user: self.user, reason };
        (self, Some(event))
    }

    /// When the last trace of the session may go.
    #[must_use]
    pub fn forgotten_at(&self) -> Timestamp {
        self.revoked_at.unwrap_or_else(|| self.idle_until.min(self.ends_at)) + KEPT
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    pub(crate) fn session(now: Timestamp) -> Session {
        Session::begin(
            SessionId::from_ulid(3),
            UserId::from_ulid(1),
            OrgId::from_ulid(2),
            "first".to_owned(),
            now,
        )
    }

    fn after(millis: u64) -> Timestamp {
        NOW + Duration::from_millis(millis)
    }

    #[test]
    fn a_used_token_is_welcome_for_thirty_seconds_and_then_ends_the_session() {
        let session = session(NOW).rotate("second".to_owned(), "sealed".to_owned(), NOW);
        let repeated = Ok(Presented::Repeated("sealed".to_owned()));
        assert_eq!(session.present("second", NOW), Ok(Presented::Current));
        assert_eq!(session.present("first", NOW), repeated);
        assert_eq!(session.present("first", after(30_000)), repeated);
        assert_eq!(session.present("first", after(30_001)), Ok(Presented::Stolen));
    }

    #[test]
    fn a_used_token_is_stolen_once_its_successor_was_used() {
        let session = session(NOW).rotate("second".to_owned(), "sealed".to_owned(), NOW).rotate(
            "third".to_owned(),
            "sealed too".to_owned(),
            after(5_000),
        );
        assert_eq!(session.present("first", after(5_000)), Ok(Presented::Stolen));
        assert_eq!(session.present("second", after(5_000)), Ok(Presented::Repeated("sealed too".to_owned())));
        assert_eq!(session.refresh.generation, 3);
    }

    #[test]
    fn a_dead_session_answers_no_token_and_reports_its_end_once() {
        let (dead, event) = session(NOW).revoke(Ending::LoggedOut, NOW);
        assert_eq!(event.map(|event| event.reason), Some(Ending::LoggedOut));
        assert_eq!(dead.present("first", NOW), Err(Denied::SessionRevoked));
        assert_eq!(dead.present("of old", NOW), Err(Denied::SessionRevoked));
        let (still, event) = dead.clone().revoke(Ending::RefreshReused, after(1));
        assert_eq!((still, event), (dead, None));
    }

    #[test]
    fn a_session_ends_after_seven_idle_days_and_after_thirty_in_any_case() {
        let mut session = session(NOW);
        let days = |days: u32| NOW + DAY.saturating_mul(days);
        assert_eq!(session.present("first", days(7)), Err(Denied::SessionExpired));
        for day in 1..30 {
            session = session.rotate(format!("token {day}"), String::new(), days(day));
        }
        assert_eq!(session.ensure_live(days(29)), Ok(()));
        assert_eq!(session.ensure_live(days(30)), Err(Denied::SessionExpired));
        assert_eq!(session.forgotten_at(), days(60));
    }
}
