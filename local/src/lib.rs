//! The whole cloud on one machine: it reads the deployment templates and behaves as AWS would.

// Stripe's objects are written as JSON, some of them long.
#![recursion_limit = "512"]

pub mod activity;
pub mod aws;
pub mod binaries;
pub mod clock;
pub mod deploy;
mod driver;
pub mod error;
pub mod gateway;
pub mod harness;
pub mod instances;
pub mod keys;
pub mod lambda;
pub mod mail;
pub mod openapi;
mod page;
mod random;
pub mod sources;
pub mod stack;
pub mod stripe;
pub mod template;
pub mod tour;

pub use clock::Clock;
pub use error::{Context, Error, Result};
pub use harness::Stack;
