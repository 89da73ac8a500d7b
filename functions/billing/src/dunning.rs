//! Invoices that stay unpaid: one step down the ladder at a time, and at its foot the subscription's end.

use domain::billing::{Dunning, DunningState, DunningTrigger};
use platform::store::{Stored, again};
use platform::{Error, Result};

use crate::calls::Calls;
use crate::{commands, project, send_usage};

/// Takes a ladder that is due one step down.
///
/// # Errors
/// What Stripe refuses.
pub async fn advance(calls: &Calls<'_>, due: &Stored<Dunning>) -> Result<()> {
    let at_foot = due.state == DunningState::Suspended;
    if at_foot {
        // What takes long comes before the look: nobody is to pay between that and the end.
        send_usage::settle(calls, due.product).await?;
    }
    // It may have been paid with no word of it: whoever has paid is not shut out.
    project::invoice::look(calls, &due.invoice).await?;
    let is_due = |ladder: &Dunning| ladder.next_at.is_some_and(|next_at| next_at <= calls.origin.now);
    let ladder = calls.billing.ladder(&due.invoice).await?.ok_or(Error::NotFound)?;
    if at_foot && ladder.state == DunningState::Suspended && is_due(&ladder) {
        // Stripe first: a ladder at its foot is not looked at again.
        commands::cancel_now(calls, &ladder.subscription, true).await?;
        project::subscription::look(calls, ladder.product, &ladder.subscription).await?;
    }
    again(async || step(calls, &ladder).await).await
}

async fn step(calls: &Calls<'_>, due: &Dunning) -> Result<()> {
    let standings = calls.billing.standings(due.product).await?;
    let mut values = standings.values();
    let Some(at) = standings.dunning.iter().position(|stored| stored.invoice == due.invoice) else {
        return Ok(());
    };
    let stored = &standings.dunning[at];
    let transition = stored.step(&DunningTrigger::Due, calls.origin.now);
    if !transition.changes(&stored.value) {
        return Ok(());
    }
    let writes = vec![calls.billing.dunned(Some(stored), &transition, calls.origin)];
    values.dunning[at] = transition.next.clone();
    let writes = calls.billing.entitled(writes, &standings, due.product, &values, calls.origin);
    calls.billing.write(writes).await
}
