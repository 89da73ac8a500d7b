//! Who may work on a thing now, and how late work by the one before is told apart.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How long a worker owns what it took. Longer than any worker's timeout, so that its owner is dead when it ends.
pub const LEASE: Duration = Duration::from_secs(90);

/// Exclusive work on one item for a while.
///
/// The fence grows each time the lease is taken. A message names the fence that it was sent at, so a duplicate or late
/// message finds another fence and is dropped; a write by a worker that lost the lease is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// How often the lease was taken.
    pub fence: u64,
    /// Until when it is held; absent when nobody holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The request id of the worker that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Why a lease cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// Another worker holds it.
    Held,
    /// The message is older than the last turn.
    Stale,
}

impl Lease {
    /// Takes the lease, for a message sent at `fence`; `None` stands for a message that does not know.
    ///
    /// # Errors
    /// When another worker holds it, or the message is a duplicate of one whose turn was taken.
    pub fn take(&self, fence: Option<u64>, owner: &str, now: Timestamp) -> Result<Self, NotTaken> {
        if fence.is_some_and(|fence| fence != self.fence) {
            return Err(NotTaken::Stale);
        }
        if self.until.is_some_and(|until| until > now) {
            return Err(NotTaken::Held);
        }
        Ok(Self { fence: self.fence + 1, until: Some(now + LEASE), owner: Some(owner.to_owned()) })
    }

    /// The lease given back; the fence stays.
    #[must_use]
    pub fn released(&self) -> Self {
        Self { fence: self.fence, until: None, owner: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_turn_belongs_to_one_message() {
        let now = Timestamp::from_secs(1_000);
        let free = Lease::default();
        let taken = free.take(Some(0), "a", now).expect("it is free");
        assert_eq!(taken.take(Some(0), "b", now), Err(NotTaken::Stale), "the duplicate of the first message");
        assert_eq!(taken.take(Some(1), "b", now), Err(NotTaken::Held));
        assert_eq!(taken.take(None, "b", now), Err(NotTaken::Held));
        let late = taken.take(Some(1), "b", now + LEASE).expect("its owner is dead");
        assert_eq!(late.fence, 2);
        assert_eq!(late.released().take(Some(1), "a", now + LEASE), Err(NotTaken::Stale));
        assert!(late.released().take(Some(2), "c", now + LEASE).is_ok());
    }
}
