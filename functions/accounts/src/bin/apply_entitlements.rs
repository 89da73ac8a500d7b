//! Queue `accounts-entitlements`: stores with an organisation what it may use, as billing tells it.
//!
//! Safe to repeat and to reorder: an older version never takes the place of a newer one.

use accounts::Accounts;
use domain::accounts::Entitlements;
use domain::billing::EntitlementsChanged;
use platform::queue::{self, Message};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    queue::serve(apply_entitlements)
}

async fn apply_entitlements(app: App, message: Message<EntitlementsChanged>) -> Result<()> {
    let org = message.org.ok_or_else(|| Error::Malformed("entitlements of no organisation".to_owned()))?;
    let EntitlementsChanged { version, products } = message.body;
    Accounts::of(&app).entitle(org, &Entitlements { version, products }).await
}
