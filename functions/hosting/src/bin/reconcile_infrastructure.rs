//! Schedule `rate(1 day)`: look for machines, buckets and records without an owner, and for rooms that do not add up.
//!
//! It takes nothing away; what is found is told, and kept until it is gone.

use hosting::reconcile;
use platform::schedule::{self, Tick};
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(reconcile_infrastructure)
}

async fn reconcile_infrastructure(app: App, tick: Tick) -> Result<()> {
    reconcile::look(&app, tick.origin()).await
}
