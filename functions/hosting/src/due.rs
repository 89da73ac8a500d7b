//! Messages that ask for the next turn of something that one worker at a time works on.
//!
//! A message names the fence it was sent at: how often the lease had been taken. A duplicate, or a message that the sweep
//! has replaced, finds another fence and is dropped, so each operation, zone and pool has one line of messages.

use std::time::Duration;

use domain::hosting::{CapacityWanted, DnsChangesQueued, OperationQueued};
use domain::{Event, OperationId};
use platform::Result;
use platform::queue::{Payload, parse, unknown};
use platform::store::Stored;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a worker owns what it took: longer than any worker's timeout, so that its owner is dead when it ends.
pub const LEASE: Duration = Duration::from_secs(90);

/// `hosting.operation_due`: an operation's next step may be taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OperationDue {
    /// Which.
    pub operation: OperationId,
    /// Sent after so many turns; absent in a wake-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

/// `hosting.zone_due`: a zone's queue is to be looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ZoneDue {
    /// Which.
    pub zone: String,
    /// Sent after so many turns; absent in a wake-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

/// `hosting.pool_due`: a pool is to be looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PoolDue {
    /// Which.
    pub pool: String,
    /// Sent after so many turns; absent in a wake-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

impl Event for OperationDue {
    const TYPE: &'static str = "hosting.operation_due";
}

impl Event for ZoneDue {
    const TYPE: &'static str = "hosting.zone_due";
}

impl Event for PoolDue {
    const TYPE: &'static str = "hosting.pool_due";
}

/// What asks for a turn: our own message, or the event that wakes the worker.
pub trait Due: Event + DeserializeOwned {
    /// The event's type.
    const WAKE: &'static str;
}

impl Due for OperationDue {
    const WAKE: &'static str = OperationQueued::TYPE;
}

impl Due for ZoneDue {
    const WAKE: &'static str = DnsChangesQueued::TYPE;
}

impl Due for PoolDue {
    const WAKE: &'static str = CapacityWanted::TYPE;
}

/// A message that asks for a turn, in either form.
#[derive(Debug, Clone)]
pub struct Turn<D>(pub D);

impl<D: Due> Payload for Turn<D> {
    fn accept(kind: &str, version: u32, data: Value) -> Result<Self> {
        if version != 1 || (kind != D::TYPE && kind != D::WAKE) {
            return Err(unknown(kind, version));
        }
        parse(data).map(Self)
    }
}

/// How often the lease of an item was taken.
#[must_use]
pub fn fence_of<T>(stored: &Stored<T>) -> u64 {
    stored.lease.as_ref().map_or(0, |lease| lease.fence)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_ask_for_a_turn_and_nothing_else_does() {
        let accept = |kind: &str, version| {
            let data = json!({"zone": "sites.example", "fence": 3, "new_field": true});
            Turn::<ZoneDue>::accept(kind, version, data)
        };
        assert_eq!(accept("hosting.zone_due", 1).unwrap().0.fence, Some(3));
        assert_eq!(accept("hosting.dns_changes_queued", 1).unwrap().0.zone, "sites.example");
        for (kind, version) in [("hosting.zone_due", 2), ("hosting.pool_due", 1), ("", 1)] {
            assert!(!accept(kind, version).unwrap_err().is_transient(), "{kind} {version}");
        }
    }
}
