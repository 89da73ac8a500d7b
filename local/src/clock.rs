//! The one clock of the stack: real time plus an offset that tests and the page move forward.
//!
//! The offset is also written to a file, which functions read at each invocation, so that a moved clock needs no restart.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use tokio::sync::watch;

/// Real time plus an offset; clones share the offset.
#[derive(Clone)]
pub struct Clock {
    shared: Arc<Shared>,
}

struct Shared {
    file: Option<PathBuf>,
    /// Held while the offset is written, so that two advances cannot leave the older one in the file.
    writing: Mutex<()>,
    offset_millis: watch::Sender<i64>,
    /// Where real time stands still, for tests that must not depend on how fast they are.
    stands_at: Option<i64>,
}

impl Clock {
    /// A clock that keeps its offset in `file`, going on from what is already there.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        let kept = file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let offset = kept.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let shared = Shared {
            file,
            writing: Mutex::new(()),
            offset_millis: watch::Sender::new(offset),
            stands_at: None,
        };
        Self { shared: Arc::new(shared) }
    }

    /// A clock that goes on only when it is moved.
    #[must_use]
    pub fn still() -> Self {
        let shared = Shared {
            file: None,
            writing: Mutex::new(()),
            offset_millis: watch::Sender::new(0),
            stands_at: Some(real_millis()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The stack's present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(
            self.shared.stands_at.unwrap_or_else(real_millis) + *self.shared.offset_millis.borrow(),
        )
    }

    /// How far ahead of real time the stack is.
    #[must_use]
    pub fn offset(&self) -> Duration {
        Duration::from_millis(u64::try_from(*self.shared.offset_millis.borrow()).unwrap_or(0))
    }

    /// Moves the clock forward.
    ///
    /// # Errors
    /// When the offset cannot be written to the clock's file.
    pub fn advance(&self, span: Duration) -> std::io::Result<()> {
        let _writing = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let offset = self.shared.offset_millis.borrow().saturating_add(span);
        if let Some(file) = &self.shared.file {
            // A function may read at any moment: it must find the old offset or the new one, never half of it.
            let fresh = file.with_extension("new");
            std::fs::write(&fresh, offset.to_string())?;
            std::fs::rename(&fresh, file)?;
        }
        self.shared.offset_millis.send_replace(offset);
        Ok(())
    }

    /// Moves the clock forward to `moment`; does nothing if that is past.
    ///
    /// # Errors
    /// As [`Clock::advance`].
    pub fn advance_to(&self, moment: Timestamp) -> std::io::Result<()> {
        let span = moment.since(self.now());
        if span.is_zero() { Ok(()) } else { self.advance(span) }
    }

    /// Waits until somebody moves the clock after this call.
    pub async fn changed(&self) {
        // The sender lives as long as the clock, so waiting cannot fail.
        let _ = self.watch().changed().await;
    }

    /// Sees every move of the clock from now on; for a loop that must not miss one between two waits.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.shared.offset_millis.subscribe()
    }

    /// Waits until the stack's time reaches `moment`, be it by real time passing or by the clock being moved.
    pub async fn reach(&self, moment: Timestamp) {
        let mut moves = self.watch();
        loop {
            let left = moment.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = moves.changed() => {}
            }
        }
    }
}

/// Real time in milliseconds since 1970, which is what Lambda deadlines are told in.
#[allow(clippy::disallowed_methods, reason = "the one place of the local stack that reads real time")]
pub(crate) fn real_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Measures how long something takes by real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place of the local stack that reads real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_offset_outlives_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        Clock::new(Some(file.clone())).advance(Duration::from_secs(60)).unwrap();
        assert_eq!(Clock::new(Some(file)).offset(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_move_wakes_who_waits_for_a_moment() {
        let clock = Clock::new(None);
        let waiting = clock.clone();
        let moment = clock.now() + Duration::from_secs(3_600);
        let waiter = tokio::spawn(async move { waiting.reach(moment).await });
        clock.advance(Duration::from_secs(3_601)).unwrap();
        waiter.await.unwrap();
    }
}
