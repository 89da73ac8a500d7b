//! Schedule `cron(0 8 * * ? *)`: tell of cards that end within 30 days, and again within 7.
//!
//! Safe to repeat: each warning is written on the card that it is about.

use billing::BillingOfAll;
use billing::store::keys::SHARDS;
use platform::schedule::{self, Tick};
use platform::store::again;
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(warn_expiring_cards)
}

async fn warn_expiring_cards(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let mut failed = None;
    for shard in 0..SHARDS {
        for due in all.due_cards(shard, tick.now).await? {
            let billing = all.one(due.org);
            // One customer's trouble must not stop the others.
            match again(async || billing.warn(&due.id, tick.origin()).await).await {
                Ok(warned) => app.count("CardsExpiring", u64::from(warned)),
                Err(error) => {
                    app.report(tick.origin(), &error);
                    failed = Some(error);
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
