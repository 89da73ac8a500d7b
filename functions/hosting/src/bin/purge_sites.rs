//! Schedule `rate(1 day)`: delete what was kept of sites whose thirty days are over, and take down those that nobody has paid
//! for in thirty days. Domains end likewise, and those that nobody proved in fourteen days.

use domain::hosting::Site;
use domain::hosting::operation::Request;
use hosting::{Hosting, HostingOfAll, domains};
use platform::schedule::{self, Tick};
use platform::store::Stored;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    schedule::serve(purge_sites)
}

async fn purge_sites(app: App, tick: Tick) -> Result<()> {
    for stored in HostingOfAll::of(&app).due_sites(tick.now).await? {
        match take_down(&app, &stored, &tick).await {
            Ok(Some(counted)) => app.count(counted, 1),
            Ok(None) | Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    for stored in HostingOfAll::of(&app).due_domains(tick.now).await? {
        match domains::end_if_over(&app, stored, tick.origin()).await {
            Ok(ended) => app.count("DomainsEnded", u64::from(ended)),
            // In use by a site's mail, or changed in this moment: another day.
            Err(Error::Refused { .. } | Error::Conflict) => {}
            // What one resolver or zone does not answer leaves the others alone.
            Err(error) => app.report(tick.origin(), &error),
        }
    }
    Ok(())
}

/// Answers what is counted.
async fn take_down(app: &App, stored: &Stored<Site>, tick: &Tick) -> Result<Option<&'static str>> {
    let hosting = HostingOfAll::of(app);
    let request = Request { operation: tick.origin().id(), by: None, now: tick.now };
    if let Some((site, begun)) = stored.value.clone().purge(request) {
        hosting.wish(stored, &(site, Some(begun)), tick.origin()).await?;
        return Ok(Some("SitesPurged"));
    }
    if !stored.is_abandoned(tick.now) {
        return Ok(None);
    }
    // Nothing goes for want of a payment of which the site alone has not heard.
    if let Some(heard) = hosting.heard_plan(stored.org).await?.map(|heard| heard.value)
        && let Some(site) = stored.entitled(heard.version, heard.hosting.as_ref(), tick.now)
    {
        hosting.wish(stored, &site.next_operation(request), tick.origin()).await?;
        return Ok(None);
    }
    Hosting::of(app, stored.org).delete(stored, request, tick.origin(), None).await?;
    Ok(Some("SitesAbandoned"))
}
