//! Queue `billing-usage`: take in metered use that other areas tell, as `record_usage` does; none of it is lost.
//!
//! Safe to repeat: each id counts once. What comes too late, without a plan or beyond a hard cap is kept and flagged.

use billing::BillingOfAll;
use billing::store::usage::Taken;
use billing::usage::{Intake, UsageTold};
use platform::queue::{self, Message};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    queue::serve(consume_usage)
}

async fn consume_usage(app: App, message: Message<UsageTold>) -> Result<()> {
    let org = message.org.ok_or_else(|| Error::Malformed("use of no organisation".to_owned()))?;
    let mut intake = Intake::of(BillingOfAll::of(&app).one(org), message.origin()).await?;
    let UsageTold(record) = &message.body;
    let taken = intake.keep(record, &message.kind).await?;
    if let Taken::New(entry) = &taken {
        app.count("UsageTaken", 1);
        app.count("UsageFlagged", u64::from(entry.flag.is_some()));
    }
    intake.alert().await
}
