//! Area operations: the relay that carries every area's events to the bus, and what tells whether the whole is well.

pub mod readiness;
pub mod relay;
