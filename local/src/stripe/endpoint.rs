//! The way of a call: the caller, what a test has ordered, key and version, the idempotency key, the call itself, the ledger.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::form::Node;
use super::routes::{self, Call};
use super::turn::{Turn, new_id};
use super::value::{public, text};
use super::{Stripe, VERSION, expand};
use crate::aws::Called;
use crate::aws::When;
use crate::aws::faults::Fault;

/// So much of a request's form the ledger keeps.
const REQUEST_KEPT: usize = 16_384;
/// Stripe forgets an idempotency key after so many seconds.
pub(super) const KEY_LIVES: i64 = 86_400;

/// A request as it came.
pub(super) struct Asked<'request> {
    pub(super) method: &'request str,
    /// From `/v1` on.
    pub(super) path: &'request str,
    /// Query or body.
    pub(super) form: &'request [u8],
    pub(super) key: Option<String>,
    pub(super) authorization: &'request str,
    pub(super) version: Option<&'request str>,
    pub(super) content_type: &'request str,
}

/// What is answered.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Value,
    request: String,
    replays: bool,
}

/// Who calls, as the client says of itself.
struct Caller {
    function: String,
    instance: String,
}

impl Caller {
    fn of(parts: &Parts) -> Self {
        let said = parts.headers.get("x-stripe-client-user-agent").and_then(|value| value.to_str().ok());
        let said: Value = said.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let function = said["function"].as_str().unwrap_or("root").to_owned();
        Self { function, instance: text(&said["instance"]).to_owned() }
    }
}

impl Stripe {
    /// Answers a call of the API; `path` is the part from `/v1` on.
    pub async fn handle(&self, parts: &Parts, path: &str, body: &Bytes) -> Response<Bytes> {
        let caller = Caller::of(parts);
        let header = |name: HeaderName| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let asked = Asked {
            method: parts.method.as_str(),
            path,
            form: if parts.method == Method::POST { body } else { query },
            key: parts
                .headers
                .get("idempotency-key")
                .and_then(|value| value.to_str().ok())
                .filter(|_| parts.method == Method::POST)
                .map(str::to_owned),
            authorization: header(AUTHORIZATION),
            version: parts.headers.get("stripe-version").and_then(|value| value.to_str().ok()),
            content_type: header(CONTENT_TYPE),
        };
        let pattern = routes::find(asked.method, path).map_or(path, |(known, _)| known.path);
        let operation = format!("{} {pattern}", asked.method);
        let faults = self.shared.cloud.faults();
        let met = faults.meet(&caller.function, "stripe", &operation);
        let mut called = Called {
            at: self.shared.clock.now(),
            function: caller.function,
            access_key: caller.instance,
            service: "stripe",
            operation,
            resource: path.to_owned(),
            request: String::from_utf8_lossy(&asked.form[..asked.form.len().min(REQUEST_KEPT)]).into_owned(),
            status: 0,
            read_units: 0.0,
            write_units: 0.0,
        };
        let ledger = self.shared.cloud.calls();
        if let Some((When::Before, killer)) = &met.kill {
            killer(&called.access_key);
            ledger.enter(called);
            return lost();
        }
        let answered = self.answer(&asked, met.fault.as_ref()).await;
        let mut response = written(&asked, &answered);
        if matches!(met.fault, Some(Fault::LoseAnswer)) {
            response = lost();
        }
        called.status = response.status().as_u16();
        if let Some((When::After, killer)) = &met.kill {
            killer(&called.access_key);
            called.status = 0;
        }
        ledger.enter(called);
        response
    }

    async fn answer(&self, asked: &Asked<'_>, fault: Option<&Fault>) -> Answered {
        let _in_use = match self.use_key(asked) {
            Ok(guard) => guard,
            Err(error) => return refused(&error),
        };
        if let Some(error) = fault.and_then(ordered) {
            if error.status == 500 {
                // Stripe remembers what it answered, be it its own fault.
                return self.play(asked, &|_: &mut Turn<'_>| Err(error.clone()));
            }
            return refused(&error);
        }
        let play = |turn: &mut Turn<'_>| call(turn, asked);
        if matches!(fault, Some(Fault::Duplicate)) {
            self.play(asked, &play);
        }
        let answered = self.play(asked, &play);
        match fault {
            // A late answer is late by real time: the caller that waits for it does so too.
            Some(Fault::Delay(span)) => tokio::time::sleep(*span).await,
            Some(Fault::Hold(held)) => held.wait().await,
            _ => {}
        }
        answered
    }

    /// Two calls with one key at the same time exclude each other.
    fn use_key(&self, asked: &Asked<'_>) -> Outcome<Option<InUse<'_>>> {
        let Some(key) = &asked.key else { return Ok(None) };
        if !self.lock_keys().insert(key.clone()) {
            let message = "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through).";
            return Err(StripeError::of(409, "invalid_request_error", "idempotency_key_in_use", message));
        }
        Ok(Some(InUse { stripe: self, key: key.clone() }))
    }

    /// Plays a call under its idempotency key.
    pub(super) fn play(&self, asked: &Asked<'_>, play: &dyn Fn(&mut Turn<'_>) -> Outcome<Value>) -> Answered {
        let request = new_id("req_");
        let checked = self.check(asked).and_then(|()| Node::parse(asked.form));
        let form = match checked {
            Ok(form) => form,
            Err(error) => return Answered { request, ..refused(&error) },
        };
        let told = json!({ "id": request, "idempotency_key": asked.key });
        self.with_turn(self.now(), told, |turn| {
            let Some(key) = &asked.key else {
                return answered(turn.attempt(play), request);
            };
            let print = format!("{} {} {form:?}", asked.method, asked.path);
            if let Some(kept) = turn.get("_key", key).filter(|kept| kept["at"].as_i64() > Some(turn.now - KEY_LIVES))
            {
                return replayed(kept, &print);
            }
            let before = valid(asked, &form);
            let done = answered(turn.attempt(play), request);
            // What failed validation may be corrected and sent again under the same key.
            if before || done.status < 400 || done.status == 500 {
                let kept = json!({
                    "print": print, "status": done.status, "body": done.body, "request": done.request, "at": turn.now,
                });
                turn.note("_key", key, Some(kept));
            }
            done
        })
    }

    fn check(&self, asked: &Asked<'_>) -> Outcome<()> {
        let unauthorized = |message: String| Err(StripeError::of(401, "invalid_request_error", "", message));
        let given = match asked.authorization.split_once(' ') {
            Some(("Bearer", key)) => key.to_owned(),
            Some(("Basic", text)) => basic(text).unwrap_or_default(),
            _ => {
                return unauthorized(
                    "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').".to_owned(),
                );
            }
        };
        if given != self.shared.account.key {
            let shown: String = given.chars().take(8).collect();
            return unauthorized(format!("Invalid API Key provided: {shown}*********"));
        }
        if let Some(version) = asked.version.filter(|version| *version != VERSION) {
            let message = format!(
                "Invalid Stripe API version: {version}. The local stack plays {VERSION}, which is what Tenantry pins."
            );
            return Err(StripeError::refused(message));
        }
        let form = asked.content_type.starts_with("application/x-www-form-urlencoded");
        if asked.method == "POST" && !form && !asked.form.is_empty() {
            return Err(StripeError::refused(
                "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.",
            ));
        }
        if asked.key.as_ref().is_some_and(|key| key.len() > 255) {
            return Err(StripeError::refused("Idempotency keys may be at most 255 characters long."));
        }
        Ok(())
    }
}

/// Whether a form would be read: such a call counts as begun.
fn valid(asked: &Asked<'_>, form: &BTreeMap<String, Node>) -> bool {
    routes::find(asked.method, asked.path).is_some_and(|(known, _)| known.schema.read(form).is_ok())
}

pub(super) fn call(turn: &mut Turn<'_>, asked: &Asked<'_>) -> Outcome<Value> {
    let Some((known, ids)) = routes::find(asked.method, asked.path) else {
        let message = format!(
            "Unrecognized request URL ({}: {}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.",
            asked.method, asked.path
        );
        return Err(StripeError::of(404, "invalid_request_error", "", message));
    };
    let given = known.schema.read(&Node::parse(asked.form)?)?;
    let call = Call { ids, given, path: asked.path.to_owned() };
    let played = (known.play)(turn, &call)?;
    let mut value = public(&played);
    expand::expand(turn, &mut value, &call.given["expand"])?;
    Ok(value)
}

impl Turn<'_> {
    /// Plays, and undoes what happened if it is refused, unless the refusal keeps it.
    pub(super) fn attempt(&mut self, play: &dyn Fn(&mut Turn<'_>) -> Outcome<Value>) -> Outcome<Value> {
        let outcome = play(self);
        if outcome.as_ref().is_err_and(|error| !error.keeps) {
            self.undo();
        }
        outcome
    }
}

/// A key in use until this is dropped.
struct InUse<'stripe> {
    stripe: &'stripe Stripe,
    key: String,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.stripe.lock_keys().remove(&self.key);
    }
}

fn ordered(fault: &Fault) -> Option<StripeError> {
    match fault {
        Fault::Fail(status, code) => {
            let kind = match status {
                402 => "card_error",
                500.. => "api_error",
                _ => "invalid_request_error",
            };
            Some(StripeError::of(*status, kind, code, "Ordered by a test."))
        }
        Fault::Throttle => Some(StripeError::of(
            429,
            "invalid_request_error",
            "rate_limit",
            "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.",
        )),
        Fault::LoseAnswer | Fault::Duplicate | Fault::Delay(_) | Fault::Hold(_) => None,
    }
}

fn refused(error: &StripeError) -> Answered {
    Answered { status: error.status, body: error.body(), request: new_id("req_"), replays: false }
}

fn answered(outcome: Outcome<Value>, request: String) -> Answered {
    match outcome {
        Ok(body) => Answered { status: 200, body, request, replays: false },
        Err(error) => Answered { request, ..refused(&error) },
    }
}

fn replayed(kept: &Value, print: &str) -> Answered {
    if kept["print"] != print {
        let message = "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than the one you used, if you meant to execute a different request.";
        return refused(&StripeError::of(400, "idempotency_error", "", message));
    }
    Answered {
        status: kept["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500),
        body: kept["body"].clone(),
        request: text(&kept["request"]).to_owned(),
        replays: true,
    }
}

fn basic(text: &str) -> Option<String> {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
    Some(String::from_utf8(decoded).ok()?.trim_end_matches(':').to_owned())
}

/// What a proxy answers in place of what was lost.
fn lost() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"upstream request timeout"));
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    response
}

fn written(asked: &Asked<'_>, answered: &Answered) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{:#}\n", answered.body)));
    *response.status_mut() =
        StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fresh = if answered.replays { new_id("req_") } else { answered.request.clone() };
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("request-id", fresh),
        ("stripe-version", VERSION.to_owned()),
    ];
    if let Some(key) = &asked.key {
        headers.push(("idempotency-key", key.clone()));
        headers.push(("original-request", answered.request.clone()));
    }
    if answered.replays {
        headers.push(("idempotent-replayed", "true".to_owned()));
    }
    match (answered.status, answered.body["error"]["code"].as_str()) {
        (409, Some("idempotency_key_in_use" | "lock_timeout")) | (429, Some("lock_timeout")) | (503, _) => {
            headers.push(("stripe-should-retry", "true".to_owned()));
        }
        (429, _) => headers.push(("retry-after", "1".to_owned())),
        (400..=404, _) => headers.push(("stripe-should-retry", "false".to_owned())),
        _ => {}
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
