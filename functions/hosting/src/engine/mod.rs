//! The workflow engine: one step of one operation per message.
//!
//! 1. Take the operation's lease, unless the message is a duplicate.
//! 2. Store what the step has to choose (names, numbers) before its first outside call.
//! 3. Do or poll the step's outside effect ([`crate::steps`]).
//! 4. In one transaction: the step's result, the operation's cursor, the site, the log, the event, the lease given back.
//! 5. Send the message for the next turn; if that is lost, the sweep sends it.
//!
//! A crash anywhere repeats a turn whose effect is found to be there already.

mod run;
mod settle;

use domain::EventId;
use platform::{App, Origin, Result};

pub use run::{Outcome, Run, Settings};

use crate::HostingOfAll;
use crate::due::{LEASE, OperationDue, fence_of};

/// Takes the next turn of an operation.
///
/// # Errors
/// `not_found` for an operation that does not exist; what the table or the queue fail with.
pub async fn advance(app: &App, due: &OperationDue, origin: &Origin) -> Result<()> {
    let store = HostingOfAll::of(app);
    let seen = store.operation(due.operation).await?;
    let is_late = due.fence.is_some_and(|fence| fence != fence_of(&seen));
    if is_late || seen.due_at().is_none() {
        return Ok(());
    }
    let owner = origin.id::<EventId>().to_string();
    let Some((operation, lease)) = store.take_operation(due.operation, &owner, origin.now, LEASE).await?
    else {
        return Ok(());
    };
    if operation.due_at().is_none() {
        return Ok(());
    }
    let mut run = Run::open(app, store, operation, lease, origin).await?;
    let outcome = run.turn().await;
    run.settle(outcome).await
}
