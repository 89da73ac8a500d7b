//! Schedule `rate(15 minutes)`: read the list of Stripe's events since the last time, and take in those that never came.

use std::time::Duration;

use billing::{BillingOfAll, inbox};
use platform::schedule::{self, Tick};
use platform::stripe::event::{Event, EventFilter};
use platform::stripe::{Created, Stripe};
use platform::{App, Exit, Result};

/// Stripe lists an event some time after its moment.
const OVERLAP: Duration = Duration::from_secs(30 * 60);
/// Stripe lists no events that are older.
const LISTED: Duration = Duration::from_secs(29 * 24 * 3_600);
/// How much is read at once, as a list comes newest first: what was read before this ends early is not read again.
const SLICE: Duration = Duration::from_secs(12 * 3_600);
/// A time of more events than this is read in smaller slices.
const MANY: usize = 500;
/// Slices are made no smaller.
const SMALLEST: Duration = Duration::from_secs(60);
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
    let mut slice = SLICE;
    while from < tick.now && app.time_left() > ENOUGH {
        let to = (from + slice).min(tick.now);
        // What was made in the second of the end is in the next slice.
        let lt = (to < tick.now).then_some(to);
        let created = Created { gte: Some(from), lt, ..Created::default() };
        let most = if slice > SMALLEST { MANY } else { usize::MAX };
        let Some(events) = listed(&stripe, created, most).await? else {
            slice /= 2;
            continue;
        };
        let mut missed = 0;
        for event in events {
            missed += u64::from(inbox::take_in(&app, &all, &event, stripe.livemode(), tick.origin()).await?);
        }
        app.count("StripeEventsMissed", missed);
        // A small slice may end within what was read before.
        all.read_until(to.max(read_until)).await?;
        from = to;
        slice = (slice * 2).min(SLICE);
    }
    Ok(())
}

/// The events of a time; `None` if there are more than that.
async fn listed(stripe: &Stripe, created: Created, most: usize) -> Result<Option<Vec<Event>>> {
    let filter = EventFilter { created: Some(created), ..EventFilter::default() };
    let (mut pages, mut events) = (stripe.events().pages(&filter), Vec::new());
    while let Some(page) = pages.next().await? {
        events.extend(page);
        if events.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(events))
}
