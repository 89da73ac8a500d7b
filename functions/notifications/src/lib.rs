//! Area notifications: who is told what, the mails' texts, and what becomes of each mail.
//!
//! `route_notification` turns events into deliveries, `send_mail` hands them to SES, `handle_mail_event` hears how they
//! fared and keeps the list of mailboxes that nothing is sent to.

pub mod letters;
pub mod mail;
pub mod mail_event;
pub mod post;
mod store;

pub use store::Notifications;
