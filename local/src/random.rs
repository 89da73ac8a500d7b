//! Randomness of the local stack: secrets made once, ids, nothing that a test compares.

/// So many random bytes.
///
/// # Panics
/// When the operating system gives no randomness, without which nothing here could go on.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place of the local stack that draws random numbers")]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A random word of lower-case letters and digits that sorts nowhere and collides never.
#[must_use]
pub(crate) fn word() -> String {
    hex::encode(bytes::<8>())
}
