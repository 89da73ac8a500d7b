//! Secrets and signing keys: made once, kept in the data folder for its owner's eyes only.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{Context, Error, Result};

/// The stage that the local stack deploys.
pub const STAGE: &str = "local";

/// Secrets by id, as Secrets Manager holds them.
pub type Secrets = BTreeMap<String, Value>;

/// A secret for the accounts area and the public keys that go with it.
pub struct SigningKey {
    /// `{signing_key, key_id, pepper}`.
    pub secret: Value,
    /// `{keys: [...]}`, the parameter `TokenKeys`.
    pub jwks: Value,
}

/// Makes a key to sign tokens with.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn signing_key() -> Result<SigningKey> {
    let pair = Ed25519KeyPair::generate().map_err(|_| Error::new("no key could be made"))?;
    let document = pair.to_pkcs8v1().map_err(|_| Error::new("the key could not be written"))?;
    let secret = json!({
        "signing_key": STANDARD.encode(document.as_ref()),
        "key_id": format!("k{}", crate::random::word()),
        "pepper": STANDARD.encode(crate::random::bytes::<32>()),
    });
    let jwks = jwks(&secret)?;
    Ok(SigningKey { secret, jwks })
}

/// The public keys of an accounts secret.
///
/// # Errors
/// When the secret holds no key.
pub fn jwks(secret: &Value) -> Result<Value> {
    let pair = key_pair(secret)?;
    let key = json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": secret["key_id"],
        "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
    });
    Ok(json!({ "keys": [key] }))
}

/// A token with these claims, as the accounts area would sign it.
///
/// # Errors
/// When the secret holds no key.
pub fn sign(secret: &Value, claims: &Value) -> Result<String> {
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": secret["key_id"] });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let signature = key_pair(secret)?.sign(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}

fn key_pair(secret: &Value) -> Result<Ed25519KeyPair> {
    let text = secret["signing_key"].as_str().ok_or_else(|| Error::new("the secret has no signing_key"))?;
    let document = STANDARD.decode(text).context("the secret's signing_key")?;
    Ed25519KeyPair::from_pkcs8(&document)
        .map_err(|error| Error::new(format!("the secret's signing_key: {error}")))
}

/// The accounts area's secret.
#[must_use]
pub fn accounts_secret() -> String {
    format!("tenantry/{STAGE}/accounts")
}

/// The platform's secret.
#[must_use]
pub fn platform_secret() -> String {
    format!("tenantry/{STAGE}/platform")
}

/// The billing area's secret.
#[must_use]
pub fn billing_secret() -> String {
    format!("tenantry/{STAGE}/billing")
}

/// What the fake Stripe is spoken to with.
fn billing() -> Value {
    json!({
        "stripe_key": format!("sk_test_local{}", hex::encode(crate::random::bytes::<16>())),
        "webhook_secrets": [format!("whsec_{}", hex::encode(crate::random::bytes::<16>()))],
    })
}

/// The secrets kept in a data folder, made on the first start.
///
/// # Errors
/// When the file cannot be read or written.
pub fn kept(data: &Path) -> Result<Secrets> {
    let file = data.join("secrets.json");
    if file.exists() {
        let text = std::fs::read_to_string(&file).context("reading the local secrets")?;
        let mut secrets: Secrets =
            serde_json::from_str(&text).context(format!("reading {}", file.display()))?;
        // Data of a stack that sold nothing yet.
        if let std::collections::btree_map::Entry::Vacant(place) = secrets.entry(billing_secret()) {
            place.insert(billing());
            std::fs::write(&file, serde_json::to_string_pretty(&secrets)?)
                .context(format!("writing {}", file.display()))?;
        }
        return Ok(secrets);
    }
    let secrets: Secrets = [
        (billing_secret(), billing()),
        (accounts_secret(), signing_key()?.secret),
        (
            platform_secret(),
            json!({
                "cursor_key": STANDARD.encode(crate::random::bytes::<32>()),
                "origin_secret": hex::encode(crate::random::bytes::<16>()),
            }),
        ),
    ]
    .into();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(&file).context(format!("writing {}", file.display()))?;
    std::io::Write::write_all(&mut open, serde_json::to_string_pretty(&secrets)?.as_bytes())?;
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn secrets_are_made_once_and_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let first = kept(folder.path()).unwrap();
        assert_eq!(kept(folder.path()).unwrap(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join("secrets.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_signed_verifies_with_the_published_key() {
        let key = signing_key().unwrap();
        let token = sign(&key.secret, &json!({"sub": "usr"})).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let public = URL_SAFE_NO_PAD.decode(key.jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public)
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
    }
}
