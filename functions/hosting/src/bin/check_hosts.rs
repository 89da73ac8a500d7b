//! Schedule `rate(1 minute)`: tell once of each host that missed its beats or never came up, and have the pool looked at.

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
    capacity::check(&app, &format!("{}/shared", settings.aws_region), tick.origin()).await
}
