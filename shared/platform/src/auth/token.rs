//! Access tokens: JWTs signed with EdDSA, verified with the public keys from the environment.

use std::collections::HashMap;

use domain::Timestamp;
use domain::accounts::AccessClaims;
use domain::accounts::access::{ACCESS, AUDIENCE};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use crate::{Error, Result, config};

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 30;
/// No access token of ours is longer; what is longer is not worth reading.
const LONGEST: usize = 4_096;

/// The public keys of the stage, by key id, and the issuer they stand for.
pub(crate) struct Keys {
    issuer: String,
    by_id: HashMap<String, DecodingKey>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keys").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Keys {
    pub(crate) fn from_env() -> Result<Self> {
        Self::parse(config::required("ISSUER")?, &config::required("TOKEN_KEYS")?)
    }

    fn parse(issuer: String, jwks: &str) -> Result<Self> {
        let set: JwkSet = serde_json::from_str(jwks)
            .map_err(|error| Error::internal(format!("environment variable TOKEN_KEYS: {error}")))?;
        let mut by_id = HashMap::new();
        for jwk in &set.keys {
            let id = jwk.common.key_id.clone().unwrap_or_default();
            by_id.insert(id, DecodingKey::from_jwk(jwk).map_err(Error::caused)?);
        }
        Ok(Self { issuer, by_id })
    }

    /// What a token says, if it is ours and its time is not over.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims> {
        let claims = self.read(token, now)?;
        if claims.exp + LEEWAY <= now.as_secs() {
            return Err(Error::Unauthenticated("token_expired"));
        }
        Ok(claims)
    }

    /// What a token says, if it is ours, also when its time is over.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Result<AccessClaims> {
        const INVALID: Error = Error::Unauthenticated("invalid_token");
        if token.len() > LONGEST {
            return Err(INVALID);
        }
        let header = decode_header(token).map_err(|_| INVALID)?;
        let key = header.kid.and_then(|id| self.by_id.get(&id)).ok_or(INVALID)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[AUDIENCE]);
        // The library reads the system's clock; ours may be moved.
        validation.validate_exp = false;
        let claims = decode::<AccessClaims>(token, key, &validation).map_err(|_| INVALID)?.claims;
        if claims.typ != ACCESS || claims.iat > now.as_secs() + LEEWAY {
            return Err(INVALID);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use domain::{OrgId, SessionId, UserId};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    struct Signer {
        pair: Ed25519KeyPair,
        private: Vec<u8>,
    }

    impl Signer {
        fn new() -> Self {
            let pair = Ed25519KeyPair::generate().unwrap();
            let private = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
            Self { pair, private }
        }

        fn keys(&self) -> Keys {
            let x = BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
            let key =
                json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1", "x": x});
            Keys::parse("https://api.test".to_owned(), &json!({"keys": [key]}).to_string()).unwrap()
        }

        fn sign(&self, kid: &str, claims: &AccessClaims) -> String {
            let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
            encode(&header, claims, &EncodingKey::from_ed_der(&self.private)).unwrap()
        }
    }

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "https://api.test".to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: UserId::from_ulid(1),
            org: OrgId::from_ulid(2),
            sid: SessionId::from_ulid(3),
            epoch: 1,
            jti: "j".to_owned(),
            iat: NOW,
            exp: NOW + 900,
            auth_time: NOW,
            amr: vec!["pwd".to_owned()],
            typ: ACCESS.to_owned(),
        }
    }

    #[test]
    fn only_our_own_living_access_tokens_open_the_door() {
        let (signer, at) = (Signer::new(), Timestamp::from_secs);
        let keys = signer.keys();
        let code = |token: &str, now| keys.verify(token, at(now)).map_err(|error| error.code()).err();
        let good = signer.sign("k1", &claims());
        assert_eq!(code(&good, NOW), None);
        assert_eq!(code(&good, NOW + 929), None);
        assert_eq!(code(&good, NOW + 930), Some("token_expired"));
        assert_eq!(code(&good, NOW - 31), Some("invalid_token"));

        let with = |change: fn(&mut AccessClaims)| {
            let mut changed = claims();
            change(&mut changed);
            signer.sign("k1", &changed)
        };
        let mut wrong = vec![
            signer.sign("k2", &claims()),
            Signer::new().sign("k1", &claims()),
            with(|claims| claims.iss = "https://evil.test".to_owned()),
            with(|claims| claims.aud = "other".to_owned()),
            with(|claims| claims.typ = "refresh".to_owned()),
            "a.b.c".to_owned(),
            String::new(),
            "x".repeat(5_000),
        ];
        // The public key used as an HMAC secret, and no algorithm at all.
        let hmac = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(signer.pair.public_key().as_ref());
        wrong.push(encode(&hmac, &claims(), &secret).unwrap());
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k1"}"#);
        wrong.push(format!("{none}.{}.", good.split('.').nth(1).unwrap()));
        for token in wrong {
            assert_eq!(code(&token, NOW), Some("invalid_token"), "{token}");
        }
    }
}
