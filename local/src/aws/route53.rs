//! Route 53.

/// The operation of a request.
pub(super) fn operation(_parts: &http::request::Parts) -> Option<&'static str> {
    None
}
