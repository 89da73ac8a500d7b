//! The one place that reads a clock.
//!
//! `now` is the system's time plus an offset. The local stack moves time by writing the offset in milliseconds to the
//! file that `CLOCK_FILE` names; in production the variable is unset and the offset is zero.

// This is the one home that the ban in clippy.toml speaks of.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

use crate::config;

/// The source of `now`, read once at the start of each invocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    offset_file: Option<PathBuf>,
}

impl Clock {
    pub(crate) fn from_env() -> Self {
        Self { offset_file: config::optional("CLOCK_FILE").map(PathBuf::from) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(system_millis().saturating_add(self.offset_millis()))
    }

    fn offset_millis(&self) -> i64 {
        let text = self.offset_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

/// Milliseconds since 1970 by the machine's own clock, which is also what the Lambda deadline is told in.
fn system_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The moment at which a deadline in milliseconds since 1970 is reached, on this process's monotonic clock.
pub(crate) fn deadline(epoch_millis: u64) -> Instant {
    let left = i64::try_from(epoch_millis).unwrap_or(i64::MAX).saturating_sub(system_millis());
    Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(Duration::from_secs(900))
}

/// How long until a moment of the monotonic clock; zero when it has passed.
pub(crate) fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// The system's time, for request signatures alone: AWS compares it with its own clock, which knows no offset.
pub(crate) fn for_signatures() -> SystemTime {
    SystemTime::now()
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The milliseconds since the start.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing() {
        assert_eq!(left(deadline(1_000)), Duration::ZERO);
        assert!(left(deadline(u64::MAX)) <= Duration::from_secs(900));
    }
}
