//! Counts what is going on, so that the driver knows when all is quiet without asking again and again.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::watch;

/// What is going on in the stack; clones count together.
#[derive(Clone)]
pub struct Activity {
    shared: Arc<Shared>,
}

struct Shared {
    busy: AtomicUsize,
    begun: AtomicU64,
    changes: watch::Sender<u64>,
}

/// Something going on; it ends when this is dropped.
pub struct Busy {
    activity: Activity,
}

impl Default for Activity {
    fn default() -> Self {
        let shared =
            Shared { busy: AtomicUsize::new(0), begun: AtomicU64::new(0), changes: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }
}

impl Activity {
    /// Something begins.
    #[must_use]
    pub fn begin(&self) -> Busy {
        self.shared.busy.fetch_add(1, Ordering::SeqCst);
        self.shared.begun.fetch_add(1, Ordering::SeqCst);
        Busy { activity: self.clone() }
    }

    /// Wakes who waits for quiet, to look again.
    pub fn touch(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }

    /// Waits as somebody who is busy no longer, and is again afterwards.
    pub async fn pause<T>(&self, waiting: impl Future<Output = T>) -> T {
        let pause = Pause::of(self);
        let result = waiting.await;
        drop(pause);
        result
    }

    /// Nothing is going on; the number tells whether anything has begun since.
    #[must_use]
    pub fn quiet(&self) -> Option<u64> {
        let begun = self.shared.begun.load(Ordering::SeqCst);
        (self.shared.busy.load(Ordering::SeqCst) == 0).then_some(begun)
    }

    /// Sees each end and each [`Activity::touch`].
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.shared.busy.fetch_sub(1, Ordering::SeqCst);
        self.activity.touch();
    }
}

/// Takes one from the count for as long as it lives.
struct Pause<'activity>(&'activity Activity);

impl<'activity> Pause<'activity> {
    fn of(activity: &'activity Activity) -> Self {
        activity.shared.busy.fetch_sub(1, Ordering::SeqCst);
        activity.touch();
        Self(activity)
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.shared.busy.fetch_add(1, Ordering::SeqCst);
        self.0.shared.begun.fetch_add(1, Ordering::SeqCst);
    }
}
