//! The rules of all areas as pure code: state and inputs in, new state and event out. No I/O, no clock, no randomness.

pub mod accounts;
pub mod billing;
pub mod email;
pub mod event;
pub mod hosting;
pub mod id;
pub mod locale;
pub mod notifications;
pub mod operations;
pub mod refusal;
pub mod time;

pub use email::Email;
pub use event::Event;
pub use id::{
    DeliveryId, EventId, HostId, Id, OperationId, OrgId, QuoteId, SessionId, SiteId, StripeOpId, UserId,
};
pub use locale::Locale;
pub use refusal::{Refusal, RefusalKind};
pub use time::Timestamp;
