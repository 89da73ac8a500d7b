//! Who logs out: somebody with a token of ours, whether its session is alive or was ended before.

use domain::{OrgId, SessionId, Timestamp, UserId};
use platform::auth::{Actor, Scheme, SignedIn};
use platform::http::RequestParts;
use platform::{App, Error, Result};

/// Somebody who leaves; none if they had left before.
pub struct Leaving(pub Option<SignedIn>);

impl Leaving {
    /// The session to end.
    #[must_use]
    pub fn session(&self) -> Option<(UserId, SessionId)> {
        self.0.as_ref().map(|caller| (caller.user, caller.session))
    }
}

impl Actor for Leaving {
    const NAME: &'static str = "leaving";
    const SCHEME: Option<Scheme> = SignedIn::SCHEME;

    async fn admit(app: &App, request: &RequestParts, now: Timestamp) -> Result<Self> {
        match SignedIn::admit(app, request, now).await {
            Ok(caller) => Ok(Self(Some(caller))),
            // The token is ours and its session is over, which is what they want.
            Err(Error::Unauthenticated("session_revoked" | "session_expired")) => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }

    fn org(&self) -> Option<OrgId> {
        self.0.as_ref().and_then(Actor::org)
    }

    fn user(&self) -> Option<UserId> {
        self.0.as_ref().map(|caller| caller.user)
    }

    fn label(&self) -> String {
        self.0.as_ref().map_or_else(|| "public".to_owned(), Actor::label)
    }
}
