//! The HTTP client for everything on the internet that is not AWS.
//!
//! A call never outlives the invocation, answers have a size limit, and what may be repeated is tried again after a random
//! pause, as long as the retry budget lasts: when a partner is down, retries must not make it worse. URLs that users
//! gave go through [`Partner::get_user_url`], which talks to public addresses only (see [`guard`]).

pub mod guard;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use guard::user_url;

use crate::{Error, Result, clock, config, random};

/// What is left of the invocation when a call must have ended: time to answer and to log.
const RESERVE: Duration = Duration::from_millis(500);
/// The longest that one try takes, unless the caller says.
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a call is tried.
const TRIES: u32 = 3;
/// The pause before the first retry is up to this, and doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// The most bytes of an answer that are read, unless the caller says.
const USUAL_SIZE: usize = 4 * 1024 * 1024;

/// The clients of a process, made when they are first used, and its retry budget.
#[derive(Debug, Default)]
pub(crate) struct Internet {
    client: OnceLock<reqwest::Client>,
    direct: OnceLock<reqwest::Client>,
    budget: Budget,
}

impl Internet {
    /// The client for partners. `INTERNET_PROXY` is set in the local stack alone, where that proxy is the internet.
    fn client(&self) -> Result<&reqwest::Client> {
        made(&self.client, || {
            let builder = builder();
            match proxy()? {
                Some(proxy) => builder.proxy(proxy).build().map_err(Error::caused),
                None => builder.build().map_err(Error::caused),
            }
        })
    }

    /// The client for AWS endpoints without an SDK crate.
    pub(crate) fn direct(&self) -> Result<&reqwest::Client> {
        made(&self.direct, || builder().build().map_err(Error::caused))
    }
}

fn made(
    slot: &OnceLock<reqwest::Client>,
    make: impl FnOnce() -> Result<reqwest::Client>,
) -> Result<&reqwest::Client> {
    if let Some(client) = slot.get() {
        return Ok(client);
    }
    let client = make()?;
    Ok(slot.get_or_init(|| client))
}

fn proxy() -> Result<Option<reqwest::Proxy>> {
    config::optional("INTERNET_PROXY").map(|url| reqwest::Proxy::all(url).map_err(Error::caused)).transpose()
}

fn builder() -> reqwest::ClientBuilder {
    static PROVIDER: Once = Once::new();
    // Whoever installs a provider first wins; all of them are aws-lc.
    PROVIDER.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
    #[allow(clippy::disallowed_methods)]
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("tenantry/1")
}

/// Retries that may be spent: each takes ten parts, each success gives one back, so that at most a tenth of the calls to
/// a failing world are retries.
#[derive(Debug)]
struct Budget {
    parts: AtomicU32,
}

impl Budget {
    const FULL: u32 = 100;
    const RETRY: u32 = 10;

    fn spend(&self) -> bool {
        self.parts
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |parts| parts.checked_sub(Self::RETRY))
            .is_ok()
    }

    fn earn(&self) {
        let more = |parts: u32| (parts < Self::FULL).then_some(parts + 1);
        // Full is full.
        let _ = self.parts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { parts: AtomicU32::new(Self::FULL) }
    }
}

/// The client, for one invocation.
#[derive(Debug, Clone, Copy)]
pub struct Partner<'a> {
    internet: &'a Internet,
    deadline: Instant,
}

impl<'a> Partner<'a> {
    pub(crate) fn new(internet: &'a Internet, deadline: Instant) -> Self {
        Self { internet, deadline }
    }

    /// A GET.
    #[must_use]
    pub fn get(self, url: &str) -> Request<'a> {
        self.request(Method::GET, url)
    }

    /// A POST; tried again only when [`Request::idempotent`] says so.
    #[must_use]
    pub fn post(self, url: &str) -> Request<'a> {
        self.request(Method::POST, url)
    }

    /// A DELETE.
    #[must_use]
    pub fn delete(self, url: &str) -> Request<'a> {
        self.request(Method::DELETE, url)
    }

    /// Any method.
    #[must_use]
    pub fn request(self, method: Method, url: &str) -> Request<'a> {
        Request {
            idempotent: method.is_idempotent(),
            again_if: Answer::is_passing,
            partner: self,
            name: "partner",
            method,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: USUAL_TIMEOUT,
            size: USUAL_SIZE,
            is_users: false,
            fault: None,
        }
    }

    /// A GET of a URL that a user gave: resolved once, to public addresses only, without redirects.
    #[must_use]
    pub fn get_user_url(self, url: &Url) -> Request<'a> {
        Request { is_users: true, ..self.get(url.as_str()) }
    }

    /// How long a call may take from now.
    fn left(&self) -> Duration {
        clock::left(self.deadline).saturating_sub(RESERVE)
    }
}

/// One call, to be sent.
#[derive(Debug)]
pub struct Request<'a> {
    partner: Partner<'a>,
    name: &'static str,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    timeout: Duration,
    size: usize,
    idempotent: bool,
    again_if: fn(&Answer) -> bool,
    is_users: bool,
    fault: Option<String>,
}

impl Request<'_> {
    /// Whom errors name: `stripe`.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// A header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => drop(self.headers.insert(HeaderName::from_static(name), value)),
            Err(_) => self.fault = Some(format!("the header {name} holds what no header may")),
        }
        self
    }

    /// The header `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A body as it is.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { body, ..self.header("content-type", content_type) }
    }

    /// A body in JSON.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.fault = Some(error.to_string());
                self
            }
        }
    }

    /// A body as forms send it.
    #[must_use]
    pub fn form(mut self, body: &impl Serialize) -> Self {
        match serde_urlencoded::to_string(body) {
            Ok(body) => self.body("application/x-www-form-urlencoded", body),
            Err(error) => {
                self.fault = Some(error.to_string());
                self
            }
        }
    }

    /// The longest that one try may take; the invocation's end shortens it.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The most bytes of the answer that are read.
    #[must_use]
    pub fn at_most(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// Whether the same call twice has the effect of one: only then is it tried again. A POST with an idempotency key is.
    #[must_use]
    pub fn idempotent(self, idempotent: bool) -> Self {
        Self { idempotent, ..self }
    }

    /// Which answers may be others the next time, where a partner says so itself; else 429 and 5xx.
    #[must_use]
    pub fn again_if(self, again_if: fn(&Answer) -> bool) -> Self {
        Self { again_if, ..self }
    }

    /// Sends it. Any answer is an answer, whatever its status; a passing one is tried again first where that is allowed.
    ///
    /// # Errors
    /// `unavailable` if no answer came, `bad_gateway` if it was too large; `invalid` if a user's URL leads to no public
    /// address.
    pub async fn send(self) -> Result<Answer> {
        if let Some(fault) = self.fault {
            return Err(Error::internal(fault));
        }
        let client = if self.is_users { guard::pinned(&self.url).await? } else { None };
        let client = match &client {
            Some(client) => client,
            None => self.partner.internet.client()?,
        };
        let mut tries = 1;
        loop {
            let done = self.once(client).await;
            let again = match &done {
                Ok(answer) => (self.again_if)(answer).then(|| answer.retry_after()),
                Err(Error::Partner { retryable: true, .. }) => Some(None),
                Err(_) => None,
            };
            let Some(asked) = again else {
                self.partner.internet.budget.earn();
                return done;
            };
            let pause = asked.unwrap_or_else(|| full_jitter(tries));
            let in_time = pause < LONGEST_PAUSE && pause + CONNECT_TIMEOUT < self.partner.left();
            if !self.idempotent || tries == TRIES || !in_time || !self.partner.internet.budget.spend() {
                return done;
            }
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    async fn once(&self, client: &reqwest::Client) -> Result<Answer> {
        let failed = |error: reqwest::Error| Error::partner(self.name, true, error.without_url());
        let left = self.partner.left();
        if left.is_zero() {
            return Err(Error::partner(self.name, true, "no time is left for the call"));
        }
        let request = client
            .request(self.method.clone(), self.url.as_str())
            .headers(self.headers.clone())
            .timeout(self.timeout.min(left))
            .body(self.body.clone());
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.size {
                return Err(Error::partner(
                    self.name,
                    false,
                    format!("an answer of more than {} bytes", self.size),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { name: self.name, status, headers, body: body.freeze() })
    }
}

/// A random part of a time that doubles with each try.
fn full_jitter(tries: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(4)).min(LONGEST_PAUSE);
    Duration::from_millis(random::below(u64::try_from(longest.as_millis()).unwrap_or(0)))
}

/// What a partner said.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) name: &'static str,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The answer, if it is a success.
    ///
    /// # Errors
    /// `unavailable` for 429 and 5xx, `bad_gateway` for all else.
    pub fn success(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(Error::partner(self.name, self.is_passing(), format!("answered {}", self.status)))
    }

    /// The body as a type.
    ///
    /// # Errors
    /// `bad_gateway` if it is of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::partner(self.name, false, error))
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn is_passing(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 500 | 502 | 503 | 504)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_world_gets_few_retries() {
        let budget = Budget::default();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend());
        for _ in 0..500 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }

    #[test]
    fn only_a_busy_or_broken_partner_may_recover() {
        let answer = |status| Answer {
            name: "stripe",
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("2"))]),
            body: Bytes::from_static(b"{}"),
        };
        assert_eq!(answer(503).success().map_err(|error| error.code()).err(), Some("unavailable"));
        assert_eq!(answer(402).success().map_err(|error| error.code()).err(), Some("bad_gateway"));
        assert_eq!(answer(429).retry_after(), Some(Duration::from_secs(2)));
        assert!(answer(200).success().is_ok());
        assert!((1..9).all(|tries| full_jitter(tries) <= LONGEST_PAUSE));
    }
}
