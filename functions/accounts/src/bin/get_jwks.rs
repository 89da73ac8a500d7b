//! `GET /.well-known/jwks.json`: the public keys that access tokens are signed with.

use platform::auth::Public;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Settings {
    token_keys: String,
}

/// A JSON Web Key Set (RFC 7517): the current key and, around a rotation, the next or the last one.
#[derive(Serialize, Deserialize, JsonSchema)]
struct KeySet {
    /// The keys.
    keys: Vec<PublicKey>,
}

/// An Ed25519 public key (RFC 8037). Whatever else the environment holds is not published.
#[derive(Serialize, Deserialize, JsonSchema)]
struct PublicKey {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    /// The key, base64url.
    x: String,
    /// The name in the tokens' header.
    kid: String,
    /// `EdDSA`.
    alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    purpose: String,
}

fn main() -> Exit {
    http::serve(get_jwks)
}

async fn get_jwks(app: App, _: Call<Public>) -> Result<Reply<KeySet>> {
    let Settings { token_keys } = app.config()?;
    let keys: KeySet = serde_json::from_str(&token_keys).map_err(Error::caused)?;
    Ok(Reply::ok(keys).header("cache-control", "public, max-age=300"))
}
