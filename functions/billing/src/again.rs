//! Doing something again that another write got in the way of.

use std::time::Duration;

use platform::{Error, Result, random};

/// More writers than this at one organisation at once, and the caller may try again later.
const MOST: u32 = 10;
/// The first pause is up to so many milliseconds, and doubles; a purchase alone brings a dozen writers at once.
const FIRST_PAUSE: u64 = 5;
const LONGEST_PAUSE: u64 = 320;

/// Reads, decides and writes anew until no other write came between.
///
/// # Errors
/// What the attempt fails with; `version_conflict` when others never cease.
pub async fn again<T>(mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(Error::Conflict) if tries < MOST => {
                let longest = FIRST_PAUSE.saturating_mul(1 << tries).min(LONGEST_PAUSE);
                // A random part of it: those who collided do not collide again.
                tokio::time::sleep(Duration::from_millis(random::below(longest))).await;
                tries += 1;
            }
            done => return done,
        }
    }
}
