//! What a state machine answers.

use super::BillingEvent;

/// The next state, and the event that its write carries: an item carries one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition<S> {
    /// The state to write.
    pub next: S,
    /// What the write tells.
    pub event: Option<BillingEvent>,
}

impl<S> Transition<S> {
    /// A step that is told.
    #[must_use]
    pub fn told(next: S, event: impl Into<BillingEvent>) -> Self {
        Self { next, event: Some(event.into()) }
    }

    /// A step that nobody need hear of.
    #[must_use]
    pub fn quiet(next: S) -> Self {
        Self { next, event: None }
    }
}

impl<S: PartialEq> Transition<S> {
    /// Whether there is anything to write.
    #[must_use]
    pub fn changes(&self, before: &S) -> bool {
        self.event.is_some() || self.next != *before
    }
}
