//! Schedule `rate(5 minutes)`: close hours of metered use whose time is over, so that they are sent; and send again what got no answer.

use billing::BillingOfAll;
use billing::send_usage;
use billing::store::keys::SHARDS;
use platform::schedule::{self, Tick};
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(seal_usage)
}

async fn seal_usage(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let mut failed = None;
    for shard in 0..SHARDS {
        for due in all.due_rollups(shard, tick.now).await? {
            // One customer's trouble must not stop the others.
            match send_usage::seal(&all.one(due.org), &due, tick.origin()).await {
                Ok(sealed) => app.count("UsageSealed", u64::from(sealed)),
                Err(error) => {
                    app.report(tick.origin(), &error);
                    failed = Some(error);
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
