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

fn main() -> Exit {
    schedule::serve(catch_up_events)
}

async fn catch_up_events(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let stripe = Stripe::of(&app).await?;
    let read_until = all.cursor().await?.map_or(tick.now - LISTED, |cursor| cursor.read_until);
    let since = (read_until - OVERLAP).max(tick.now - LISTED);
    let created = Created { gte: Some(since), ..Created::default() };
    let mut events =
        stripe.events().all(&EventFilter { created: Some(created), ..EventFilter::default() }).await?;
    // Oldest first, so that what was taken in before this ends early is what the cursor says.
    events.reverse();
    let mut missed = 0;
    for event in &events {
        missed += u64::from(inbox::take_in(&app, &all, event, stripe.livemode(), tick.origin()).await?);
    }
    app.count("StripeEventsMissed", missed);
    all.read_until(tick.now).await
}
