//! Refresh tokens: 256 random bits, and where they belong, under a tag that only this area can make.
//!
//! A token names its user and session, so that finding it costs one read and no index. The tag is checked before that
//! read: an invented token can neither cost one nor end anybody's session.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{SessionId, UserId};
use platform::{Error, Result, hash, random};

use crate::Secrets;

/// Tells a refresh token from other secrets, for people and for scanners.
const PREFIX: &str = "tnt_rt_";
const PLACE: usize = 16;
const SECRET: usize = 32;
const TAG: usize = 16;
const NONCE: usize = 12;

/// A refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose.
    pub user: UserId,
    /// Of which session.
    pub session: SessionId,
    secret: [u8; SECRET],
}

impl RefreshToken {
    /// A new token of a session.
    #[must_use]
    pub fn of(user: UserId, session: SessionId) -> Self {
        Self { user, session, secret: random::bytes() }
    }

    /// The token that takes this one's place.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self { secret: random::bytes(), ..self.clone() }
    }

    /// The token as its holder keeps it.
    #[must_use]
    pub fn text(&self, secrets: &Secrets) -> String {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(&self.tag(secrets));
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A token that this area made; none if the text is anything else.
    #[must_use]
    pub fn read(text: &str, secrets: &Secrets) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (body, tag) = bytes.split_at_checked(PLACE + PLACE + SECRET)?;
        let token = Self::from_bytes(body)?;
        hash::same(tag, &token.tag(secrets)).then_some(token)
    }

    /// What is kept of it: SHA-256, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        hash::sha256_hex(self.bytes())
    }

    /// The successor, encrypted so that only who holds this token can read it.
    ///
    /// # Errors
    /// `internal`.
    pub fn seal(&self, successor: &Self) -> Result<String> {
        let nonce = random::bytes::<NONCE>();
        let mut sealed = nonce.to_vec();
        let mut text = successor.secret.to_vec();
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .map_err(|_| Error::internal("a successor cannot be sealed"))?;
        sealed.append(&mut text);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The successor that was sealed with this token.
    ///
    /// # Errors
    /// `internal` if it was sealed with another.
    pub fn open(&self, sealed: &str) -> Result<Self> {
        let broken = || Error::internal("a sealed successor does not open");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(Error::caused)?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE>().ok_or_else(broken)?;
        let mut text = text.to_vec();
        let secret = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text)
            .map_err(|_| broken())?;
        let secret = <[u8; SECRET]>::try_from(&*secret).map_err(|_| broken())?;
        Ok(Self { secret, ..self.clone() })
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(&self.secret)
            .expand(&[b"tenantry refresh successor"], hkdf::HKDF_SHA256)
            .and_then(|derived| derived.fill(&mut key))
            .and_then(|()| UnboundKey::new(&AES_256_GCM, &key))
            .map(LessSafeKey::new)
            .map_err(|_| Error::internal("a sealing key cannot be derived"))
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.user.ulid().to_be_bytes()[..], &self.session.ulid().to_be_bytes(), &self.secret].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (user, rest) = bytes.split_first_chunk::<PLACE>()?;
        let (session, rest) = rest.split_first_chunk::<PLACE>()?;
        Some(Self {
            user: UserId::from_ulid(u128::from_be_bytes(*user)),
            session: SessionId::from_ulid(u128::from_be_bytes(*session)),
            secret: rest.try_into().ok()?,
        })
    }

    fn tag(&self, secrets: &Secrets) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&secrets.mac("refresh token", &self.bytes())[..TAG]);
        tag
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn token() -> RefreshToken {
        RefreshToken::of(UserId::from_ulid(1), SessionId::from_ulid(2))
    }

    #[test]
    fn only_our_own_tokens_are_read() {
        let secrets = Secrets::for_tests("pepper");
        let token = token();
        let text = token.text(&secrets);
        assert!(RefreshToken::read(&text, &secrets).is_some_and(|read| read == token));
        assert!(RefreshToken::read(&text, &Secrets::for_tests("other")).is_none());
        for position in PREFIX.len()..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(RefreshToken::read(&forged, &secrets).is_none(), "{position}");
        }
        for wrong in ["", PREFIX, "tnt_rt_AAAA", "🦀", &text[..text.len() - 1], &text[1..]] {
            assert!(RefreshToken::read(wrong, &secrets).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_successor_opens_with_its_predecessor_alone() {
        let first = token();
        let second = first.successor();
        let sealed = first.seal(&second).unwrap();
        assert!(first.open(&sealed).unwrap() == second);
        assert!(second.open(&sealed).is_err());
        assert!(first.open("").is_err() && first.open("AAAA").is_err());
        assert_ne!(first.hash(), second.hash());
    }
}
