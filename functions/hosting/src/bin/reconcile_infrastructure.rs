//! Schedule `rate(1 day)`: look for what has no owner, for rooms that do not add up, and for records that somebody changed.
//!
//! It takes nothing away: what is found is told, and kept until it is gone. A record that is not as it is wanted is asked for again.

use hosting::reconcile;
use platform::schedule::{self, Tick};
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(reconcile_infrastructure)
}

async fn reconcile_infrastructure(app: App, tick: Tick) -> Result<()> {
    reconcile::look(&app, tick.origin()).await
}
