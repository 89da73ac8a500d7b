//! The area's table: its keys, and every call of DynamoDB that the area makes.
//!
//! | pk | sk | holds |
//! |---|---|---|
//! | `EMAIL#<sha-256 of the address>` | `ADDRESS` | whose address it is: makes it unique |
//! | | `ATTEMPTS#<device>`, `ATTEMPTS#strangers` | wrong passwords of a pool of devices |
//! | `USER#<user>` | `META` | the person |
//! | | `PASSWORD` | the password's hash |
//! | | `VERIFICATION` | the verification link that was sent last |
//! | | `SESSION#<session>` | a session |
//! | `ORG#<org>` | `META` | the organisation |
//! | | `MEMBER#<user>` | a person's place in it |
//!
//! Sessions, places and organisations are read by `platform::auth` too, which therefore has their keys.

mod attempts;
mod people;
mod sessions;
mod verifications;

use domain::{Email, UserId};
use platform::store::{Key, Table};
use platform::{App, hash};
use serde::{Deserialize, Serialize};

pub use people::{Credential, Member};

/// The table of accounts.
pub struct Accounts {
    table: Table,
}

/// Whose an address is.
#[derive(Serialize, Deserialize)]
struct Address {
    user: UserId,
}

impl Accounts {
    /// The table of this stage.
    #[must_use]
    pub fn of(app: &App) -> Self {
        Self { table: app.table() }
    }
}

/// No key shows an address: keys appear in metrics and error reports.
fn address(email: &Email) -> String {
    format!("EMAIL#{}", hash::sha256_hex(email.as_str()))
}

fn address_key(email: &Email) -> Key {
    Key::new(address(email), "ADDRESS")
}

fn password_key(user: UserId) -> Key {
    Key::new(format!("USER#{user}"), "PASSWORD")
}

fn verification_key(user: UserId) -> Key {
    Key::new(format!("USER#{user}"), "VERIFICATION")
}
