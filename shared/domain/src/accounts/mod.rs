//! People, organisations and sessions: who may come in, and what the organisation may use.

pub mod access;
pub mod entitlements;
pub mod lockout;
pub mod organisation;
pub mod password;
pub mod person;
pub mod session;
pub mod sign_up;
pub mod verification;

pub use access::{AccessClaims, Denied, admit};
pub use entitlements::{Access, Entitlements, Limit, Mode, ProductEntitlement};
pub use lockout::Attempts;
pub use organisation::{Membership, OrgSettings, OrgState, Organisation, OrganisationCreated, Role};
pub use password::Password;
pub use person::{User, UserState};
pub use session::{Session, SessionRevoked, SessionStarted};
pub use sign_up::{Identity, NewAccount, SignUp, UserSignedUp};
pub use verification::{EmailVerified, Verification, VerificationRequested};
