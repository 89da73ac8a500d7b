//! Password hashes: argon2id over a peppered password.
//!
//! The pepper lies in Secrets Manager and the hashes in the table, so that a copy of the table alone cannot be attacked.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::accounts::Password;
use platform::{Error, Result, random};

use crate::Secrets;

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const LENGTH: usize = 32;

/// A hash that no password has: checked for people who do not exist, so that they cost the same time as those who do.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmUh$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";

/// The hash of a password in its one spelling, as a PHC string.
///
/// # Errors
/// `internal`.
pub fn hash(secrets: &Secrets, spelling: &str) -> Result<String> {
    let salt = SaltString::encode_b64(&random::bytes::<16>()).map_err(unhashed)?;
    let hash = hasher()?.hash_password(&peppered(secrets, spelling), &salt).map_err(unhashed)?;
    Ok(hash.to_string())
}

/// Whether a typed password has the hash that is kept. It costs one argon2 whatever is typed, and also if nothing is kept.
///
/// # Errors
/// `internal` if what is kept is no hash.
pub fn matches(secrets: &Secrets, kept: Option<&str>, typed: &Password) -> Result<bool> {
    let spelling = typed.spelling();
    let parsed = PasswordHash::new(kept.unwrap_or(NOBODYS)).map_err(unhashed)?;
    let same = hasher()?
        .verify_password(&peppered(secrets, spelling.as_deref().unwrap_or_default()), &parsed)
        .is_ok();
    Ok(same && kept.is_some() && spelling.is_some())
}

fn peppered(secrets: &Secrets, spelling: &str) -> [u8; 32] {
    secrets.mac("password", spelling.as_bytes())
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(LENGTH)).map_err(unhashed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn unhashed(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("password hash: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_the_same_password_and_pepper_match() {
        let secrets = Secrets::for_tests("pepper");
        let kept = hash(&secrets, "caf\u{e9} au lait").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        let matches = |secrets: &Secrets, typed: &str| {
            super::matches(secrets, Some(&kept), &Password::from(typed)).unwrap()
        };
        assert!(matches(&secrets, "cafe\u{301} au lait"));
        assert!(!matches(&secrets, "cafe au lait"));
        assert!(!matches(&secrets, ""));
        assert!(!matches(&Secrets::for_tests("salt"), "caf\u{e9} au lait"));
    }

    #[test]
    fn nobody_costs_as_much_as_somebody_and_matches_nothing() {
        let secrets = Secrets::for_tests("pepper");
        let cost = |phc: &str| {
            let parsed = PasswordHash::new(phc).unwrap();
            let params = Params::try_from(&parsed).unwrap();
            let length = parsed.hash.unwrap().len();
            (parsed.algorithm.to_string(), params.m_cost(), params.t_cost(), params.p_cost(), length)
        };
        assert_eq!(cost(NOBODYS), cost(&hash(&secrets, "correct horse").unwrap()));
        assert!(!matches(&secrets, None, &Password::from("correct horse")).unwrap());
    }
}
