//! What Stripe refuses, by what it means to the caller.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::partner::Answer;

/// Stripe's code for a customer of whom it is not known where tax is due.
const NO_TAX_LOCATION: &str = "customer_tax_location_invalid";

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeError {
    /// What it means.
    pub kind: StripeErrorKind,
    /// The HTTP status; 0 if there was no answer.
    pub status: u16,
    /// Stripe's sentence; that of a card may be shown to the customer.
    pub message: String,
    /// Stripe's name for the request, which its support asks for.
    pub request_id: Option<String>,
    /// Whether Stripe told again what it had stored under the key (`Idempotent-Replayed`): a 5xx that was stored is final,
    /// only another key can succeed.
    pub was_replayed: bool,
    /// The payment that was refused or wants the customer's action.
    pub payment_intent: Option<Box<ErrorIntent>>,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StripeErrorKind {
    /// The payment was refused, or wants the customer's action.
    Card {
        /// `card_declined`, `authentication_required`, `subscription_payment_intent_requires_action`.
        code: String,
        /// `insufficient_funds`.
        decline_code: Option<String>,
    },
    /// A parameter, or the state of the object, does not allow it.
    Invalid {
        /// `parameter_unknown`, `resource_missing`, `invoice_already_paid`; empty if Stripe gave none.
        code: String,
        /// `items[0][price]`.
        param: Option<String>,
    },
    /// The key was used with other parameters: a bug of ours.
    Idempotency,
    /// There is no such object.
    NotFound,
    /// Too many calls.
    RateLimited,
    /// No answer, a failing Stripe, or another call at work under the same key or on the same object.
    Unavailable,
    /// The API key is wrong, or may not do that.
    Authentication,
    /// It succeeded, but the answer has not the shape that is wanted.
    Unreadable,
}

/// The payment intent that an error names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ErrorIntent {
    /// Its id.
    pub id: String,
    /// `requires_action`, `requires_payment_method`.
    pub status: Option<String>,
    /// What the customer's browser confirms it with.
    pub client_secret: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Body {
    error: Told,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    param: Option<String>,
    payment_intent: Option<Value>,
}

impl StripeError {
    /// Whether the same call with the same key may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, StripeErrorKind::RateLimited | StripeErrorKind::Unavailable)
    }

    /// Whether the call may have had its effect: an earlier try may, even where the last one was turned away.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.is_passing() || self.kind == StripeErrorKind::Unreadable
    }

    /// Whether it is for the customer to do something about it: about a card, or an address.
    #[must_use]
    pub fn is_the_customers(&self) -> bool {
        matches!(&self.kind, StripeErrorKind::Card { .. }) || self.code() == NO_TAX_LOCATION
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == StripeErrorKind::NotFound
    }

    /// Stripe's code, or nothing.
    #[must_use]
    pub fn code(&self) -> &str {
        match &self.kind {
            StripeErrorKind::Card { code, .. } | StripeErrorKind::Invalid { code, .. } => code,
            _ => "",
        }
    }

    pub(super) fn read(answer: &Answer) -> Self {
        let status = answer.status.as_u16();
        let body = serde_json::from_slice::<Body>(&answer.body);
        // Whatever stands between us and Stripe answers in a shape of its own.
        let told = body.map(|body| body.error).unwrap_or_default();
        let intent = told.payment_intent.clone().and_then(|intent| serde_json::from_value(intent).ok());
        Self {
            message: told.message.clone().unwrap_or_else(|| format!("answered {status}")),
            kind: told.kind(status),
            status,
            request_id: answer.header("request-id").map(str::to_owned),
            was_replayed: answer.header("idempotent-replayed") == Some("true"),
            payment_intent: intent,
        }
    }

    pub(super) fn unsent(error: Error) -> Self {
        let kind = match error {
            Error::Partner { retryable: false, .. } => StripeErrorKind::Unreadable,
            Error::Partner { .. } => StripeErrorKind::Unavailable,
            _ => invalid(""),
        };
        let mut causes = error.causes();
        causes.insert(0, error.to_string());
        Self::plain(kind, 0, causes.join(": "))
    }

    pub(super) fn unreadable(answer: &Answer, error: &serde_json::Error) -> Self {
        let request_id = answer.header("request-id").map(str::to_owned);
        let error =
            Self::plain(StripeErrorKind::Unreadable, answer.status.as_u16(), format!("cannot read: {error}"));
        Self { request_id, ..error }
    }

    pub(super) fn unreadable_event(id: &str, error: &serde_json::Error) -> Self {
        Self::plain(StripeErrorKind::Unreadable, 0, format!("cannot read event {id}: {error}"))
    }

    pub(super) fn unsendable(message: impl Into<String>) -> Self {
        Self::plain(invalid(""), 0, message.into())
    }

    pub(super) fn no_such_id() -> Self {
        Self::plain(StripeErrorKind::NotFound, 0, "this cannot be an id of Stripe's".to_owned())
    }

    fn plain(kind: StripeErrorKind, status: u16, message: String) -> Self {
        Self { kind, status, message, request_id: None, was_replayed: false, payment_intent: None }
    }
}

impl Told {
    fn kind(self, status: u16) -> StripeErrorKind {
        let code = self.code.unwrap_or_default();
        match (status, self.kind.as_deref().unwrap_or_default()) {
            (409, _) if ["lock_timeout", "idempotency_key_in_use", ""].contains(&code.as_str()) => {
                StripeErrorKind::Unavailable
            }
            (424 | 500.., _) => StripeErrorKind::Unavailable,
            (429, _) => StripeErrorKind::RateLimited,
            (401 | 403, _) => StripeErrorKind::Authentication,
            (404, _) => StripeErrorKind::NotFound,
            (_, "idempotency_error") => StripeErrorKind::Idempotency,
            (402, _) | (_, "card_error") => StripeErrorKind::Card { code, decline_code: self.decline_code },
            _ => StripeErrorKind::Invalid { code, param: self.param },
        }
    }
}

fn invalid(code: &str) -> StripeErrorKind {
    StripeErrorKind::Invalid { code: code.to_owned(), param: None }
}

impl fmt::Display for StripeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request_id.as_deref().unwrap_or("no request id");
        write!(formatter, "{:?} ({}, {request}): {}", self.kind, self.status, self.message)
    }
}

impl std::error::Error for StripeError {}

impl From<StripeError> for Error {
    fn from(error: StripeError) -> Self {
        match &error.kind {
            StripeErrorKind::RateLimited | StripeErrorKind::Unavailable => {
                Self::partner("stripe", true, error)
            }
            StripeErrorKind::Card { code, decline_code } => {
                let reason = decline_code.as_deref().filter(|code| is_for_the_customer(code)).unwrap_or(code);
                let details = [("reason".to_owned(), reason.into())];
                Self::PaymentRequired {
                    code: "declined",
                    details: details.into_iter().collect(),
                    message: error.message,
                }
            }
            StripeErrorKind::Invalid { code, .. } if code == NO_TAX_LOCATION => {
                let message = "Say the address of who pays first: without it no tax can be told.";
                Self::refused("address_missing", message)
            }
            _ => Self::caused(error),
        }
    }
}

/// Stripe asks not to tell whoever pays that the card is thought stolen.
fn is_for_the_customer(decline_code: &str) -> bool {
    !["fraudulent", "lost_card", "merchant_blacklist", "pickup_card", "restricted_card", "stolen_card"]
        .contains(&decline_code)
}
