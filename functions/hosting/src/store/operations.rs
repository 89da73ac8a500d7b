//! Operations, their steps and their logs, as the engine reaches them.

use std::time::Duration;

use domain::OperationId;
use domain::Timestamp;
use domain::hosting::{LogId, Operation, OperationLog, OperationQueued, Step};
use platform::event::Origin;
use platform::lease::{self, Lease};
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{HostingOfAll, keys, sites};

const KIND: &str = "operation";

impl HostingOfAll {
    /// An operation on anybody's site.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn operation(&self, operation: OperationId) -> Result<Stored<Operation>> {
        self.table.get_consistent(&keys::operation(operation)).await?.ok_or(Error::NotFound)
    }

    /// Takes the next turn of an operation; `None` while another worker has it.
    pub(crate) async fn take_operation(
        &self,
        operation: OperationId,
        owner: &str,
        now: Timestamp,
        time: Duration,
    ) -> Result<Option<(Stored<Operation>, Lease)>> {
        lease::take(&self.table, keys::operation(operation), owner, now, time).await
    }

    /// The steps of an operation that have begun, in their order.
    pub(crate) async fn steps(&self, operation: OperationId) -> Result<Vec<Stored<Step>>> {
        let steps = Query::pk(keys::operation_partition(operation)).begins(keys::STEP).consistent();
        self.table.query_all(steps).await
    }

    /// Stores what was chosen for a step before its first outside call.
    ///
    /// # Errors
    /// `version_conflict` when another worker began it.
    pub(crate) async fn begin_step(&self, step: &Step) -> Result<Stored<Step>> {
        let key = keys::step(step.operation, step.number, step.name);
        self.table.write(create_step(step)).await?;
        self.table.get_consistent(&key).await?.ok_or(Error::NotFound)
    }

    /// Operations in one shard that should have had a turn by now.
    pub(crate) async fn due_operations(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<Operation>>> {
        let due = Query::pk(keys::due_operations(shard)).index(Index::Gsi2).up_to(now.to_string());
        self.table.query_all(due).await
    }
}

/// A step at the end of its first turn, or before it where something had to be chosen.
pub(crate) fn create_step(step: &Step) -> Write {
    Write::create(keys::step(step.operation, step.number, step.name), "step", step).or(Error::Conflict)
}

/// A new operation.
pub(crate) fn create(operation: &Operation, queued: &OperationQueued, origin: &Origin) -> Write {
    let key = keys::operation(operation.id);
    let write = Write::create(key, KIND, operation).event(origin.event(operation.org, queued)).index(
        Index::Gsi3,
        format!("{}{}", keys::SITE, operation.site),
        operation.id.to_string(),
    );
    when_due(write, operation)
}

/// An operation after a turn or a request.
pub(crate) fn replace(stored: &Stored<Operation>, operation: &Operation) -> Write {
    when_due(Write::replace(stored, operation), operation)
}

fn when_due(write: Write, operation: &Operation) -> Write {
    match operation.due_at() {
        Some(at) => {
            let shard = keys::due_operations(operation.id.ulid() % keys::OPERATION_SHARDS);
            write.index(Index::Gsi2, shard, format!("{at}#{}", operation.id))
        }
        None => write.unindex(Index::Gsi2),
    }
}

/// Only while the operation's lease is ours: for transactions that a step sends itself.
pub(crate) fn fenced(operation: &Operation, lease: &Lease) -> Write {
    Write::check(keys::operation(operation.id)).holding(lease)
}

/// A line for the operation's log.
pub(crate) fn log(line: &OperationLog, id: LogId) -> Write {
    Write::create(keys::log(line.operation, id), "operation_log", line).expires_at(sites::log_ends(line.at))
}
