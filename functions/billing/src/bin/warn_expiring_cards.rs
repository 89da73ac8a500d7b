//! Schedule `cron(0 8 * * ? *)`: tell of cards that end within 30 days, and again within 7.
//!
//! Safe to repeat: each warning is written on the card that it is about.

use billing::BillingOfAll;
use billing::again::again;
use billing::store::keys::SHARDS;
use platform::schedule::{self, Tick};
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(warn_expiring_cards)
}

async fn warn_expiring_cards(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    for shard in 0..SHARDS {
        for due in all.due_cards(shard, tick.now).await? {
            let billing = all.one(due.org);
            let warned = again(async || billing.warn(&due.id, tick.origin()).await).await?;
            app.count("CardsExpiring", u64::from(warned));
        }
    }
    Ok(())
}
