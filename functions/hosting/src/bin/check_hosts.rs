//! Schedule `rate(1 minute)`: tell once of each host that missed its beats or never came up, and have the pools looked at.

use hosting::capacity;
use platform::schedule::{self, Tick};
use platform::{App, Exit, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    aws_region: String,
}

fn main() -> Exit {
    schedule::serve(check_hosts)
}

async fn check_hosts(app: App, tick: Tick) -> Result<()> {
    let settings: Settings = app.config()?;
    for pool in capacity::pools(&settings.aws_region) {
        capacity::check(&app, &pool, tick.origin()).await?;
    }
    Ok(())
}
