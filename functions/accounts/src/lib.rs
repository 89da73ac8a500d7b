//! Area accounts.
