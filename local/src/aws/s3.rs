//! S3.

/// The operation of a request.
pub(super) fn operation(_parts: &http::request::Parts) -> &'static str {
    "Unknown"
}
