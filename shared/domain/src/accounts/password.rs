//! Which passwords are good enough: long enough, not common, not the person's own words. What they are made of is free.
//!
//! Spelling follows RFC 8265 (OpaqueString): Unicode NFC, every space a plain one, no control characters.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;

use super::sign_up::Identity;
use crate::Refusal;

/// The fewest characters.
const SHORTEST: usize = 8;
/// The most characters.
const LONGEST: usize = 128;
/// The most bytes, before anything else is looked at.
const LONGEST_BYTES: usize = 1_024;
/// A person's word shorter than this is no clue to a password that holds it.
const SHORTEST_CLUE: usize = 5;
/// A password needs more characters than this beside the person's own words.
const BESIDE_CLUES: usize = 4;
/// Words that every user of this product knows.
const PRODUCT: &str = "tenantry";

/// The 11,611 passwords of eight characters and more among the 30,000 most used ones: sorted, lower case, one a line.
/// From zxcvbn's frequency lists (MIT licence).
const COMMON: &str = include_str!("common_passwords.txt");

/// A password as somebody typed it. Its `Debug` is blank, and it cannot be serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password's one spelling, which is what gets hashed; none if no password is spelled so.
    ///
    /// Logging in uses this too: someone types `é` as one character on one keyboard and as two on another.
    #[must_use]
    pub fn spelling(&self) -> Option<String> {
        if self.0.len() > LONGEST_BYTES {
            return None;
        }
        let spelling: String =
            self.0.nfc().map(|c| if c.is_whitespace() && c != '\t' { ' ' } else { c }).collect();
        let length = spelling.chars().count();
        let sound = (SHORTEST..=LONGEST).contains(&length) && !spelling.chars().any(char::is_control);
        sound.then_some(spelling)
    }

    /// The spelling of a password that somebody chooses.
    ///
    /// # Errors
    /// `weak_password` (422) at `/password`.
    pub fn choose(&self, identity: &Identity) -> Result<String, Refusal> {
        let spelling = self.spelling().ok_or_else(|| {
            weak("A password has 8 to 128 characters, at most 1,024 bytes, and no control characters.")
        })?;
        let folded = spelling.to_lowercase();
        if is_common(&folded) {
            return Err(weak("This password is among the most used ones, which are tried first."));
        }
        if is_guessable(&folded, identity) {
            return Err(weak("This password is made of your own name, address or company."));
        }
        Ok(spelling)
    }
}

fn weak(message: &str) -> Refusal {
    Refusal { code: "weak_password", ..Refusal::invalid("/password", message) }
}

fn is_common(folded: &str) -> bool {
    // Whole lines only: the list is searched by halves, each half cut at a line's end.
    let mut rest = COMMON;
    while !rest.is_empty() {
        let middle = rest.floor_char_boundary(rest.len() / 2);
        let start = rest[..middle].rfind('\n').map_or(0, |newline| newline + 1);
        let end = rest[start..].find('\n').map_or(rest.len(), |newline| start + newline);
        match folded.cmp(&rest[start..end]) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = &rest[..start],
            std::cmp::Ordering::Greater => rest = rest.get(end + 1..).unwrap_or_default(),
        }
    }
    false
}

fn is_guessable(folded: &str, identity: &Identity) -> bool {
    if folded == identity.email.as_str() {
        return true;
    }
    let names = [&identity.first_name, &identity.last_name, &identity.company].into_iter().flatten();
    let mut clues: Vec<String> = names
        .map(String::as_str)
        .chain([identity.email.as_str(), PRODUCT])
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() >= SHORTEST_CLUE)
        .collect();
    // Longest first, so that `annabel` is taken out before `annab` breaks it.
    clues.sort_by_key(|clue| std::cmp::Reverse(clue.len()));
    let beside = clues.iter().fold(folded.to_owned(), |rest, clue| rest.replace(clue.as_str(), ""));
    beside != folded && beside.chars().count() <= BESIDE_CLUES
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Password {
    fn schema_name() -> Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": "password", "writeOnly": true, "minLength": SHORTEST, "maxLength": LONGEST
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(password: &str) -> Result<String, &'static str> {
        let identity = Identity {
            email: "anna.lindqvist@example.com".parse().expect("a sound address"),
            first_name: Some("Annabel".to_owned()),
            last_name: Some("Lindqvist".to_owned()),
            company: Some("Northwind Traders".to_owned()),
        };
        Password::from(password).choose(&identity).map_err(|refusal| refusal.code)
    }

    #[test]
    fn length_alone_makes_a_password() {
        let emoji = "🦀".repeat(128);
        for good in ["Test123!", "correct horse", "åéîøüåéî", emoji.as_str()] {
            assert_eq!(chosen(good).as_deref(), Ok(good));
        }
        let (too_many, too_heavy) = ("🦀".repeat(129), "x".repeat(1_025));
        for weak in ["", "seven77", "tab\tinside", "nul\0inside", &too_many, &too_heavy] {
            assert_eq!(chosen(weak), Err("weak_password"), "{weak:?}");
        }
    }

    #[test]
    fn composed_and_decomposed_letters_are_one_password() {
        let (composed, decomposed) = ("caf\u{e9} cr\u{e8}me", "cafe\u{301} cre\u{300}me");
        assert_eq!(Password::from(decomposed).spelling(), Password::from(composed).spelling());
        assert_eq!(Password::from("wide\u{3000}space").spelling().as_deref(), Some("wide space"));
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for common in ["password", "PassWord", "12345678", "qwertyuiop", "iloveyou", "trustno1"] {
            assert_eq!(chosen(common), Err("weak_password"), "{common}");
        }
    }

    #[test]
    fn every_common_password_is_found() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.is_sorted() && lines.len() == 11_611);
        assert!(lines.into_iter().all(is_common));
        for other in ["", "a", "zzzzzzzzzzzzzz", "test123!", "~"] {
            assert!(!is_common(other), "{other}");
        }
    }

    #[test]
    fn the_persons_own_words_are_no_password() {
        for own in [
            "anna.lindqvist@example.com",
            "Lindqvist",
            "annabel1987",
            "Northwind!1",
            "AnnabelLindqvist",
            "Tenantry2026",
        ] {
            assert_eq!(chosen(own), Err("weak_password"), "{own}");
        }
        assert_eq!(chosen("Lindqvist and the fox").as_deref(), Ok("Lindqvist and the fox"));
    }

    #[test]
    fn a_password_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Password::from("Test123!")), "Password(…)");
    }
}
