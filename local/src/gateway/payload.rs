//! API Gateway's payload format 2.0: a request as an event, and a function's reply as a response.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::Timestamp;
use http::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::routes::Taken;

/// What the gateway knows about a request besides the request.
pub(super) struct Around<'call> {
    /// The route taken.
    pub taken: &'call Taken<'call>,
    /// The decoded path.
    pub path: &'call str,
    /// Who is calling, as the gateway sees it.
    pub source: IpAddr,
    /// The stack's time.
    pub now: Timestamp,
    /// API Gateway's id of the request.
    pub request_id: &'call str,
    /// The account's number.
    pub account: &'call str,
}

/// The event that a function gets.
#[must_use]
pub(super) fn event(parts: &Parts, body: &Bytes, around: &Around<'_>) -> Value {
    let text =
        |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = text(http::header::HOST);
    let mut event = json!({
        "version": "2.0",
        "routeKey": around.taken.key,
        "rawPath": around.path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": headers(&parts.headers, around, host),
        "requestContext": {
            "accountId": around.account,
            "apiId": around.taken.api,
            "domainName": host.split(':').next().unwrap_or_default(),
            "domainPrefix": around.taken.api,
            "http": {
                "method": parts.method.as_str(),
                "path": around.path,
                "protocol": "HTTP/1.1",
                "sourceIp": around.source.to_string(),
                "userAgent": text(http::header::USER_AGENT),
            },
            "requestId": around.request_id,
            "routeKey": around.taken.key,
            "stage": "$default",
            "time": clf_time(around.now),
            "timeEpoch": around.now.as_millis(),
        },
        "isBase64Encoded": false,
    });
    let cookies: Vec<&str> = parts
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';').map(str::trim))
        .collect();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) {
        event["queryStringParameters"] = json!(joined_query(query));
    }
    if !around.taken.variables.is_empty() {
        event["pathParameters"] = json!(around.taken.variables);
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(body) if is_text(text(CONTENT_TYPE)) => event["body"] = body.into(),
            _ => {
                event["body"] = STANDARD.encode(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

/// Names in lower case, repeated ones joined by a comma, cookies left to their own field.
fn headers(headers: &HeaderMap, around: &Around<'_>, host: &str) -> Map<String, Value> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        if *name == COOKIE || *name == http::header::CONNECTION {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push(',');
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    let source = around.source.to_string();
    joined
        .entry("x-forwarded-for".to_owned())
        .and_modify(|known| *known = format!("{known}, {source}"))
        .or_insert(source);
    joined.insert("x-forwarded-port".to_owned(), host.rsplit(':').next().unwrap_or("80").to_owned());
    joined.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    joined.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

fn joined_query(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        joined
            .entry(name.into_owned())
            .and_modify(|known| {
                known.push(',');
                known.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    joined
}

/// What API Gateway hands over as text; anything else arrives in base64.
fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty()
        || essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(essence.as_str(), "application/json" | "application/javascript" | "application/xml")
}

/// `12/Mar/2026:19:03:58 +0000`.
fn clf_time(now: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(now.as_millis())
        .map(|moment| moment.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
        .unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    status_code: u16,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The response that a function's reply stands for; `None` when API Gateway would not understand it.
#[must_use]
pub(super) fn response(reply: &Bytes) -> Option<Response<Bytes>> {
    let value: Value = serde_json::from_slice(reply).ok()?;
    if value.get("statusCode").is_none() {
        let body = if let Value::String(text) = value { Bytes::from(text) } else { reply.clone() };
        let response = Response::builder().header(CONTENT_TYPE, "application/json").body(body);
        return response.ok();
    }
    let reply: Reply = serde_json::from_value(value).ok()?;
    let body = reply.body.unwrap_or_default();
    let body = if reply.is_base64_encoded { STANDARD.decode(body).ok()? } else { body.into_bytes() };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(reply.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in reply.headers.unwrap_or_default() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        headers.insert(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(&text).ok()?);
    }
    for cookie in reply.cookies.unwrap_or_default() {
        headers.append(SET_COOKIE, HeaderValue::from_str(&cookie).ok()?);
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn made(request: http::Request<Bytes>) -> Value {
        let taken = Taken {
            function: "f",
            api: "api",
            key: "POST /v1/sites/{site}".into(),
            variables: [("site".to_owned(), "a b".to_owned())].into(),
        };
        let (parts, body) = request.into_parts();
        let around = Around {
            taken: &taken,
            path: "/v1/sites/a b",
            source: "127.0.0.1".parse().unwrap(),
            now: Timestamp::from_millis(1_795_232_640_120),
            request_id: "r",
            account: "000000000000",
        };
        event(&parts, &body, &around)
    }

    #[test]
    fn a_request_becomes_an_event() {
        let request = http::Request::post("/v1/sites/a%20b?x=1&y=2&x=3")
            .header("Content-Type", "application/json")
            .header("X-Thing", "one")
            .header("x-thing", "two")
            .header("cookie", "a=1; b=2")
            .header("host", "localhost:4567")
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        let event = made(request);
        assert_eq!(event["headers"]["x-thing"], "one,two");
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["queryStringParameters"], json!({"x": "1,3", "y": "2"}));
        assert_eq!(event["pathParameters"]["site"], "a b");
        assert_eq!((event["body"].as_str(), event["isBase64Encoded"].as_bool()), (Some("{}"), Some(false)));
        assert_eq!(event["requestContext"]["time"], "21/Nov/2026:03:44:00 +0000");
    }

    #[test]
    fn what_is_not_text_travels_in_base64() {
        let request = http::Request::post("/")
            .header("content-type", "image/png")
            .body(Bytes::from_static(b"\xff"))
            .unwrap();
        let event = made(request);
        assert_eq!((event["body"].as_str(), event["isBase64Encoded"].as_bool()), (Some("/w=="), Some(true)));
    }

    #[test]
    fn a_reply_becomes_a_response() {
        let reply = json!({"statusCode": 201, "headers": {"X-A": "b"}, "cookies": ["c=d"], "body": "aGk=", "isBase64Encoded": true});
        let made = response(&Bytes::from(reply.to_string())).unwrap();
        assert_eq!((made.status().as_u16(), made.body().as_ref()), (201, b"hi".as_slice()));
        assert_eq!(made.headers()["set-cookie"], "c=d");
        assert!(response(&Bytes::from(json!({"statusCode": 99}).to_string())).is_none());
        assert_eq!(response(&Bytes::from_static(b"{\"ok\":true}")).unwrap().status(), 200);
    }
}
