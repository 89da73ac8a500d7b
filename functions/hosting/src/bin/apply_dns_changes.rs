//! Queue `hosting-dns`: carry a zone's queued changes to Route 53, and see when every name server has them.
//!
//! Safe to repeat: a record set is put whole, and a deletion that finds nothing is done.

use hosting::dns;
use hosting::due::{Turn, ZoneDue};
use platform::queue::{self, Message};
use platform::{App, Exit, Result};

fn main() -> Exit {
    queue::serve(apply_dns_changes)
}

async fn apply_dns_changes(app: App, message: Message<Turn<ZoneDue>>) -> Result<()> {
    dns::work(&app, &message.body.0, message.origin()).await
}
