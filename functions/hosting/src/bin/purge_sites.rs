//! Schedule `rate(1 day)`: delete what was kept of sites whose thirty days are over, and take down those that nobody has paid
//! for in thirty days.

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
        let site = stored.value.clone();
        let (counted, wish) = match (site.clone().purge(request), site.abandon(request)) {
            (Some((site, begun)), _) => ("SitesPurged", (site, Some(begun))),
            (None, Some(wish)) => ("SitesAbandoned", wish),
            (None, None) => continue,
        };
        match hosting.wish(&stored, &wish, tick.origin()).await {
            Ok(()) => app.count(counted, 1),
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
