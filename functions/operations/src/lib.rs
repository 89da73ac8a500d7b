//! Area operations.
