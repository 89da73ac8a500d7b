//! Replies, and what every reply carries.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::seconds;
use crate::{Error, Result};

/// A handler's answer. Its status stands in its type, so that the description of the endpoint tells it.
#[derive(Debug, Clone)]
pub struct Reply<T, const STATUS: u16 = 200> {
    unusual: Option<u16>,
    headers: BTreeMap<String, String>,
    content: Content<T>,
}

#[derive(Debug, Clone)]
enum Content<T> {
    Json(T),
    Bytes(Bytes),
    None,
}

impl<T> Reply<T> {
    /// 200 with a value.
    pub fn ok(value: T) -> Self {
        Self::new(Content::Json(value))
    }

    /// 200 with content that is not a JSON value of ours.
    pub fn bytes(content_type: &str, content: impl Into<Bytes>) -> Self {
        Self::new(Content::Bytes(content.into())).header("content-type", content_type)
    }
}

impl<T> Reply<T, 201> {
    /// 201: it was made.
    pub fn created(value: T) -> Self {
        Self::new(Content::Json(value))
    }
}

impl<T> Reply<T, 202> {
    /// 202: it is being worked on.
    pub fn accepted(value: T) -> Self {
        Self::new(Content::Json(value))
    }
}

impl Reply<(), 204> {
    /// 204: done, and nothing to say.
    #[must_use]
    pub fn no_content() -> Self {
        Self::new(Content::None)
    }
}

impl<T, const STATUS: u16> Reply<T, STATUS> {
    /// A status that depends on what was found.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.unusual = Some(status);
        self
    }

    /// A header; the name in lower case. Replaces what would be sent otherwise, such as `cache-control`.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// The version of what is sent, as the header `ETag`; clients send it back in `If-Match`.
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        self.header("etag", format!("\"{version}\""))
    }

    fn new(content: Content<T>) -> Self {
        Self { unusual: None, headers: BTreeMap::new(), content }
    }
}

impl<T: Serialize, const STATUS: u16> Reply<T, STATUS> {
    pub(crate) fn into_wire(self) -> Result<Wire> {
        let Self { unusual, mut headers, content } = self;
        let body = match content {
            Content::Json(value) => {
                let text = serde_json::to_string(&value).map_err(Error::caused)?;
                headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
                Text::Plain(text)
            }
            Content::Bytes(bytes) => Text::of(bytes),
            Content::None => Text::Plain(String::new()),
        };
        Ok(Wire { status: unusual.unwrap_or(STATUS), headers, body })
    }

    pub(crate) fn clone_wire(&self) -> Result<Wire> {
        let content = match &self.content {
            Content::Json(value) => Content::Json(value),
            Content::Bytes(bytes) => Content::Bytes(bytes.clone()),
            Content::None => Content::None,
        };
        Reply::<_, STATUS> { unusual: self.unusual, headers: self.headers.clone(), content }.into_wire()
    }
}

/// A reply ready to be sent, or to be stored for a repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wire {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    body: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Text {
    Plain(String),
    Base64(String),
}

impl Text {
    fn of(bytes: Bytes) -> Self {
        match String::from_utf8(bytes.into()) {
            Ok(text) => Self::Plain(text),
            Err(binary) => Self::Base64(BASE64_STANDARD.encode(binary.as_bytes())),
        }
    }
}

impl Wire {
    /// An error as RFC 9457 wants it. Causes stay here.
    pub(crate) fn problem(error: &Error, request_id: &str) -> Self {
        let status = error.status();
        let mut problem: Map<String, Value> = error.details();
        problem.insert("type".to_owned(), format!("urn:tenantry:problem:{}", error.code()).into());
        problem.insert("title".to_owned(), reason(status).into());
        problem.insert("status".to_owned(), status.into());
        problem.insert("detail".to_owned(), error.detail().into());
        problem.insert("code".to_owned(), error.code().into());
        problem.insert("request_id".to_owned(), request_id.into());
        let mut headers =
            BTreeMap::from([("content-type".to_owned(), "application/problem+json".to_owned())]);
        match error {
            Error::Limited { retry_after } => {
                headers.insert("retry-after".to_owned(), seconds(*retry_after).to_string());
            }
            Error::Partner { retryable: true, .. } => {
                headers.insert("retry-after".to_owned(), "1".to_owned());
            }
            Error::Unauthenticated(_) => {
                headers.insert("www-authenticate".to_owned(), "Bearer".to_owned());
            }
            _ => {}
        }
        Self { status, headers, body: Text::Plain(Value::Object(problem).to_string()) }
    }

    /// Whether it was stored by an earlier request.
    pub(crate) fn is_replay(&self) -> bool {
        self.headers.contains_key("idempotent-replayed")
    }

    /// The answer as API Gateway takes it.
    pub(crate) fn into_gateway(self, request_id: &str) -> GatewayReply {
        let Self { status, mut headers, body } = self;
        for (name, value) in ALWAYS {
            headers.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        headers.insert("x-request-id".to_owned(), request_id.to_owned());
        let (body, is_base64_encoded) = match body {
            Text::Plain(text) => (text, false),
            Text::Base64(text) => (text, true),
        };
        GatewayReply { status_code: status, headers, body, is_base64_encoded }
    }
}

/// What every reply carries unless the handler says otherwise: this is an API, nothing of it is shown in a page or kept.
const ALWAYS: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// API Gateway's answer (payload format 2.0).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewayReply {
    pub(crate) status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn sent(wire: Wire) -> Value {
        serde_json::to_value(wire.into_gateway("r1")).unwrap()
    }

    #[test]
    fn a_reply_carries_the_security_headers_and_its_own_win() {
        let reply = Reply::ok(json!({"a": 1})).version(7).header("cache-control", "max-age=300");
        let answer = sent(reply.into_wire().unwrap());
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!(r#"{"a":1}"#)));
        assert_eq!(answer["headers"]["cache-control"], "max-age=300");
        assert_eq!(answer["headers"]["etag"], "\"7\"");
        for name in
            ["x-content-type-options", "strict-transport-security", "content-security-policy", "x-request-id"]
        {
            assert!(answer["headers"][name].is_string(), "{name}");
        }
        let answer = sent(Reply::no_content().into_wire().unwrap());
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(204), &json!("")));
        assert!(answer["headers"].get("content-type").is_none());
        let answer = sent(Reply::<()>::bytes("image/png", vec![0xff]).into_wire().unwrap());
        assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }

    #[test]
    fn an_error_is_a_problem_without_its_cause() {
        let limited = Error::Limited { retry_after: Duration::from_millis(1_500) };
        let answer = sent(Wire::problem(&limited, "r1"));
        assert_eq!(answer["headers"]["retry-after"], "2");
        assert_eq!(answer["headers"]["content-type"], "application/problem+json");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["code"], "too_many_requests");
        assert_eq!(body["title"], "Too Many Requests");
        assert_eq!((&body["status"], &body["request_id"]), (&json!(429), &json!("r1")));
        let answer = sent(Wire::problem(&Error::internal("the table is on fire"), "r1"));
        assert!(!answer.to_string().contains("fire"));
    }

    #[test]
    fn a_stored_reply_comes_back_the_same() {
        let wire = Reply::created(json!({"a": 1})).into_wire().unwrap();
        let stored: aws_sdk_dynamodb::types::AttributeValue =
            serde_dynamo::to_attribute_value(&wire).unwrap();
        assert_eq!(serde_dynamo::from_attribute_value::<_, Wire>(stored).unwrap(), wire);
    }
}
