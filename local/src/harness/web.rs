//! A small HTTP client for loopback, and what it brings back.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::{Context, Error, Result};

/// Connections to a stack.
#[derive(Clone)]
pub struct Web {
    pool: Pool<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Web {
    /// Requests to the stack at `base`: `http://127.0.0.1:4567`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { pool: Pool::builder(TokioExecutor::new()).build(connector), base: base.into() }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the stack cannot be reached, or the request cannot be written.
    pub async fn send(&self, method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Result<Answer> {
        let uri: Uri = format!("{}{path}", self.base).parse().context(format!("the address {path}"))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        let response = self.pool.request(request).await.context(format!("asking {}{path}", self.base))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Fetches a page by its public address, as a browser on this machine would.
    ///
    /// # Errors
    /// As [`Web::send`].
    pub async fn browse(&self, url: &str) -> Result<Answer> {
        let uri: Uri = url.parse().context(format!("the address {url}"))?;
        let host = uri.host().ok_or_else(|| Error::new(format!("{url} names no host")))?;
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host)?);
        self.send(Method::GET, path, &headers, Bytes::new()).await
    }
}

/// An answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of a problem document.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body of an answer that must be a success.
    ///
    /// # Panics
    /// When it is not, showing it.
    #[must_use]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "answered {}: {}", self.status, self.text());
        self.json()
    }

    /// The body of an answer that must have this status.
    ///
    /// # Panics
    /// When it has another, showing it.
    #[allow(clippy::must_use_candidate, reason = "the check is often all that is wanted")]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "answered {}: {}", self.status, self.text());
        self.json()
    }
}

/// Somebody who calls the API: an address of their own, perhaps a token.
#[derive(Clone)]
pub struct Client {
    web: Web,
    headers: HeaderMap,
    /// What signing up or in answered.
    pub session: Value,
}

impl Client {
    /// Somebody at this address, whom the front door vouches for by its secret.
    #[must_use]
    pub fn new(web: Web, address: IpAddr, origin_secret: &str) -> Self {
        let client = Self { web, headers: HeaderMap::new(), session: Value::Null };
        client.with_header("x-origin-secret", origin_secret).at(address)
    }

    /// The same person at another address.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        let viewer = match address {
            IpAddr::V4(address) => format!("{address}:50000"),
            IpAddr::V6(address) => format!("[{address}]:50000"),
        };
        self.with_header("cloudfront-viewer-address", &viewer)
    }

    /// With a header more, or another value of it.
    ///
    /// # Panics
    /// When that is no header.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        let name: HeaderName = name.parse().expect("a header's name");
        client.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        client
    }

    /// Without a header.
    #[must_use]
    pub fn without_header(&self, name: &str) -> Self {
        let mut client = self.clone();
        client.headers.remove(name);
        client
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        self.with_header("idempotency-key", key)
    }

    /// With a bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// With the session that signing up or in answered.
    #[must_use]
    pub fn with_session(&self, session: Value) -> Self {
        let mut client = self.with_token(session["token"].as_str().unwrap_or_default());
        client.session = session;
        client
    }

    /// The bearer token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.session["token"].as_str().unwrap_or_default()
    }

    /// The organisation's id.
    #[must_use]
    pub fn org(&self) -> &str {
        self.session["organisation"]["id"].as_str().unwrap_or_default()
    }

    /// The person's id.
    #[must_use]
    pub fn user(&self) -> &str {
        self.session["user"]["id"].as_str().unwrap_or_default()
    }

    /// The person's mail address.
    #[must_use]
    pub fn email(&self) -> &str {
        self.session["user"]["email"].as_str().unwrap_or_default()
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// POST without a body.
    pub async fn post_empty(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Any method, with a JSON body or none.
    ///
    /// # Panics
    /// When the stack cannot be reached.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut headers = self.headers.clone();
        if body.is_some() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        self.raw(method, path, &headers, body).await
    }

    /// Any method with any bytes and this content type.
    ///
    /// # Panics
    /// When the stack cannot be reached.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let client = self.with_header("content-type", content_type);
        client.raw(method, path, &client.headers, body.into()).await
    }

    async fn raw(&self, method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        match self.web.send(method, path, headers, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{error}"),
        }
    }
}
