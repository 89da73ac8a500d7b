//! People, organisations and sessions: who may come in, and what the organisation may use.

pub mod access;
pub mod entitlements;
pub mod organisation;
pub mod person;
pub mod session;

pub use access::{AccessClaims, Denied, admit};
pub use entitlements::{Entitlements, Mode, ProductEntitlement};
pub use organisation::{Membership, OrgSettings, OrgState, Organisation, Role};
pub use person::{User, UserState};
pub use session::Session;
