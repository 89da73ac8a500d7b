//! `/_local`: what the stack is doing, for people as HTML and for programs as JSON.

mod html;
mod state;

pub(crate) use html::frame;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, LOCATION, ORIGIN};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::gateway::{json_response, message};
use crate::stack::Core;

/// Nothing from elsewhere, no scripts at all; forms may only be sent to the stack itself.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'";
/// A mail may show pictures and styles, and do nothing.
const MAIL_POLICY: &str =
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:";
/// A century, which no calendar here minds.
const FURTHEST: u64 = 100 * 366 * 86_400;

/// Answers everything under `/_local`.
pub(crate) async fn answer(core: &Arc<Core>, parts: &Parts, body: &Bytes) -> Response<Bytes> {
    if !is_own_host(parts) {
        return message(StatusCode::FORBIDDEN, "the page answers under localhost alone");
    }
    let path = parts.uri.path();
    let words: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    if parts.method == Method::GET {
        return read(core, parts, path, &words);
    }
    if parts.method != Method::POST {
        return message(StatusCode::METHOD_NOT_ALLOWED, "GET or POST");
    }
    if !is_own_origin(parts) {
        return message(StatusCode::FORBIDDEN, "another site may not change the local stack");
    }
    act(core, parts, body, &words).await
}

fn read(core: &Core, parts: &Parts, path: &str, words: &[&str]) -> Response<Bytes> {
    if path == "/_local.json" {
        return json_response(StatusCode::OK, &state::all(core).to_string());
    }
    match words {
        [] => page(&html::overview(core)),
        ["app", "verify-email"] => page(&html::verify(token(parts).as_deref())),
        ["mails", id, "html"] => {
            let mail = crate::mail::Mail::find(&core.cloud, id);
            mail.map_or_else(not_there, |mail| {
                shown(if mail.html.is_empty() { html::plain(&mail.text) } else { mail.html }, MAIL_POLICY)
            })
        }
        ["functions", verb, "logs"] => state::logs(core, verb)
            .map_or_else(not_there, |lines| json_response(StatusCode::OK, &lines.to_string())),
        ["queues", name, "messages"] => state::messages(core, name)
            .map_or_else(not_there, |messages| json_response(StatusCode::OK, &messages.to_string())),
        ["tables", name] => match core.cloud.dynamodb().items(name) {
            Ok(items) => json_response(StatusCode::OK, &json!({ "items": items }).to_string()),
            Err(_) => not_there(),
        },
        [section] => match state::all(core).get_mut(*section) {
            Some(found) => json_response(StatusCode::OK, &found.take().to_string()),
            None => not_there(),
        },
        _ => not_there(),
    }
}

async fn act(core: &Arc<Core>, parts: &Parts, body: &Bytes, words: &[&str]) -> Response<Bytes> {
    let by_form = !body.starts_with(b"{")
        && parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    match words {
        ["clock"] => {
            let seconds = if by_form { form_number(body) } else { json_number(body) };
            let Some(seconds) = seconds.filter(|seconds| *seconds <= FURTHEST) else {
                return message(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "advance_seconds must be a whole number of seconds",
                );
            };
            match core.advance(Duration::from_secs(seconds)).await {
                Ok(()) => done(by_form, "#clock", &state::clock(core)),
                Err(error) => message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            }
        }
        ["queues", name, "redrive"] => {
            let arn = core.cloud.sqs().arn(name);
            match core.cloud.sqs().call("StartMessageMoveTask", &json!({ "SourceArn": arn })).await {
                Ok(_) => done(by_form, "#queues", &json!({ "redriven": name })),
                Err(error) => {
                    message(StatusCode::UNPROCESSABLE_ENTITY, &format!("{name}: {}", error.message))
                }
            }
        }
        ["queues", name, "purge"] => match core.cloud.sqs().purge(name) {
            Ok(()) => done(by_form, "#queues", &json!({ "purged": name })),
            Err(_) => not_there(),
        },
        ["invoke", function] => invoke(core, function, body).await,
        ["app", "verify-email"] => verify(core, body).await,
        _ => not_there(),
    }
}

async fn invoke(core: &Arc<Core>, function: &str, body: &Bytes) -> Response<Bytes> {
    match core.run_once(function, body).await {
        Ok(Ok(reply)) => json_response(StatusCode::OK, &String::from_utf8_lossy(&reply)),
        Ok(Err(error)) => json_response(
            StatusCode::BAD_GATEWAY,
            &json!({ "errorType": error.kind, "errorMessage": error.message }).to_string(),
        ),
        Err(error) => message(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

/// What the web application's page does when somebody presses its button.
async fn verify(core: &Arc<Core>, body: &Bytes) -> Response<Bytes> {
    let token = url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned());
    let web = crate::harness::Web::new(format!("http://{}", core.settings.address));
    let mut headers = http::HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = Bytes::from(json!({ "token": token }).to_string());
    match web.send(Method::POST, "/v1/auth/verify-email", &headers, request).await {
        Ok(answer) => page(&html::verified(answer.status, &answer.json())),
        Err(error) => message(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

/// After a form, the page again; after a program's call, what became of it.
fn done(by_form: bool, place: &str, state: &Value) -> Response<Bytes> {
    if !by_form {
        return json_response(StatusCode::OK, &state.to_string());
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(value) = HeaderValue::from_str(&format!("/_local{place}")) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

fn token(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned())
}

fn form_number(body: &[u8]) -> Option<u64> {
    let (_, text) = url::form_urlencoded::parse(body).find(|(name, _)| name == "advance_seconds")?;
    text.parse().ok()
}

fn json_number(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(body).ok()?.get("advance_seconds")?.as_u64()
}

/// A page of another name that points here (DNS rebinding) gets nothing.
pub(crate) fn is_own_host(parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    is_local(host)
}

/// A browser names the origin of every POST; programs name none.
pub(crate) fn is_own_origin(parts: &Parts) -> bool {
    let site = parts.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let host = parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match parts.headers.get(ORIGIN).map(|value| value.to_str().unwrap_or_default()) {
        None => true,
        Some(origin) => origin.strip_prefix("http://") == Some(host),
    }
}

fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

pub(crate) fn page(text: &str) -> Response<Bytes> {
    shown(text.to_owned(), POLICY)
}

fn shown(text: String, policy: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

fn not_there() -> Response<Bytes> {
    message(StatusCode::NOT_FOUND, "Not Found")
}
