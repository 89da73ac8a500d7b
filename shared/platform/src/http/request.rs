//! Requests as API Gateway hands them over (HTTP API, payload format 2.0), and what a handler gets of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Event, OrgId, Timestamp};
use http::HeaderValue;
use serde::Serialize;

use super::idempotency::Idempotency;
use super::reply::Reply;
use crate::event::{EventEnvelope, Origin};
use crate::page::{PageQuery, Paging};
use crate::store::Write;
use crate::{App, Error, Result, config, hash};

/// The most bytes of a body that is read.
const LARGEST_BODY: usize = 1024 * 1024;

/// API Gateway's event. Only the type is lambda_http's: its own conversion to a request panics where a path makes no URI.
pub(crate) type GatewayEvent = lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;

/// A request before anybody was let in.
#[derive(Debug, Clone)]
pub struct RequestParts {
    method: String,
    path: String,
    route: String,
    query: String,
    headers: HashMap<String, String>,
    parameters: HashMap<String, String>,
    body: Body,
    ip: IpAddr,
    came_by_front_door: bool,
}

#[derive(Debug, Clone)]
enum Body {
    Read(Vec<u8>),
    TooLarge,
    Unreadable,
}

impl RequestParts {
    pub(crate) fn new(event: GatewayEvent) -> Self {
        let caller = event.request_context.http;
        let read = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: HashMap<_, _> =
            event.headers.iter().map(|(name, value)| (name.as_str().to_owned(), read(value))).collect();
        let secret = config::optional("ORIGIN_SECRET");
        let shown = headers.get("x-origin-secret").map(String::as_str).unwrap_or_default();
        let proven = secret.as_ref().is_some_and(|secret| hash::same(secret.as_bytes(), shown.as_bytes()));
        let viewer = headers.get("cloudfront-viewer-address").filter(|_| proven);
        let source = caller.source_ip.and_then(|ip| ip.parse().ok());
        let ip = viewer.and_then(|address| viewer_ip(address)).or(source);
        Self {
            method: caller.method.as_str().to_owned(),
            path: event.raw_path.unwrap_or_default(),
            route: event.route_key.unwrap_or_default(),
            query: event.raw_query_string.unwrap_or_default(),
            headers,
            parameters: event.path_parameters,
            body: Body::new(event.body.unwrap_or_default(), event.is_base64_encoded),
            ip: ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            came_by_front_door: proven,
        }
    }

    /// The method, in capitals.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path as it was asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The route that matched: `GET /v1/hosting/sites/{site}`.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The query string, still encoded.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    /// A header; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A parameter of the path.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Where it comes from: the viewer that CloudFront names, or whoever called the gateway.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The body's bytes.
    ///
    /// # Errors
    /// `too_large`, `malformed` (not the base64 it is said to be).
    pub fn body(&self) -> Result<&[u8]> {
        match &self.body {
            Body::Read(bytes) => Ok(bytes),
            Body::TooLarge => Err(Error::TooLarge),
            Body::Unreadable => {
                Err(Error::Malformed("The body is not the base64 it is said to be.".to_owned()))
            }
        }
    }

    /// Whether it came through CloudFront, where the firewall is, or the stage does not ask for that.
    pub(crate) fn came_by_front_door(&self) -> bool {
        self.came_by_front_door
    }

    /// The request id that the client sent, if it is one that can be told on.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.header("x-request-id").filter(|id| is_request_id(id))
    }

    /// Whether it may change anything.
    pub(crate) fn mutates(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

impl Body {
    fn new(text: String, is_base64: bool) -> Self {
        if !is_base64 {
            return if text.len() > LARGEST_BODY { Self::TooLarge } else { Self::Read(text.into_bytes()) };
        }
        if text.len() / 4 * 3 > LARGEST_BODY + 3 {
            return Self::TooLarge;
        }
        match BASE64_STANDARD.decode(text) {
            Ok(bytes) if bytes.len() > LARGEST_BODY => Self::TooLarge,
            Ok(bytes) => Self::Read(bytes),
            Err(_) => Self::Unreadable,
        }
    }
}

fn is_request_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// CloudFront writes address and port with a colon between, IPv6 without brackets.
fn viewer_ip(address: &str) -> Option<IpAddr> {
    let (ip, _port) = address.rsplit_once(':')?;
    ip.trim_matches(['[', ']']).parse().ok()
}

/// What a limit counts by: a customer with IPv6 has a whole /64.
pub(crate) fn network(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.to_string(),
            None => format!("{}/64", Ipv6Addr::from(u128::from(ip) >> 64 << 64)),
        },
    }
}

/// One request, with everybody let in and everything parsed.
#[derive(Debug)]
pub struct Call<A, B = (), Q = ()> {
    /// Who calls.
    pub caller: A,
    /// The body.
    pub body: B,
    /// The query parameters.
    pub query: Q,
    /// The moment that counts as now.
    pub now: Timestamp,
    pub(crate) request: RequestParts,
    pub(crate) origin: Origin,
    pub(crate) idempotency: Option<std::sync::Arc<Idempotency>>,
}

impl<A, B, Q> Call<A, B, Q> {
    /// A parameter of the path, such as an id. One that is no such id names nothing, so it is `not_found`.
    ///
    /// # Errors
    /// `not_found`.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T> {
        self.path(name).parse().map_err(|_| Error::NotFound)
    }

    /// A parameter of the path as text; empty if the route has none of that name.
    #[must_use]
    pub fn path(&self, name: &str) -> &str {
        self.request.parameter(name).unwrap_or_default()
    }

    /// A header; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// Where the request comes from.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.request.ip()
    }

    /// The request before anybody was let in.
    #[must_use]
    pub fn request(&self) -> &RequestParts {
        &self.request
    }

    /// Where everything comes from that this call causes.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// An event about an organisation, caused by this call.
    pub fn event<E: Event>(&self, org: OrgId, data: &E) -> EventEnvelope {
        self.origin.event(org, data)
    }

    /// The version that the client means to change (`If-Match: "7"`), as `Reply::version` told it.
    ///
    /// # Errors
    /// `malformed`.
    pub fn if_match(&self) -> Result<Option<u64>> {
        let Some(text) = self.header("if-match").map(str::trim).filter(|text| *text != "*") else {
            return Ok(None);
        };
        let number = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
        let wrong = |_| Error::Malformed("If-Match holds no version that we gave.".to_owned());
        number.parse().map(Some).map_err(wrong)
    }

    /// The page that the client wants. Its cursors are good for this function, organisation and `filter` alone: whatever
    /// else chooses what is listed, as text.
    ///
    /// # Errors
    /// `invalid` (limit), `invalid_cursor`.
    pub fn paging(&self, wanted: &PageQuery, filter: &str) -> Result<Paging> {
        self.paging_by(wanted.limit, wanted.cursor.as_deref(), filter)
    }

    /// The same for a query type of its own.
    ///
    /// # Errors
    /// `invalid` (limit), `invalid_cursor`.
    pub fn paging_by(&self, limit: Option<u32>, cursor: Option<&str>, filter: &str) -> Result<Paging> {
        let org = self.origin.org.map(|org| org.to_string()).unwrap_or_default();
        let binding = format!("{}\n{}\n{org}\n{filter}", self.origin.actor_kind(), self.request.route());
        Paging::open(config::required("CURSOR_KEY")?, binding, limit, cursor)
    }

    /// The record that lets a repeat with the same `Idempotency-Key` get this same reply. It belongs into the transaction
    /// that has the effect, so that a crash cannot part the two. `None` if the client sent no key.
    ///
    /// # Errors
    /// `internal` if the reply cannot be serialised.
    pub fn once<T: Serialize, const STATUS: u16>(&self, reply: &Reply<T, STATUS>) -> Result<Option<Write>> {
        match &self.idempotency {
            Some(idempotency) => idempotency.record(reply.clone_wire()?).map(Some),
            None => Ok(None),
        }
    }

    /// The record that refuses a repeat with the same `Idempotency-Key` while this request is answered, by
    /// `idempotency_in_progress`. It belongs into the write before an effect outside the table. `None` if the client sent no
    /// key.
    #[must_use]
    pub fn begun(&self) -> Option<Write> {
        self.idempotency.as_ref().map(|idempotency| idempotency.begun())
    }

    /// The record that lets a repeat in again: there was no effect.
    #[must_use]
    pub fn ended(&self) -> Option<Write> {
        self.idempotency.as_ref().map(|idempotency| idempotency.ended())
    }

    /// A new identifier.
    #[must_use]
    pub fn new_id<T: crate::random::Generated>(&self) -> T {
        self.origin.id()
    }

    /// Counts one more against a limit that only the body tells the key of, such as an e-mail address.
    ///
    /// # Errors
    /// `too_many_requests`; `unavailable` if that cannot be told.
    pub async fn limit(&self, app: &App, limit: super::Limit, key: &str) -> Result<()> {
        limit.take(app, key).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    pub(crate) fn event(body: serde_json::Value) -> GatewayEvent {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_gateway_event_becomes_a_request() {
        let request = RequestParts::new(event(json!({
            "version": "2.0", "routeKey": "POST /v1/sites/{site}", "rawPath": "/v1/sites/x", "rawQueryString": "a=b",
            "headers": {"X-Request-Id": "r-1", "content-type": "application/json"},
            "pathParameters": {"site": "x"}, "body": "eyJhIjoxfQ==", "isBase64Encoded": true,
            "requestContext": {"routeKey": "POST /v1/sites/{site}", "http": {"method": "POST", "sourceIp": "192.0.2.1"}},
        })));
        assert_eq!(request.body().unwrap(), br#"{"a":1}"#);
        assert_eq!((request.request_id(), request.parameter("site")), (Some("r-1"), Some("x")));
        assert_eq!(
            (request.ip().to_string().as_str(), request.route()),
            ("192.0.2.1", "POST /v1/sites/{site}")
        );
        assert!(request.mutates());
        assert!(!request.came_by_front_door(), "where no secret is set, nobody can have shown it");
    }

    #[test]
    fn bodies_have_their_limit() {
        assert!(matches!(Body::new("x".repeat(LARGEST_BODY + 1), false), Body::TooLarge));
        assert!(matches!(Body::new("x".repeat(LARGEST_BODY), false), Body::Read(_)));
        assert!(matches!(Body::new(BASE64_STANDARD.encode(vec![0; LARGEST_BODY + 1]), true), Body::TooLarge));
        assert!(matches!(Body::new("?".to_owned(), true), Body::Unreadable));
    }

    #[test]
    fn addresses_are_read_as_cloudfront_writes_them() {
        let ip = |text| viewer_ip(text).map(|ip| ip.to_string());
        assert_eq!(ip("198.51.100.10:46532").as_deref(), Some("198.51.100.10"));
        assert_eq!(ip("2001:db8:0:0:0:8a2e:370:7334:443").as_deref(), Some("2001:db8::8a2e:370:7334"));
        assert_eq!(ip("nonsense"), None);
        let networks = ["2001:db8:0:1::5", "2001:db8:0:1:ffff::9", "::ffff:192.0.2.1", "192.0.2.1"];
        let networks = networks.map(|ip| network(ip.parse().unwrap()));
        assert_eq!(networks, ["2001:db8:0:1::/64", "2001:db8:0:1::/64", "192.0.2.1", "192.0.2.1"]);
    }

    #[test]
    fn request_ids_are_short_and_plain() {
        assert!(is_request_id("a.B-3_z") && is_request_id(&"x".repeat(64)));
        for wrong in ["", "a b", "a\n", "ü", "a=", &"x".repeat(65)] {
            assert!(!is_request_id(wrong), "{wrong}");
        }
    }
}
