//! Schedule `rate(1 minute)`: make calls of Stripe again whose maker died or got no answer, with the same key.

use billing::BillingOfAll;
use billing::calls::Calls;
use billing::store::keys::SHARDS;
use platform::schedule::{self, Tick};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(finish_stripe_ops)
}

async fn finish_stripe_ops(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let stripe = Stripe::of(&app).await?;
    for shard in 0..SHARDS {
        for op in all.due_ops(shard, tick.now).await? {
            let billing = all.one(op.org);
            let calls = Calls { app: &app, stripe: stripe.clone(), billing, origin: tick.origin() };
            // What failed is stored with the call, which is due again or is counted as failed.
            if let Err(error) = calls.go_on(&op).await {
                app.report(tick.origin(), &error);
            }
        }
    }
    Ok(())
}
