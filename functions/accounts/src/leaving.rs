//! Who logs out: somebody with a token of ours, whether or not its time or its session is over.

use domain::{OrgId, SessionId, Timestamp, UserId};
use platform::auth::{Actor, Scheme, SignedIn, claims_of_any_age};
use platform::http::RequestParts;
use platform::{App, Result};

/// Somebody who leaves.
pub struct Leaving {
    /// Who.
    pub user: UserId,
    /// The session to end; it may have ended before.
    pub session: SessionId,
    org: OrgId,
}

impl Actor for Leaving {
    const NAME: &'static str = "leaving";
    const SCHEME: Option<Scheme> = SignedIn::SCHEME;

    async fn admit(app: &App, request: &RequestParts, now: Timestamp) -> Result<Self> {
        let claims = claims_of_any_age(app, request, now)?;
        Ok(Self { user: claims.sub, session: claims.sid, org: claims.org })
    }

    fn org(&self) -> Option<OrgId> {
        Some(self.org)
    }

    fn user(&self) -> Option<UserId> {
        Some(self.user)
    }

    fn label(&self) -> String {
        format!("user:{}", self.user)
    }
}
