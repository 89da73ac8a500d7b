//! The whole cloud on one machine: it reads the deployment templates and behaves as AWS would.

pub mod aws;
pub mod clock;
pub mod error;
pub mod instances;

pub use clock::Clock;
pub use error::{Context, Error, Result};
