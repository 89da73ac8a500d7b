//! Billing: what organisations may use of each product, and what they pay for it.
//!
//! What an organisation may use follows from its trial, its subscription and its unpaid invoices ([`store::standing`]); each
//! write that changes one of them writes the entitlements with it. Stripe is the source of what is paid: its events are hints
//! to look at the object again, never facts ([`project`]). What changes something there is stored before it is called
//! ([`calls`]).
//!
//! What is metered is taken in once by its id ([`usage`]), added up by the hour, and told to Stripe once ([`send_usage`]).

pub mod account;
pub mod calls;
pub mod checkout;
pub mod commands;
pub mod customer;
pub mod dunning;
mod effects;
pub mod inbox;
pub mod meters;
pub mod payer;
pub mod prices;
pub mod project;
pub mod quotes;
pub mod reconcile;
pub mod refunds;
pub mod revenue;
pub mod send_usage;
pub mod sites;
pub mod store;
pub mod subscribe;
pub mod tax_ids;
pub mod tell;
pub mod usage;
pub mod view;
pub mod webhook;

pub use store::{Billing, BillingOfAll};
