//! Replaces messages that were lost: whoever was killed between storing and sending is gone on for here.

use platform::{App, Origin, Result};

use crate::HostingOfAll;
use crate::due::{OperationDue, PoolDue, ZoneDue, fence_of};
use crate::store::keys::OPERATION_SHARDS;

/// Asks for the next turn of everything whose turn is overdue. A turn that is merely late finds the fence of the message that
/// it was replaced by, and one of the two is dropped.
///
/// # Errors
/// What the table or the queues fail with.
pub async fn sweep(app: &App, origin: &Origin) -> Result<()> {
    let store = HostingOfAll::of(app);
    for shard in 0..OPERATION_SHARDS {
        let due = store.due_operations(shard, origin.now).await?;
        app.count("OperationsSwept", due.len() as u64);
        let messages = due.iter().map(|stored| {
            let due = OperationDue { operation: stored.id, fence: Some(fence_of(stored)) };
            (Some(stored.org), due)
        });
        app.queue("OPERATIONS_QUEUE").send_batch(origin, messages, std::time::Duration::ZERO).await?;
    }
    let zones = store.due_zones(origin.now).await?;
    let zones = zones.iter().map(|stored| {
        let due = ZoneDue { zone: stored.name.clone(), fence: Some(fence_of(stored)) };
        (None, due)
    });
    app.queue("DNS_QUEUE").send_batch(origin, zones, std::time::Duration::ZERO).await?;
    let pools = store.due_pools(origin.now).await?;
    let pools = pools.iter().map(|stored| {
        let due = PoolDue { pool: stored.name.clone(), fence: Some(fence_of(stored)) };
        (None, due)
    });
    app.queue("CAPACITY_QUEUE").send_batch(origin, pools, std::time::Duration::ZERO).await
}
