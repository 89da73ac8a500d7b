//! Mail: what is said to whom and why, how far a delivery has come, and to whom nothing may be sent.

pub mod addressee;
mod billing;
pub mod contact;
pub mod delivery;
pub mod fact;
pub mod notice;
pub mod suppression;

pub use addressee::Addressee;
pub use contact::{ContactMessage, ContactMessageReceived, NewContactMessage};
pub use delivery::{Claim, Delivery, DeliveryState, Feedback, Letterhead, MailQueued, MailUndeliverable};
pub use fact::{Fact, Letter, NotUnderstood, Reader};
pub use notice::{Class, Ending, Notice, Template};
pub use suppression::{Suppression, SuppressionReason, Verdict, mailbox, verdict};
