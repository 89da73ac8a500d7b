//! The area's secret, and the access tokens that are signed with it.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::Timestamp;
use domain::accounts::access::{ACCESS, ACCESS_SECONDS, AUDIENCE, epoch};
use domain::accounts::{AccessClaims, Membership, Session};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use platform::{App, Error, Result, hash, random};
use serde::Deserialize;

/// What only the functions that let people in may read: the signing key, and the pepper of passwords and tokens.
pub struct Secrets {
    secret: Arc<Secret>,
    issuer: String,
}

#[derive(Deserialize)]
struct Secret {
    /// An Ed25519 private key, PKCS #8, in base64.
    signing_key: String,
    /// The name under which the JWKS has its public half.
    key_id: String,
    pepper: String,
}

#[derive(Deserialize)]
struct Settings {
    issuer: String,
}

impl Secrets {
    /// Reads the secret; the platform keeps it for the next invocation.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn of(app: &App) -> Result<Self> {
        let Settings { issuer } = app.config()?;
        Ok(Self { secret: app.secret("SIGNING_SECRET").await?, issuer })
    }

    /// A code that only this area can make, for one purpose.
    #[must_use]
    pub fn mac(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        // The purpose's key, not its name before the data: then no data of one purpose reads as another's.
        hash::hmac(&hash::hmac(self.secret.pepper.as_bytes(), purpose.as_bytes()), data)
    }

    /// An access token of a session, good for a quarter of an hour.
    ///
    /// # Errors
    /// `internal` if the secret holds no signing key.
    pub fn access_token(&self, session: &Session, membership: &Membership, now: Timestamp) -> Result<String> {
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: session.user,
            org: session.org,
            sid: session.id,
            epoch: epoch(session, membership),
            jti: random::token(),
            iat: now.as_secs(),
            exp: now.as_secs() + ACCESS_SECONDS,
            auth_time: session.authenticated_at.as_secs(),
            amr: session.methods.clone(),
            typ: ACCESS.to_owned(),
        };
        let header = Header { kid: Some(self.secret.key_id.clone()), ..Header::new(Algorithm::EdDSA) };
        let key = BASE64_STANDARD.decode(&self.secret.signing_key).map_err(Error::caused)?;
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&key)).map_err(Error::caused)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(pepper: &str) -> Self {
        let secret = Secret { signing_key: String::new(), key_id: String::new(), pepper: pepper.to_owned() };
        Self { secret: Arc::new(secret), issuer: String::new() }
    }
}
