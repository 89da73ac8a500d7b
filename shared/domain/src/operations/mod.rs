//! How facts travel: what fits into one call of the bus.

pub mod batch;

pub use batch::{BATCH_BYTES, BATCH_ENTRIES, batches, entry_bytes};
