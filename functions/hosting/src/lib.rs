//! Area hosting.
