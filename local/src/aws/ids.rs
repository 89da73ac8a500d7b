//! Random identifiers in the shapes AWS uses.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Random bytes.
#[must_use]
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // aws-lc's generator aborts the process rather than fail once it is seeded, so there is no error to handle.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes
}

/// So many random hexadecimal digits, lower-case.
#[must_use]
pub(super) fn hex(digits: usize) -> String {
    let mut text = hex::encode(bytes::<32>());
    text.truncate(digits);
    text
}

/// A random UUID.
#[must_use]
pub(super) fn uuid() -> String {
    let text = hex(32);
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..32])
}

/// So many random capitals and digits, as in hosted zone ids and access keys.
#[must_use]
pub(super) fn capitals(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    bytes::<64>().iter().take(length).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}
