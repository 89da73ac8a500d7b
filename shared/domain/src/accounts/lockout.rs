//! Lockout: ten wrong passwords in a quarter of an hour shut a pool of devices out for a quarter of an hour.
//!
//! After OWASP's device-cookie protocol. Each device that has logged in to an account before is a pool of its own; all
//! others share one. So an attacker can shut out strangers, but not the person whose account it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// So many attempts are looked at in one window.
pub const ATTEMPTS: u32 = 10;
/// How long failures count, and how long the pool then stays shut.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// A device is known for so long after it last logged in.
pub const DEVICE_KNOWN: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// The attempts of one pool in its present window. An attempt is counted before its password is looked at, so that
/// fifty at once are not fifty guesses; a right password clears the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How many, this one included.
    pub count: u32,
    /// The window's end, or the lock's.
    pub until: Timestamp,
}

impl Attempts {
    /// The first attempt of a window.
    #[must_use]
    pub fn first(now: Timestamp) -> Self {
        Self { count: 1, until: now + WINDOW }
    }

    /// Whether the pool is shut for this attempt, whatever its password.
    #[must_use]
    pub fn are_too_many(&self) -> bool {
        self.count > ATTEMPTS
    }

    /// This attempt was wrong: the end of the lock that it begins, if it is the one that fills the window.
    #[must_use]
    pub fn lock(&self, now: Timestamp) -> Option<Timestamp> {
        (self.count == ATTEMPTS).then(|| now + WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_failure_shuts_the_pool_for_a_window_of_its_own() {
        let now = Timestamp::from_secs(1_000_000);
        let mut attempts = Attempts::first(now);
        let later = now + Duration::from_secs(600);
        for count in 1..=10 {
            attempts.count = count;
            assert!(!attempts.are_too_many());
            assert_eq!(attempts.lock(later), (count == 10).then(|| later + WINDOW), "{count}");
        }
        attempts.count = 11;
        assert!(attempts.are_too_many());
        assert_eq!(attempts.lock(later), None, "knocking on a shut door keeps it shut no longer");
    }
}
