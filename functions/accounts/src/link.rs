//! The token of a verification link: whose it is, and 256 random bits.
//!
//! It names its person, so that finding it costs one read and no index; what is kept is its hash.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::UserId;
use domain::accounts::verification::Link;
use platform::{hash, random};

/// A new link for a person.
#[must_use]
pub fn link(user: UserId) -> Link {
    let token =
        BASE64_URL_SAFE_NO_PAD.encode([&user.ulid().to_be_bytes()[..], &random::bytes::<32>()].concat());
    Link { hash: hash::sha256_hex(&token), token }
}

/// Whose link a token belongs to, and its hash; none if it is no token.
#[must_use]
pub fn read(token: &str) -> Option<(UserId, String)> {
    let bytes: [u8; 48] = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (user, _) = bytes.split_first_chunk::<16>()?;
    Some((UserId::from_ulid(u128::from_be_bytes(*user)), hash::sha256_hex(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_its_person_and_hash() {
        let user = UserId::from_ulid(7);
        let made = link(user);
        assert_eq!(read(&made.token), Some((user, made.hash)));
        for wrong in ["", "abc", "🦀", &made.token[1..], &format!("{}A", made.token)] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
