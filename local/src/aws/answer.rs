//! How AWS answers: each service's protocol, and how it writes a refusal.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::service::Service;

/// An answer other than success, before it is written in a service's own protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The HTTP status.
    pub status: u16,
    /// AWS's code for it, as the SDK reports it.
    pub code: Cow<'static, str>,
    /// The text for a person.
    pub message: String,
}

impl AwsError {
    /// A refusal with this status, code and text.
    #[must_use]
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// A refusal of what the caller sent (400).
    #[must_use]
    pub fn bad(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A fault of the emulator itself (500).
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(500, "InternalFailure", format!("The local stack failed: {cause}"))
    }

    /// Reads the JSON answer of an embedded emulator: its value, or its refusal.
    pub(super) fn of_json(status: StatusCode, body: &[u8]) -> Result<Value, Self> {
        let value: Value = if body.is_empty() { json!({}) } else { serde_json::from_slice(body)? };
        if status.is_success() {
            return Ok(value);
        }
        let code = value["__type"].as_str().unwrap_or("InternalFailure").to_owned();
        let message = value["message"].as_str().or_else(|| value["Message"].as_str()).unwrap_or_default();
        Err(Self::new(status.as_u16(), code, message))
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

impl From<rusqlite::Error> for AwsError {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(error)
    }
}

impl From<serde_json::Error> for AwsError {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

/// An answer with a body of this type.
#[must_use]
pub fn answer(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A successful answer of a JSON service.
#[must_use]
pub fn json_answer(service: Service, value: &Value) -> Response<Bytes> {
    answer(200, service.json_type(), value.to_string())
}

/// A successful answer of an XML service.
#[must_use]
pub fn xml_answer(status: u16, body: String) -> Response<Bytes> {
    answer(status, "text/xml", body)
}

/// Writes a refusal as this service would.
#[must_use]
pub fn refusal(service: Service, error: &AwsError) -> Response<Bytes> {
    let (code, message) = (&*error.code, error.message.as_str());
    match service {
        Service::DynamoDb => {
            let shape = format!("com.amazonaws.dynamodb.v20120810#{code}");
            let mut body = json!({"__type": shape, "message": message});
            if code == "TransactionCanceledException" {
                body["CancellationReasons"] = json!([{"Code": "TransactionConflict", "Message": message}]);
            }
            answer(error.status, service.json_type(), body.to_string())
        }
        Service::Sqs => {
            let body = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message});
            let mut response = answer(error.status, service.json_type(), body.to_string());
            let at_fault = if error.status < 500 { "Sender" } else { "Receiver" };
            if let Ok(value) = HeaderValue::from_str(&format!("{};{at_fault}", query_code(code))) {
                response.headers_mut().insert("x-amzn-query-error", value);
            }
            response
        }
        Service::Events | Service::SecretsManager => {
            let body = json!({"__type": code, "message": message});
            answer(error.status, service.json_type(), body.to_string())
        }
        Service::Ec2 => {
            let (code, message) = (escape(code), escape(message));
            let error_xml = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            let id = request_id();
            let body =
                format!("<Response><Errors>{error_xml}</Errors><RequestID>{id}</RequestID></Response>");
            xml_answer(error.status, body)
        }
        Service::S3 => {
            let (code, message) = (escape(code), escape(message));
            let id = request_id();
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>"
            );
            answer(error.status, "application/xml", body)
        }
        // With `ErrorResponse` the SDK also reads the code of Route 53's InvalidChangeBatch (emulators.md, trap 8).
        Service::Ses | Service::Sts | Service::Route53 => {
            let (code, message) = (escape(code), escape(message));
            let at_fault = if error.status < 500 { "Sender" } else { "Receiver" };
            let id = request_id();
            let body = format!(
                "<ErrorResponse><Error><Type>{at_fault}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            );
            xml_answer(error.status, body)
        }
    }
}

/// SQS's older protocol had other codes, which the SDK still reports when the header names them.
fn query_code(shape: &str) -> String {
    match shape {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        "QueueNameExists" => "QueueAlreadyExists".to_owned(),
        "EmptyBatchRequest"
        | "TooManyEntriesInBatchRequest"
        | "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "InvalidBatchEntryId"
        | "MessageNotInflight"
        | "PurgeQueueInProgress"
        | "UnsupportedOperation" => format!("AWS.SimpleQueueService.{shape}"),
        other => other.to_owned(),
    }
}

/// A fresh id for an answer.
#[must_use]
pub fn request_id() -> String {
    super::ids::uuid()
}

/// Text made safe inside XML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}
