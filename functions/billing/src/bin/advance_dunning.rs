//! Schedule `rate(1 hour)`: take invoices that stay unpaid one step down: restricted after 7 days, suspended after 14, ended after 21.

use billing::BillingOfAll;
use billing::calls::Calls;
use billing::dunning;
use billing::store::keys::SHARDS;
use platform::schedule::{self, Tick};
use platform::stripe::Stripe;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    schedule::serve(advance_dunning)
}

async fn advance_dunning(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let stripe = Stripe::of(&app).await?;
    let mut failed = None;
    for shard in 0..SHARDS {
        for ladder in all.due_dunning(shard, tick.now).await? {
            let billing = all.one(ladder.org);
            let calls = Calls { app: &app, stripe: stripe.clone(), billing, origin: tick.origin() };
            // One customer's trouble must not stop the others.
            if let Err(error) = dunning::advance(&calls, &ladder).await {
                app.report(tick.origin(), &error);
                failed = Some(error);
            }
        }
    }
    call_staff(&app, &all, &tick).await?;
    failed.map_or(Ok(()), Err)
}

/// Disputes whose evidence is due within a day call staff once, by their alarm.
async fn call_staff(app: &App, all: &BillingOfAll, tick: &Tick) -> Result<()> {
    for shard in 0..SHARDS {
        for dispute in all.due_disputes(shard, tick.now).await? {
            match all.one(dispute.org).put_dispute(&dispute, &dispute.called(), None).await {
                Ok(()) => app.count("EvidenceDue", 1),
                // Another run called, or evidence was given meanwhile.
                Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
