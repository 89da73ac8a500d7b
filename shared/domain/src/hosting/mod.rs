//! Rules of the area hosting.
