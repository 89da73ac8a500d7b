//! Schedule `rate(1 minute)`: ask again for turns of operations, zones and pools whose message was lost.

use hosting::sweep;
use platform::schedule::{self, Tick};
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(sweep_operations)
}

async fn sweep_operations(app: App, tick: Tick) -> Result<()> {
    sweep::sweep(&app, tick.origin()).await
}
