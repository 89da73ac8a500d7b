//! Queue `hosting-operations`: take the next step of one operation on a site.
//!
//! Safe to repeat: what a step chooses is stored before its call, and its result under the operation's lease.

use hosting::due::{OperationDue, Turn};
use hosting::engine;
use platform::queue::{self, Message};
use platform::{App, Exit, Result};

fn main() -> Exit {
    queue::serve(run_operation)
}

async fn run_operation(app: App, message: Message<Turn<OperationDue>>) -> Result<()> {
    engine::advance(&app, &message.body.0, message.origin()).await
}
