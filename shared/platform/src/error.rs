//! What can go wrong, by what it means to the one who asked.
//!
//! The kind decides the HTTP answer, and in a worker whether the message is tried again.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use domain::{Refusal, RefusalKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A result whose error is [`Error`], unless another is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that can be the cause of an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Something wrong in the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// JSON pointer into the body (`/label`); for a query parameter `?` and its name.
    pub pointer: String,
    /// One sentence for people.
    pub detail: String,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// 401: nobody, or nobody any more; the code says why.
    Unauthenticated(&'static str),
    /// 403: this caller may not; code and sentence.
    Forbidden(&'static str, String),
    /// 404: not there, or not for this caller.
    NotFound,
    /// 400: the request cannot be read at all.
    Malformed(String),
    /// 400: the cursor is not ours, or belongs to another list.
    InvalidCursor,
    /// 422: read, but not allowed.
    Invalid {
        /// `invalid` unless clients have a reason to tell it from others.
        code: &'static str,
        /// What is wrong, each with its place.
        problems: Vec<Problem>,
    },
    /// 409: the state of things forbids it.
    Refused {
        /// Stable; clients branch on it.
        code: &'static str,
        /// One sentence for people.
        message: String,
        /// Further members of the problem document.
        details: Map<String, Value>,
    },
    /// 402: the plan does not hold it.
    PaymentRequired {
        /// Stable; clients branch on it.
        code: &'static str,
        /// One sentence for people.
        message: String,
        /// Further members of the problem document.
        details: Map<String, Value>,
    },
    /// 410: it was there and is no more.
    Gone {
        /// Stable; clients branch on it.
        code: &'static str,
        /// One sentence for people.
        message: String,
        /// Further members of the problem document.
        details: Map<String, Value>,
    },
    /// 409 `version_conflict`: somebody else wrote first; reading again and trying again may succeed.
    Conflict,
    /// 413: the body is too large.
    TooLarge,
    /// 415: the body is not JSON.
    UnsupportedMedia,
    /// 429: too often.
    Limited {
        /// When it will be accepted again.
        retry_after: Duration,
    },
    /// 503 when another try may help, else 502: someone we depend on failed.
    Partner {
        /// Who: `route53`, `stripe`.
        name: &'static str,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// What they said; for the log alone.
        source: Cause,
    },
    /// 500: our fault.
    Internal(Cause),
}

impl Error {
    /// Our fault, in words.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into().into())
    }

    /// Our fault, with its cause.
    pub fn caused(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// 403 with a code and a sentence.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::Forbidden(code, message.into())
    }

    /// 409 with a code and a sentence.
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into(), details: Map::new() }
    }

    /// 410 with a code and a sentence.
    pub fn gone(code: &'static str, message: impl Into<String>) -> Self {
        Self::Gone { code, message: message.into(), details: Map::new() }
    }

    /// 422 with one problem.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid_as("invalid", pointer, detail)
    }

    /// 422 with one problem and a code of its own.
    pub fn invalid_as(code: &'static str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid { code, problems: vec![Problem { pointer: pointer.into(), detail: detail.into() }] }
    }

    /// A partner's failure.
    pub fn partner(name: &'static str, retryable: bool, source: impl Into<Cause>) -> Self {
        Self::Partner { name, retryable, source: source.into() }
    }

    /// An AWS service's failure: what load and networks cause may be tried again, the rest is our fault (a missing
    /// right, a wrong parameter). `service` is the name that logs show, such as `route53`.
    pub fn aws<E, R>(service: &'static str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let passing = match &error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
            SdkError::ServiceError(failure) => failure.err().code().is_none_or(is_passing),
            _ => false,
        };
        if passing { Self::partner(service, true, error) } else { Self::caused(error) }
    }

    /// Whether the same thing may succeed later: a worker tries the message again, all else is dead-lettered at once.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::Limited { .. } | Self::Internal(_) | Self::Partner { retryable: true, .. }
        )
    }

    /// The code that clients branch on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(code)
            | Self::Forbidden(code, _)
            | Self::Refused { code, .. }
            | Self::PaymentRequired { code, .. }
            | Self::Gone { code, .. }
            | Self::Invalid { code, .. } => code,
            Self::NotFound => "not_found",
            Self::Malformed(_) => "malformed",
            Self::InvalidCursor => "invalid_cursor",
            Self::Conflict => "version_conflict",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media_type",
            Self::Limited { .. } => "too_many_requests",
            Self::Partner { retryable: true, .. } => "unavailable",
            Self::Partner { .. } => "bad_gateway",
            Self::Internal(_) => "internal",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::InvalidCursor => 400,
            Self::Unauthenticated(_) => 401,
            Self::PaymentRequired { .. } => 402,
            Self::Forbidden(..) => 403,
            Self::NotFound => 404,
            Self::Refused { .. } | Self::Conflict => 409,
            Self::Gone { .. } => 410,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::Invalid { .. } => 422,
            Self::Limited { .. } => 429,
            Self::Internal(_) => 500,
            Self::Partner { retryable: false, .. } => 502,
            Self::Partner { .. } => 503,
        }
    }

    /// One sentence for people, without any cause.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Unauthenticated("missing_token") => {
                "Send an access token in the header Authorization.".to_owned()
            }
            Self::Unauthenticated(_) => "The credentials are not valid, or no longer.".to_owned(),
            Self::Forbidden(_, message)
            | Self::Malformed(message)
            | Self::Refused { message, .. }
            | Self::PaymentRequired { message, .. }
            | Self::Gone { message, .. } => message.clone(),
            Self::NotFound => "There is no such thing, or it is not yours.".to_owned(),
            Self::InvalidCursor => "The cursor does not belong to this list.".to_owned(),
            Self::Invalid { .. } => "The input breaks a rule; see `problems`.".to_owned(),
            Self::Conflict => "It was changed meanwhile; read it again and repeat.".to_owned(),
            Self::TooLarge => "The body is too large.".to_owned(),
            Self::UnsupportedMedia => "Send JSON, with the header Content-Type: application/json.".to_owned(),
            Self::Limited { retry_after } => {
                format!("Too many requests; try again in {} s.", seconds(*retry_after))
            }
            Self::Partner { .. } => "A service that we depend on does not answer as it should.".to_owned(),
            Self::Internal(_) => "Something went wrong on our side.".to_owned(),
        }
    }

    /// Further members of the problem document.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        match self {
            Self::Refused { details, .. }
            | Self::PaymentRequired { details, .. }
            | Self::Gone { details, .. } => details.clone(),
            Self::Invalid { problems, .. } => {
                Map::from_iter([("problems".to_owned(), serde_json::to_value(problems).unwrap_or_default())])
            }
            _ => Map::new(),
        }
    }

    /// What lies behind a 5xx, outermost first; for the log alone.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let text = cause.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

/// Whole seconds, rounded up, at least one: what `Retry-After` can say.
pub(crate) fn seconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}

/// AWS error codes that load or a failing part of AWS causes; everything else stays wrong however often it is tried.
fn is_passing(code: &str) -> bool {
    const PASSING: &[&str] = &[
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttled",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "Unavailable",
        "OverLimit",
        "RequestThrottled",
        "RequestThrottledException",
        "EC2ThrottledException",
        "BandwidthLimitExceeded",
    ];
    PASSING.contains(&code)
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Internal(cause) => cause.fmt(formatter),
            Self::Partner { name, source, .. } => write!(formatter, "{name}: {source}"),
            Self::Invalid { problems, .. } => {
                let texts: Vec<_> =
                    problems.iter().map(|one| format!("{}: {}", one.pointer, one.detail)).collect();
                write!(formatter, "invalid: {}", texts.join("; "))
            }
            other => write!(formatter, "{}: {}", other.code(), other.detail()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Internal(cause) | Self::Partner { source: cause, .. } => Some(&**cause),
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let Refusal { kind, code, message, details } = refusal;
        match kind {
            RefusalKind::Conflict => Self::Refused { code, message, details },
            RefusalKind::PaymentRequired => Self::PaymentRequired { code, message, details },
            RefusalKind::Forbidden => Self::Forbidden(code, message),
            RefusalKind::Gone => Self::Gone { code, message, details },
            RefusalKind::Invalid { pointer } => Self::invalid_as(code, pointer, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_the_answer_of_its_kind() {
        let refusal = Refusal::payment_required("site_limit", "One site.").with("limit", 1);
        let error = Error::from(refusal);
        assert_eq!((error.status(), error.code()), (402, "site_limit"));
        assert_eq!(error.details()["limit"], 1);
        assert!(!error.is_transient());

        let error = Error::from(Refusal::invalid("/label", "Too long."));
        assert_eq!((error.status(), error.code()), (422, "invalid"));
        assert_eq!(error.details()["problems"][0]["pointer"], "/label");
        assert_eq!(error.to_string(), "invalid: /label: Too long.");
    }

    #[test]
    fn clients_see_no_cause_and_logs_see_all() {
        let error = Error::partner("stripe", true, std::io::Error::other("secret host down"));
        assert_eq!((error.status(), error.code()), (503, "unavailable"));
        assert!(!error.detail().contains("secret"));
        assert_eq!(error.causes(), ["secret host down"]);
        assert!(error.is_transient());
        assert!(!Error::partner("stripe", false, "card declined").is_transient());
    }

    #[test]
    fn load_passes_and_a_missing_right_does_not() {
        assert!(is_passing("ThrottlingException") && !is_passing("AccessDeniedException"));
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_millis(2_001)), 3);
    }
}
