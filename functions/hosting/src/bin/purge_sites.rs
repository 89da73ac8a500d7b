//! Schedule `rate(1 day)`: delete what was kept of sites whose thirty days are over.

use domain::hosting::operation::Request;
use hosting::HostingOfAll;
use platform::schedule::{self, Tick};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    schedule::serve(purge_sites)
}

async fn purge_sites(app: App, tick: Tick) -> Result<()> {
    let hosting = HostingOfAll::of(&app);
    for stored in hosting.due_sites(tick.now).await? {
        let request = Request { operation: tick.origin().id(), by: None, now: tick.now };
        let Some((site, begun)) = stored.value.clone().purge(request) else { continue };
        match hosting.wish(&stored, &(site, Some(begun)), tick.origin()).await {
            Ok(()) => app.count("SitesPurged", 1),
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
