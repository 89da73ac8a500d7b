//! Schedule `rate(1 hour)`: measure how much each site stores.

use domain::hosting::measure::Measure;
use hosting::HostingOfAll;
use hosting::bucket_access::{self, MANY_PAGES};
use platform::schedule::{self, Tick};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    schedule::serve(measure_sites)
}

async fn measure_sites(app: App, tick: Tick) -> Result<()> {
    let hosting = HostingOfAll::of(&app);
    for site in hosting.standing_sites().await? {
        let Some(bucket) = &site.bucket else { continue };
        let stored_bytes = match bucket_access::stored_bytes(&app, bucket, u64::MAX, MANY_PAGES).await {
            Ok((bytes, _)) => bytes,
            // One bucket that does not answer leaves the others' measures alone.
            Err(error @ Error::Partner { .. }) => {
                app.report(tick.origin(), &error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let measure = Measure { site: site.id, stored_bytes, measured_at: tick.now };
        hosting.measured(&site, &measure, tick.origin()).await?;
    }
    Ok(())
}
