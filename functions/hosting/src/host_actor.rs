//! The actor `Host`: an instance's agent, which shows the key that it was given when it registered.

use domain::hosting::Host as HostItem;
use domain::{HostId, OrgId, Timestamp};
use platform::auth::{Actor, Scheme};
use platform::http::RequestParts;
use platform::store::Stored;
use platform::{App, Error, Result, hash};

use crate::HostingOfAll;

const INVALID: Error = Error::Unauthenticated("invalid_host_key");

/// A host on its own routes: the id in the path is its own, for another one it is `not_found`.
#[derive(Debug, Clone)]
pub struct Host {
    /// The host, as it was read to let it in.
    pub stored: Stored<HostItem>,
}

impl Host {
    /// Which host.
    #[must_use]
    pub fn id(&self) -> HostId {
        self.stored.id
    }
}

impl Actor for Host {
    const NAME: &'static str = "host";
    const SCHEME: Option<Scheme> = Some(Scheme::Bearer { name: "host_key", format: "opaque" });

    async fn admit(app: &App, request: &RequestParts, _: Timestamp) -> Result<Self> {
        let header = request.header("authorization").ok_or(Error::Unauthenticated("missing_token"))?;
        let key = header.strip_prefix("Bearer ").ok_or(Error::Unauthenticated("missing_token"))?;
        let id = host_of(key).ok_or(INVALID)?;
        let stored = match HostingOfAll::of(app).host(id).await {
            Ok(stored) => stored,
            Err(Error::NotFound) => return Err(INVALID),
            Err(error) => return Err(error),
        };
        let shown = hash::sha256_hex(key);
        let known = stored.key_hash.as_deref().unwrap_or_default();
        if !hash::same(known.as_bytes(), shown.as_bytes()) {
            return Err(INVALID);
        }
        if request.parameter("host").is_some_and(|named| named != id.to_string()) {
            return Err(Error::NotFound);
        }
        Ok(Self { stored })
    }

    fn org(&self) -> Option<OrgId> {
        None
    }

    fn label(&self) -> String {
        format!("host:{}", self.stored.id)
    }
}

/// A host's key: it names the host, so that the key is looked up by what it says.
#[must_use]
pub fn key(host: HostId, secret: &str) -> String {
    format!("{host}.{secret}")
}

fn host_of(key: &str) -> Option<HostId> {
    key.split_once('.')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_host() {
        let id = HostId::from_ulid(7);
        assert_eq!(host_of(&key(id, "secret")), Some(id));
        for wrong in ["", "secret", ".secret", "host_7.secret", &id.to_string()] {
            assert_eq!(host_of(wrong), None, "{wrong}");
        }
    }
}
