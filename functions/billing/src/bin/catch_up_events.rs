//! Schedule `rate(15 minutes)`: read the list of Stripe's events since the last time, and take in those that never came.

use std::time::Duration;

use billing::{BillingOfAll, inbox};
use platform::schedule::{self, Tick};
use platform::stripe::event::EventFilter;
use platform::stripe::{Created, Stripe};
use platform::{App, Exit, Result};

/// Stripe lists an event some time after its moment.
const OVERLAP: Duration = Duration::from_secs(30 * 60);
/// Stripe lists no events that are older.
const LISTED: Duration = Duration::from_secs(29 * 24 * 3_600);
/// How much is read at once, as a list comes newest first: what was read before this ends early is not read again.
const SLICE: Duration = Duration::from_secs(3_600);
/// What a slice may take. What is left is read by the next run.
const ENOUGH: Duration = Duration::from_secs(30);

fn main() -> Exit {
    schedule::serve(catch_up_events)
}

async fn catch_up_events(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let stripe = Stripe::of(&app).await?;
    let read_until = all.cursor().await?.map_or(tick.now - LISTED, |cursor| cursor.read_until);
    let mut from = (read_until - OVERLAP).max(tick.now - LISTED);
    while from < tick.now && app.time_left() > ENOUGH {
        let to = (from + SLICE).min(tick.now);
        // What was made in the second of the end is in the next slice.
        let lt = (to < tick.now).then_some(to);
        let filter = EventFilter {
            created: Some(Created { gte: Some(from), lt, ..Created::default() }),
            ..EventFilter::default()
        };
        let mut missed = 0;
        for event in stripe.events().all(&filter).await? {
            missed += u64::from(inbox::take_in(&app, &all, &event, stripe.livemode(), tick.origin()).await?);
        }
        app.count("StripeEventsMissed", missed);
        all.read_until(to).await?;
        from = to;
    }
    Ok(())
}
