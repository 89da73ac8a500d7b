//! Hosting: a customer's site at a name, from the request to the last bucket.
//!
//! A request stores what is wanted and queues an operation. `run_operation` then takes one step per message
//! ([`engine`], [`steps`]); hosts, DNS records and mail domains have workers of their own ([`capacity`], [`dns`], [`mail`]),
//! which the steps ask for things through the table.

pub mod bucket_access;
pub mod capacity;
pub mod dns;
pub mod domains;
pub mod due;
pub mod engine;
pub mod host_actor;
pub mod mail;
pub mod mail_domains;
pub mod mail_events;
pub mod reconcile;
pub mod steps;
pub mod steward;
pub mod store;
pub mod sweep;
pub mod view;

pub use store::{Hosting, HostingOfAll};
