//! Schedule `rate(10 minutes)`: look at what SES says of sites' mail domains.

use hosting::mail;
use platform::schedule::{self, Tick};
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(poll_email_identities)
}

async fn poll_email_identities(app: App, tick: Tick) -> Result<()> {
    mail::look(&app, tick.origin()).await
}
