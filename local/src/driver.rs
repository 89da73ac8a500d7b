//! Time and quiet: waits until nothing is going on, moves the clock, and starts what falls due.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;

use crate::sources::stream::reader;
use crate::stack::Core;
use crate::template::model::Trigger;
use crate::{Context, Error, Result};

/// By real time: work that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// In real time, machines come up and go down without telling the clock when.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often old stream records are dropped.
const CLEANING: Duration = Duration::from_secs(600);

impl Core {
    /// Waits until no invocation runs, no message waits for a function and no change of a table is unread.
    ///
    /// # Errors
    /// When that takes so long that something must hang, saying what.
    pub async fn settle(&self) -> Result<()> {
        let waiting = async {
            let mut changes = self.activity.watch();
            loop {
                changes.borrow_and_update();
                if self.unrest().is_none() {
                    return;
                }
                // The sender lives in `self`.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.map_err(|_| {
            let what = self.unrest().unwrap_or_else(|| "something".to_owned());
            Error::new(format!("the stack is not quiet after {} s: {what}", PATIENCE.as_secs()))
        })
    }

    /// What is going on, if anything is.
    fn unrest(&self) -> Option<String> {
        let Some(begun) = self.activity.quiet() else {
            return Some("something is running".to_owned());
        };
        for function in &self.model.functions {
            for trigger in &function.triggers {
                match trigger {
                    Trigger::Queue(source) => {
                        let visible =
                            self.cloud.sqs().counts(&source.queue).map_or(0, |counts| counts.visible);
                        if visible > 0 {
                            return Some(format!("{visible} messages wait in {}", source.queue));
                        }
                    }
                    Trigger::Stream(source) => {
                        let reader = reader(function, source);
                        if self.pauses.is_waiting(&reader, self.clock.now()) {
                            continue;
                        }
                        let after = self.cloud.dynamodb().position(&reader, &source.table);
                        let unread = self.cloud.dynamodb().is_unread(&source.table, after.as_deref());
                        if unread.unwrap_or(false) {
                            return Some(format!(
                                "{} has not read all changes of {}",
                                function.verb, source.table
                            ));
                        }
                    }
                    Trigger::Http(_) | Trigger::Schedule(_) => {}
                }
            }
        }
        // What began while we looked may have moved work to where we had looked already.
        (self.activity.quiet() != Some(begun)).then(|| "something is running".to_owned())
    }

    /// Moves the clock, starts what fell due (each schedule once) and waits for quiet.
    ///
    /// # Errors
    /// As [`Core::settle`].
    pub async fn advance(self: &Arc<Self>, span: Duration) -> Result<()> {
        self.settle().await?;
        self.clock.advance(span).context("moving the clock")?;
        self.start_due().await?;
        self.settle().await
    }

    /// Lives through so many days, one after the other.
    ///
    /// # Errors
    /// As [`Core::settle`].
    pub async fn travel(self: &Arc<Self>, days: u64) -> Result<()> {
        for _ in 0..days {
            self.advance(Duration::from_secs(86_400)).await?;
        }
        Ok(())
    }

    /// Goes from one due moment to the next until the condition holds.
    ///
    /// # Errors
    /// When it does not hold within `limit` of the stack's time, or nothing more will happen.
    pub async fn run_until(
        self: &Arc<Self>,
        what: &str,
        limit: Duration,
        condition: impl AsyncFn() -> bool,
    ) -> Result<()> {
        let deadline = self.clock.now() + limit;
        loop {
            self.settle().await?;
            if condition().await {
                return Ok(());
            }
            let now = self.clock.now();
            match self.next_due() {
                // Something that is due and that nobody takes must not stop the clock.
                Some(due) if due <= now => {
                    self.clock.advance(Duration::from_secs(1)).context("moving the clock")?
                }
                Some(due) if due <= deadline => self.clock.advance_to(due).context("moving the clock")?,
                Some(due) => {
                    return Err(Error::new(format!(
                        "not within {} s: {what} (next: {due})",
                        limit.as_secs()
                    )));
                }
                None => return Err(Error::new(format!("nothing more happens, and not yet: {what}"))),
            }
            if self.clock.now() > deadline {
                return Err(Error::new(format!("not within {} s: {what}", limit.as_secs())));
            }
            self.start_due().await?;
        }
    }

    /// The earliest moment at which something happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        [
            self.schedules.next_due(),
            self.instances.next_due(),
            self.cloud.next_due(),
            self.pauses.next_due(),
            self.stripe.next_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets machines live, items expire and schedules fire, up to now.
    async fn start_due(self: &Arc<Self>) -> Result<()> {
        let _busy = self.activity.begin();
        // Machines first: a schedule that looks for silent ones must not find those that had no chance to speak.
        self.instances.tick().await?;
        self.stripe.tick()?;
        self.cloud.dynamodb().sweep_when_due(self.clock.now()).context("expiring items")?;
        for fired in self.schedules.take_due(self.clock.now()) {
            let core = Arc::clone(self);
            let busy = self.activity.begin();
            tokio::spawn(async move {
                // Its failure is in the function's record, and its next time comes.
                let _ = core.lambda.invoke_when_free(&fired.function, Bytes::from(fired.event)).await;
                drop(busy);
            });
        }
        Ok(())
    }
}

/// Starts what falls due as real time passes.
pub(crate) async fn keep_time(core: Arc<Core>) {
    let mut moves = core.clock.watch();
    let mut cleaned = core.clock.now();
    loop {
        if core.clock.now().since(cleaned) > CLEANING {
            cleaned = core.clock.now();
            // What is not cleaned now is cleaned next time.
            let _ = core.cloud.dynamodb().trim_streams();
        }
        moves.borrow_and_update();
        // A failure here is a full disk or the like, which every other part tells of as well.
        let _ = core.start_due().await;
        core.lambda.reap();
        let next = [core.schedules.next_due(), core.instances.next_due(), core.stripe.next_due()];
        let next = next.into_iter().flatten().min();
        let left = next.map_or(LOOK_AGAIN, |due| due.since(core.clock.now()).min(LOOK_AGAIN));
        tokio::select! {
            _ = moves.changed() => {}
            () = tokio::time::sleep(left.max(Duration::from_millis(20))) => {}
        }
    }
}
