//! What each function asked of AWS: every call of late, and the totals since the start.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use domain::Timestamp;
use serde::Serialize;

/// Calls that are kept one by one; older ones remain only in the totals.
const KEPT: usize = 20_000;

/// One call as the endpoint saw it.
#[derive(Debug, Clone, Serialize)]
pub struct Called {
    /// When, by the stack's clock.
    pub at: Timestamp,
    /// The function's name, or `root` for a key that belongs to no function.
    pub function: String,
    /// The access key it called with.
    pub access_key: String,
    /// The service, as in policies.
    pub service: &'static str,
    /// The operation.
    pub operation: String,
    /// The ARN of what it called upon; `*` where AWS has none.
    pub resource: String,
    /// The beginning of the request's body, if it is text.
    pub request: String,
    /// The status that was answered; 0 if the caller was killed before an answer.
    pub status: u16,
    /// DynamoDB read units consumed.
    pub read_units: f64,
    /// DynamoDB write units consumed.
    pub write_units: f64,
}

/// Sums over all calls of one function to one operation.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Total {
    /// Number of calls.
    pub calls: u64,
    /// Those that were refused or failed.
    pub refused: u64,
    /// DynamoDB read units.
    pub read_units: f64,
    /// DynamoDB write units.
    pub write_units: f64,
}

/// The record of calls.
#[derive(Default)]
pub struct Ledger {
    inner: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    recent: VecDeque<Called>,
    totals: BTreeMap<(String, String), Total>,
}

impl Ledger {
    /// Enters a call.
    pub(crate) fn enter(&self, called: Called) {
        let mut entries = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = format!("{}:{}", called.service, called.operation);
        let total = entries.totals.entry((called.function.clone(), operation)).or_default();
        total.calls += 1;
        total.refused += u64::from(!(200..400).contains(&called.status));
        total.read_units += called.read_units;
        total.write_units += called.write_units;
        if entries.recent.len() == KEPT {
            entries.recent.pop_front();
        }
        entries.recent.push_back(called);
    }

    /// The latest calls of one function, oldest first.
    #[must_use]
    pub fn of(&self, function: &str) -> Vec<Called> {
        let entries = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        entries.recent.iter().filter(|called| called.function == function).cloned().collect()
    }

    /// The latest calls of everyone, oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Called> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).recent.iter().cloned().collect()
    }

    /// Totals by function and `service:Operation`.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<(String, String), Total> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).totals.clone()
    }

    /// Starts anew, for measuring one thing.
    pub fn clear(&self) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Entries::default();
    }
}
