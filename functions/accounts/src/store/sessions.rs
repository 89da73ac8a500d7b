//! Sessions.

use domain::accounts::session::Ending;
use domain::accounts::{Session, SessionRevoked, SessionStarted};
use domain::{SessionId, UserId};
use platform::Origin;
use platform::auth::keys;
use platform::store::{Stored, Write};
use platform::{Error, Result};

use super::Accounts;

/// How often a session that changes meanwhile is looked at.
const ROUNDS: u32 = 5;

impl Accounts {
    /// A session as the last write left it: an older state would make a fresh refresh token look stolen.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn session(&self, user: UserId, session: SessionId) -> Result<Option<Stored<Session>>> {
        self.table.get_consistent(&keys::session(user, session)).await
    }

    /// Somebody logged in.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn start(&self, session: &Session, event: &SessionStarted, origin: &Origin) -> Result<()> {
        let write = Write::create(keys::session(session.user, session.id), "session", session);
        self.table
            .write(write.event(origin.event(session.org, event)).expires_at(session.forgotten_at()))
            .await
    }

    /// A refresh token was replaced by its successor.
    ///
    /// # Errors
    /// `version_conflict` if another use of the token was faster.
    pub async fn rotate(&self, was: &Stored<Session>, is: &Session) -> Result<()> {
        self.table.write(Write::replace(was, is).expires_at(is.forgotten_at())).await
    }

    async fn revoke(
        &self,
        was: &Stored<Session>,
        is: &Session,
        event: &SessionRevoked,
        origin: &Origin,
    ) -> Result<()> {
        let write = Write::replace(was, is).event(origin.event(is.org, event));
        self.table.write(write.expires_at(is.forgotten_at())).await
    }

    /// A session ends, whatever else happens to it meanwhile; one that has ended stays as it is.
    ///
    /// # Errors
    /// `version_conflict` if it changes faster than this can look.
    pub async fn end(&self, user: UserId, session: SessionId, reason: Ending, origin: &Origin) -> Result<()> {
        for _ in 0..ROUNDS {
            let Some(was) = self.session(user, session).await? else { return Ok(()) };
            let (is, Some(event)) = was.value.clone().revoke(reason, origin.now) else { return Ok(()) };
            match self.revoke(&was, &is, &event, origin).await {
                Err(Error::Conflict) => {}
                other => return other,
            }
        }
        Err(Error::Conflict)
    }
}
