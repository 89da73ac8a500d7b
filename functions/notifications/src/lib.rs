//! Area notifications.
