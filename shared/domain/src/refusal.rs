//! A rule's no.

use serde_json::{Map, Value};

/// Why a rule says no, in words and in a code that clients can branch on.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Which HTTP answer the refusal becomes.
    pub kind: RefusalKind,
    /// Stable, snake_case; clients branch on it.
    pub code: &'static str,
    /// One sentence for people.
    pub message: String,
    /// Further members of the problem document, such as the limit that was reached.
    pub details: Map<String, Value>,
}

/// The kinds of refusal, by what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// The state of things forbids it now (409).
    Conflict,
    /// The plan does not hold it (402).
    PaymentRequired,
    /// This caller may not (403).
    Forbidden,
    /// It was there and is no more (410).
    Gone,
    /// The input breaks a rule (422); the JSON pointer says where.
    Invalid {
        /// JSON pointer into the body, such as `/label`.
        pointer: String,
    },
}

impl Refusal {
    /// The state of things forbids it now (409).
    #[must_use]
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, code, message)
    }

    /// The plan does not hold it (402).
    #[must_use]
    pub fn payment_required(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::PaymentRequired, code, message)
    }

    /// This caller may not (403).
    #[must_use]
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Forbidden, code, message)
    }

    /// It was there and is no more (410).
    #[must_use]
    pub fn gone(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Gone, code, message)
    }

    /// The input breaks a rule (422, code `invalid`) at the JSON pointer.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid { pointer: pointer.into() }, "invalid", message)
    }

    /// Adds a member to the problem document.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    fn new(kind: RefusalKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), details: Map::new() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}
