//! Doing something again that another write got in the way of.

use super::full_jitter;
use crate::{Error, Result};

/// More writers than this at one thing at once, and the caller may try again later. A purchase alone brings a dozen.
const MOST: u32 = 10;

/// Reads, decides and writes anew until no other write came between. Those who began together wait for different times.
///
/// # Errors
/// What the attempt fails with; `version_conflict` when others never cease.
pub async fn again<T>(mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(Error::Conflict) if tries < MOST => {
                tokio::time::sleep(full_jitter(tries)).await;
                tries += 1;
            }
            done => return done,
        }
    }
}
