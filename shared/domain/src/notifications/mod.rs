//! Rules of the area notifications.
