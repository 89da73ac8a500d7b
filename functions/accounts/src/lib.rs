//! Area accounts: people, organisations and their sessions.
//!
//! The rules are `domain::accounts`; here are the table's keys, the password hashes and the tokens.

pub mod device;
pub mod entrance;
pub mod language;
pub mod leaving;
pub mod link;
pub mod password;
pub mod refresh_token;
pub mod secrets;
pub mod store;

pub use secrets::Secrets;
pub use store::Accounts;
