//! How Stripe refuses.

use serde_json::{Value, json};

/// A refusal as it is answered.
#[derive(Debug, Clone)]
pub(super) struct StripeError {
    /// The HTTP status.
    pub(super) status: u16,
    /// What has happened until then stays, as with a declined card.
    pub(super) keeps: bool,
    /// The object under `error`.
    pub(super) error: Value,
}

/// The result of a call.
pub(super) type Outcome<T> = Result<T, StripeError>;

impl StripeError {
    /// A refusal of what the caller sent.
    pub(super) fn invalid(code: &str, param: &str, message: impl Into<String>) -> Self {
        let mut error = json!({ "type": "invalid_request_error", "message": message.into() });
        if !code.is_empty() {
            error["code"] = code.into();
            error["doc_url"] =
                format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")).into();
        }
        if !param.is_empty() {
            error["param"] = param.into();
        }
        Self { status: 400, keeps: false, error }
    }

    /// A refusal with no code of its own.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::invalid("", "", message)
    }

    /// An object that is not there: 404 when the path names it, 400 when a parameter does.
    pub(super) fn missing(what: &str, id: &str, param: &str) -> Self {
        let mut error = Self::invalid("resource_missing", param, format!("No such {what}: '{id}'"));
        if param == "id" || (param == "payment_method" && what == "payment method") {
            error.status = 404;
        }
        error
    }

    /// A card that was declined; the attempt stays.
    pub(super) fn declined(code: &str, decline_code: &str, message: &str) -> Self {
        let mut error = json!({ "type": "card_error", "code": code, "message": message });
        if !decline_code.is_empty() {
            error["decline_code"] = decline_code.into();
        }
        Self { status: 402, keeps: true, error }
    }

    /// A refusal with this status and type.
    pub(super) fn of(status: u16, kind: &str, code: &str, message: impl Into<String>) -> Self {
        let mut error = json!({ "type": kind, "message": message.into() });
        if !code.is_empty() {
            error["code"] = code.into();
        }
        Self { status, keeps: false, error }
    }

    /// The same with an object it is about.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.error[name] = value;
        self
    }

    /// The same, undoing what happened until then.
    pub(super) fn undone(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Value {
        json!({ "error": self.error })
    }
}

impl From<rusqlite::Error> for StripeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::of(500, "api_error", "", format!("The local stack failed: {error}"))
    }
}
