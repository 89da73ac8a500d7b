//! Queue `hosting-capacity`: launch hosts for sites that wait for room, and follow them until they are up.
//!
//! Safe to repeat: a host is stored with the token of its launch before it is launched.

use hosting::capacity;
use hosting::due::{PoolDue, Turn};
use platform::queue::{self, Message};
use platform::{App, Exit, Result};

fn main() -> Exit {
    queue::serve(scale_pool)
}

async fn scale_pool(app: App, message: Message<Turn<PoolDue>>) -> Result<()> {
    capacity::scale(&app, &message.body.0, message.origin()).await
}
