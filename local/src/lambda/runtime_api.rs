//! The Lambda Runtime API, version 2018-06-01, as a function's process sees it.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;

use super::Lambda;
use super::sandbox::{Answer, FunctionError};

/// Lambda takes no larger reply.
const REPLY_AT_MOST: usize = 6 * 1024 * 1024;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ErrorBody {
    error_type: String,
    error_message: String,
}

impl Lambda {
    /// Answers `/_runtime/<sandbox>/2018-06-01/...`.
    pub async fn runtime_api(&self, method: &Method, path: &str, body: Bytes) -> Response<Bytes> {
        let rest = path.strip_prefix("/_runtime/").unwrap_or_default();
        let Some((id, call)) = rest.split_once("/2018-06-01/runtime/") else {
            return told(StatusCode::NOT_FOUND, "no such call");
        };
        let Some(sandbox) = self.sandbox(id) else {
            return told(StatusCode::GONE, "this execution environment has ended");
        };
        let parts: Vec<&str> = call.split('/').collect();
        match (method, parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => {
                let Some((request_id, payload, deadline)) = sandbox.next().await else {
                    return told(StatusCode::GONE, "this execution environment has ended");
                };
                let trace = format!("Root=1-{:08x}-{};Sampled=0", deadline / 1_000, trace_word(&request_id));
                let response = Response::builder()
                    .header("lambda-runtime-aws-request-id", request_id)
                    .header("lambda-runtime-deadline-ms", deadline.to_string())
                    .header("lambda-runtime-invoked-function-arn", &sandbox.arn)
                    .header("lambda-runtime-trace-id", trace)
                    .header("content-type", "application/json")
                    .body(payload);
                response.unwrap_or_else(|_| {
                    told(StatusCode::INTERNAL_SERVER_ERROR, "a header could not be written")
                })
            }
            (&Method::POST, ["invocation", request_id, "response"]) => {
                let answer = if body.len() > REPLY_AT_MOST {
                    Answer::Error(FunctionError {
                        kind: "Function.ResponseSizeTooLarge".into(),
                        message: format!(
                            "Response payload size exceeded maximum allowed payload size ({REPLY_AT_MOST} bytes)."
                        ),
                    })
                } else {
                    Answer::Reply(body)
                };
                accepted(sandbox.answer(request_id, answer))
            }
            (&Method::POST, ["invocation", request_id, "error"]) => {
                accepted(sandbox.answer(request_id, Answer::Error(error(&body))))
            }
            (&Method::POST, ["init", "error"]) => {
                let error = error(&body);
                sandbox.failed(format!("{}: {}", error.kind, error.message));
                accepted(true)
            }
            _ => told(StatusCode::NOT_FOUND, "no such call"),
        }
    }
}

fn error(body: &[u8]) -> FunctionError {
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    FunctionError { kind: body.error_type, message: body.error_message }
}

/// The 24 digits of a trace id.
fn trace_word(request_id: &str) -> String {
    request_id.chars().filter(char::is_ascii_hexdigit).take(24).collect()
}

fn accepted(known: bool) -> Response<Bytes> {
    if known {
        return told(StatusCode::ACCEPTED, "OK");
    }
    told(StatusCode::BAD_REQUEST, "nobody waits for that invocation")
}

fn told(status: StatusCode, message: &str) -> Response<Bytes> {
    let body = serde_json::json!({ "status": message }).to_string();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
}
