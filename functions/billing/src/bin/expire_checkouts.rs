//! Schedule `rate(15 minutes)`: ask Stripe about checkouts whose time is over, or that were paid without any word of it.

use billing::BillingOfAll;
use billing::calls::Calls;
use billing::project;
use billing::store::keys::SHARDS;
use platform::schedule::{self, Tick};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(expire_checkouts)
}

async fn expire_checkouts(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let stripe = Stripe::of(&app).await?;
    let mut failed = None;
    for shard in 0..SHARDS {
        for slot in all.due_slots(shard, tick.now).await? {
            let billing = all.one(slot.org);
            let calls = Calls { app: &app, stripe: stripe.clone(), billing, origin: tick.origin() };
            // One customer's trouble must not stop the others.
            if let Err(error) = project::checkout::look(&calls, slot.product).await {
                app.report(tick.origin(), &error);
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
