//! Schedule `rate(1 hour)`: back up each site whose last backup is a day old.
//!
//! A site that something is at work on is looked at again an hour later.

use domain::hosting::OperationKind;
use domain::hosting::operation::Request;
use hosting::HostingOfAll;
use platform::schedule::{self, Tick};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    schedule::serve(backup_sites)
}

async fn backup_sites(app: App, tick: Tick) -> Result<()> {
    let hosting = HostingOfAll::of(&app);
    for stored in hosting.due_sites(tick.now).await? {
        let request = Request { operation: tick.origin().id(), by: None, now: tick.now };
        let Ok((site, begun)) = stored.value.clone().work_on_files(OperationKind::BackUp, None, request)
        else {
            continue;
        };
        match hosting.wish(&stored, &(site, Some(begun)), tick.origin()).await {
            Ok(()) => app.count("BackupsBegun", 1),
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
