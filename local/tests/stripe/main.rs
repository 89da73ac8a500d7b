//! The fake Stripe, driven over HTTP as any client would: plain forms in, JSON and signed webhooks out.

#![allow(clippy::unwrap_used)]

mod billing;
mod calls;
mod changes;
mod checkout;
mod money;
mod renewals;
mod served;
mod usage;
mod webhooks;
