//! Stream `AccountsStreamArn`: puts the event that a write put on its item on the bus; likewise for every area's table.
//!
//! At least once: an event that the bus takes for a batch that fails further on is sent again with it.

use operations::relay::{Parcel, Relay};
use platform::stream::{self, Change};
use platform::{App, Exit, Result};
use serde_json::json;

fn main() -> Exit {
    stream::serve_batch(relay_events)
}

async fn relay_events(app: App, changes: Vec<Change>) -> Result<Vec<String>> {
    let dead_letters = app.queue("DEAD_LETTERS");
    let mut parcels = Vec::new();
    let mut failed = Vec::new();
    for change in &changes {
        match change.fact() {
            Ok(Some(event)) => parcels.push(Parcel::new(change.sequence.clone(), &event)?),
            Ok(None) => {}
            // It would stop the stream for ever, and every event behind it.
            Err(error) => {
                let key = change.new.as_ref().map(|item| item.key());
                let place = key.map(|key| json!({"table": change.table, "pk": key.pk, "sk": key.sk}));
                let body = place.unwrap_or_default().to_string();
                if dead_letters.bury(&body, &error.to_string()).await.is_err() {
                    failed.push(change.sequence.clone());
                }
            }
        }
    }

    let offered = parcels.len();
    let returned = Relay::of(&app)?.put(parcels).await;
    app.count("EventsRelayed", u64::try_from(offered - returned.len()).unwrap_or(0));
    for one in returned {
        let buried = one.for_good && dead_letters.bury(&one.parcel.detail, &one.reason).await.is_ok();
        if !buried {
            failed.push(one.parcel.sequence);
        }
    }
    Ok(failed)
}
