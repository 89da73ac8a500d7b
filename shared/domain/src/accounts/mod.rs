//! Rules of the area accounts.
