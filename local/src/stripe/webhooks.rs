//! Webhooks: who is told of which event, signed deliveries with retries, and what tests do to them.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, delete, get, page, post};
use super::turn::{Turn, new_id};
use super::value::{copy, int, list, merge_metadata, metadata, public, some, text};
use super::{Account, Stripe, VERSION};

/// Seconds between the tries of a delivery; the last of them is about three days after the first.
const PAUSES: [i64; 11] = [300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000, 36_000, 36_000, 18_000];
/// The API knows an event for so many seconds.
const EVENTS_LIVE: i64 = 30 * 86_400;
/// The endpoint that is there from the start.
const OWN: &str = "we_0000000000local";

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/webhook_endpoints",
        "url! enabled_events![] api_version connect:bool description metadata:map",
        create,
    ),
    get("/v1/webhook_endpoints", "", |turn, call| page(turn, call, "webhook_endpoint", |_| true)),
    get("/v1/webhook_endpoints/{id}", "", |turn, call| turn.must("webhook_endpoint", call.id(), "id")),
    post("/v1/webhook_endpoints/{id}", "url enabled_events[] disabled:bool description metadata:map", update),
    delete("/v1/webhook_endpoints/{id}", "", |turn, call| {
        turn.must("webhook_endpoint", call.id(), "id")?;
        turn.remove("webhook_endpoint", call.id());
        Ok(json!({ "id": call.id(), "object": "webhook_endpoint", "deleted": true }))
    }),
    get("/v1/events", "type types[] created:range delivery_success:bool", |turn, call| {
        let types = list(&call.given["types"]);
        let oldest = turn.now - EVENTS_LIVE;
        page(turn, call, "event", |event| {
            let one = some(&call.given["type"]).is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(start) => text(&event["type"]).starts_with(start),
                None => event["type"] == wanted,
            });
            let delivered = call.given["delivery_success"]
                .as_bool()
                .is_none_or(|wanted| wanted == (event["pending_webhooks"] == 0));
            int(&event["created"]) > oldest
                && one
                && delivered
                && (types.is_empty() || types.contains(&event["type"]))
        })
    }),
    get("/v1/events/{id}", "", |turn, call| {
        let event = turn.must("event", call.id(), "id")?;
        let known = int(&event["created"]) > turn.now - EVENTS_LIVE;
        known.then_some(event).ok_or_else(|| StripeError::missing("event", call.id(), "id"))
    }),
    get("/v2/core/events/{id}", "", |turn, call| {
        let event = turn.get("v2.core.event", call.id()).cloned();
        event.ok_or_else(|| StripeError::missing("event", call.id(), "id"))
    }),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    check_url(call.text("url"))?;
    if let Some(version) = some(&call.given["api_version"]).filter(|version| *version != VERSION) {
        return Err(StripeError::invalid("", "api_version", format!("Invalid API version: {version}")));
    }
    if turn.all("webhook_endpoint").len() >= 16 {
        return Err(StripeError::refused("You have reached the maximum of 16 test webhook endpoints."));
    }
    let secret = new_id("whsec_");
    let endpoint = turn.make(
        "webhook_endpoint",
        "we_",
        json!({
            "api_version": call.given["api_version"],
            "application": null,
            "description": call.given["description"],
            "enabled_events": call.given["enabled_events"],
            "metadata": metadata(&call.given),
            "status": "enabled",
            "url": call.given["url"],
            "_secret": secret,
        }),
    );
    // Only now is the secret told.
    let mut shown = public(&endpoint);
    shown["secret"] = secret.into();
    Ok(shown)
}

fn update(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut endpoint = turn.must("webhook_endpoint", call.id(), "id")?;
    if call.has("url") {
        check_url(call.text("url"))?;
    }
    copy(&mut endpoint, &call.given, &["url", "enabled_events", "description"]);
    if let Some(disabled) = call.given["disabled"].as_bool() {
        endpoint["status"] = if disabled { "disabled" } else { "enabled" }.into();
    }
    merge_metadata(&mut endpoint, &call.given);
    turn.put(&endpoint);
    Ok(endpoint)
}

fn check_url(text: &str) -> Outcome<()> {
    let is_url = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_url {
        return Ok(());
    }
    Err(StripeError::invalid("url_invalid", "url", format!("Invalid URL: {text}")))
}

/// The endpoint of the stack itself, as somebody set it up in the dashboard; its URL follows the stack's port.
pub(super) fn declare(turn: &mut Turn<'_>, account: &Account) {
    let url = format!("{}/v1/webhooks/stripe", account.stack_url);
    if turn.get("webhook_endpoint", OWN).is_none() {
        let endpoint = json!({
            "api_version": VERSION,
            "application": null,
            "description": "The local stack's own",
            "enabled_events": ["*"],
            "metadata": {},
            "status": "enabled",
        });
        turn.make_as("webhook_endpoint", OWN, endpoint);
    }
    turn.edit("webhook_endpoint", OWN, |endpoint| {
        endpoint["url"] = url.into();
        endpoint["_secret"] = account.webhook_secret.as_str().into();
    });
}

/// Plans the deliveries of this turn's events.
pub(super) fn plan(turn: &mut Turn<'_>) {
    let endpoints = turn.those("webhook_endpoint", |endpoint| endpoint["status"] == "enabled");
    for id in turn.events.clone() {
        let kind = text(&turn.find(&id).map(|event| event["type"].clone()).unwrap_or_default()).to_owned();
        let mut pending = 0;
        for endpoint in &endpoints {
            let wanted = list(&endpoint["enabled_events"]);
            if wanted.iter().any(|wanted| *wanted == "*" || *wanted == kind.as_str()) {
                plan_one(turn, &json!({ "event": id, "endpoint": endpoint["id"] }));
                pending += 1;
            }
        }
        turn.edit("event", &id, |event| event["pending_webhooks"] = pending.into());
    }
}

/// Plans one delivery, due at once.
pub(super) fn plan_one(turn: &mut Turn<'_>, what: &Value) {
    let mut delivery = what.clone();
    delivery["next_at"] = turn.now.into();
    delivery["attempts"] = 0.into();
    turn.make("_delivery", "dlv_", delivery);
}

/// What tests do to webhooks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    pub(super) dropped: bool,
    doubled: bool,
    shuffled: bool,
    held: bool,
}

/// The webhooks of a fake Stripe, for tests.
pub struct Webhooks<'stripe> {
    pub(super) stripe: &'stripe Stripe,
}

impl Webhooks<'_> {
    /// From now on no event is delivered, ever; they are only listed.
    pub fn drop_all(&self) {
        self.set(|mode| mode.dropped = true);
    }

    /// From now on each event is delivered twice.
    pub fn double(&self) {
        self.set(|mode| mode.doubled = true);
    }

    /// From now on what waits is delivered in any order.
    pub fn shuffle(&self) {
        self.set(|mode| mode.shuffled = true);
    }

    /// From now on events wait, until [`Webhooks::release`] or [`Webhooks::deliver`].
    pub fn hold(&self) {
        self.set(|mode| mode.held = true);
    }

    /// Lets go of what waits.
    pub fn release(&self) {
        self.set(|mode| mode.held = false);
        self.stripe.kick();
    }

    /// As Stripe does it.
    pub fn normal(&self) {
        self.set(|mode| *mode = Mode::default());
        self.stripe.kick();
    }

    /// How many deliveries wait: for their first or their next try.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.stripe.lock_store().each("_delivery").count()
    }

    /// Sends everything that waits, once, be it due or not.
    pub async fn deliver(&self) {
        let waiting = self.stripe.waiting(|_| true);
        for delivery in self.stripe.in_order(waiting) {
            if let Some(taken) = self.stripe.take(&delivery) {
                self.stripe.send(taken).await;
            }
        }
    }

    /// Signs and sends any event as it is given, of which Stripe itself knows nothing.
    pub fn forge(&self, event: Value) {
        self.stripe.with_turn(self.stripe.now(), Value::Null, |turn| {
            let endpoints = turn.those("webhook_endpoint", |endpoint| endpoint["status"] == "enabled");
            let mut what = json!({ "event": "", "payload": event });
            for endpoint in endpoints {
                what["endpoint"] = endpoint["id"].clone();
                plan_one(turn, &what);
            }
        });
    }

    fn set(&self, change: impl FnOnce(&mut Mode)) {
        change(&mut self.stripe.lock_mode());
    }
}

impl Stripe {
    /// Begins to deliver what is due.
    pub(super) fn kick(&self) {
        let now = self.now();
        let due = self.lock_store().each("_delivery").any(|delivery| int(&delivery["next_at"]) <= now);
        if !due || self.lock_mode().held {
            return;
        }
        let busy = self.shared.activity.begin();
        let stripe = self.clone();
        tokio::spawn(async move {
            while let Some(delivery) = stripe.take_due() {
                stripe.send(delivery).await;
            }
            drop(busy);
        });
    }

    /// When a delivery is tried again, in seconds.
    pub(super) fn next_delivery(&self) -> Option<i64> {
        if self.lock_mode().held {
            return None;
        }
        self.lock_store().each("_delivery").map(|delivery| int(&delivery["next_at"])).min()
    }

    fn waiting(&self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut waiting: Vec<Value> =
            self.lock_store().each("_delivery").filter(|delivery| fits(delivery)).cloned().collect();
        waiting.sort_by_key(|delivery| int(&delivery["_seq"]));
        waiting
    }

    fn in_order(&self, mut waiting: Vec<Value>) -> Vec<Value> {
        if self.lock_mode().shuffled {
            waiting.sort_by_cached_key(|_| crate::random::word());
        }
        waiting
    }

    fn take_due(&self) -> Option<Value> {
        if self.lock_mode().held {
            return None;
        }
        let now = self.now();
        let due = self.waiting(|delivery| int(&delivery["next_at"]) <= now);
        self.in_order(due).iter().find_map(|delivery| self.take(delivery))
    }

    /// Takes a delivery so that nobody else sends it meanwhile.
    fn take(&self, delivery: &Value) -> Option<Value> {
        let id = text(&delivery["id"]);
        let mut sending = self.lock_sending();
        let still = self.lock_store().get("_delivery", id).cloned()?;
        sending.insert(id.to_owned()).then_some(still)
    }

    async fn send(&self, delivery: Value) {
        let id = text(&delivery["id"]).to_owned();
        let (endpoint, payload) = {
            let store = self.lock_store();
            let endpoint = store.get("webhook_endpoint", text(&delivery["endpoint"])).cloned();
            let event = store.get("event", text(&delivery["event"])).map(public);
            (endpoint, delivery.get("payload").cloned().or(event))
        };
        let mut taken = false;
        if let (Some(endpoint), Some(payload)) = (&endpoint, &payload) {
            let times = if self.lock_mode().doubled { 2 } else { 1 };
            for _ in 0..times {
                taken |= self.post(endpoint, payload).await;
            }
        }
        let gone = endpoint.is_none() || payload.is_none();
        self.with_turn(self.now(), Value::Null, |turn| {
            let attempts = usize::try_from(int(&delivery["attempts"])).unwrap_or(0);
            let pause = PAUSES.get(attempts).filter(|_| !taken && !gone);
            let next = pause.map(|pause| turn.now + pause);
            match next {
                Some(next) => turn.edit("_delivery", &id, |delivery| {
                    delivery["attempts"] = (attempts + 1).into();
                    delivery["next_at"] = next.into();
                }),
                None => {
                    turn.remove("_delivery", &id);
                    turn.edit("event", text(&delivery["event"]), |event| {
                        event["pending_webhooks"] = (int(&event["pending_webhooks"]) - 1).max(0).into();
                    });
                }
            }
        });
        self.lock_sending().remove(&id);
    }

    /// Whether the endpoint took it.
    async fn post(&self, endpoint: &Value, payload: &Value) -> bool {
        let account = &self.shared.account;
        let body = format!("{payload:#}");
        let signature = signature(text(&endpoint["_secret"]), self.now(), &body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static("Stripe/1.0 (+https://stripe.com/docs/webhooks)"));
        let Ok(signature) = HeaderValue::from_str(&signature) else { return false };
        headers.insert("stripe-signature", signature);
        let url = text(&endpoint["url"]);
        // The stack listens on 127.0.0.1 for certain.
        let url = match url.strip_prefix(&account.stack_url) {
            Some(path) => format!("{}{path}", account.address),
            None => url.to_owned(),
        };
        let sent = self.shared.web.send(Method::POST, &url, &headers, Bytes::from(body)).await;
        sent.is_ok_and(|answer| (200..300).contains(&answer.status))
    }
}

/// The header `Stripe-Signature`.
pub(super) fn signature(secret: &str, at: i64, body: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(tag.as_ref()))
}

/// Ids of deliveries on their way.
pub(super) type Sending = BTreeSet<String>;
