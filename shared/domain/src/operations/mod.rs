//! Rules of the area operations.
