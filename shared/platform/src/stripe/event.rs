//! Events, and where Stripe sends them.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::value::{Created, Deleted, List, Metadata, Page, identified, or_nothing};
use super::{Pages, Stripe, StripeError, nothing, part};

/// That something happened. The object in it is as it was then.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    /// `invoice.paid`.
    pub kind: String,
    pub created: Timestamp,
    /// The connected account that it is of, unless it is ours.
    pub account: Option<String>,
    pub livemode: bool,
    pub api_version: Option<String>,
    /// The object; of a thin event its id, type and path alone.
    pub object: Value,
    /// What the changed members were before.
    pub previous_attributes: Option<Value>,
    /// Whether the object has to be fetched: events of API v2 name it alone.
    pub is_thin: bool,
    /// The idempotency key of the call that caused it.
    pub request_key: Option<String>,
}

/// The shape of both kinds of events.
#[derive(Deserialize)]
struct Told {
    id: String,
    object: String,
    #[serde(rename = "type")]
    kind: String,
    created: When,
    account: Option<String>,
    context: Option<String>,
    #[serde(default)]
    livemode: bool,
    api_version: Option<String>,
    data: Option<Data>,
    related_object: Option<Value>,
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum When {
    Secs(i64),
    Text(Timestamp),
}

#[derive(Deserialize)]
struct Data {
    object: Option<Value>,
    previous_attributes: Option<Value>,
}

#[derive(Deserialize)]
struct Request {
    idempotency_key: Option<String>,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let told = Told::deserialize(deserializer)?;
        let is_thin = match told.object.as_str() {
            "event" => false,
            "v2.core.event" => true,
            other => return Err(de::Error::custom(format!("{other} is no event"))),
        };
        let (object, previous_attributes) =
            told.data.map_or((None, None), |data| (data.object, data.previous_attributes));
        let object = if is_thin { told.related_object } else { object };
        Ok(Self {
            id: told.id,
            kind: told.kind,
            created: match told.created {
                When::Secs(secs) => Timestamp::from_secs(secs),
                When::Text(moment) => moment,
            },
            account: if is_thin { told.context } else { told.account },
            livemode: told.livemode,
            api_version: told.api_version,
            object: object.unwrap_or_default(),
            previous_attributes,
            is_thin,
            request_key: told.request.and_then(|request| request.idempotency_key),
        })
    }
}

impl Event {
    /// The object's id; upcoming invoices have none that leads anywhere.
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.object.get("id").and_then(Value::as_str)
    }

    /// What the object is: `subscription`, `checkout.session`.
    #[must_use]
    pub fn object_kind(&self) -> &str {
        let name = if self.is_thin { "type" } else { "object" };
        self.object.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The object as a type.
    ///
    /// # Errors
    /// `Unreadable` if it is of another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, StripeError> {
        T::deserialize(&self.object).map_err(|error| StripeError::unreadable_event(&self.id, &error))
    }
}

/// Where Stripe sends events.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WebhookEndpoint {
    pub id: String,
    pub url: String,
    /// `enabled` or `disabled`.
    pub status: String,
    #[serde(default)]
    pub enabled_events: Vec<String>,
    pub api_version: Option<String>,
    /// Told when it is made, and never again.
    pub secret: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

identified!(Event, WebhookEndpoint);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    pub types: Vec<String>,
    /// Whether all endpoints have taken it.
    pub delivery_success: Option<bool>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewWebhookEndpoint {
    pub url: String,
    pub enabled_events: Vec<String>,
    pub api_version: Option<String>,
    /// Whether it gets the events of connected accounts, instead of ours.
    pub connect: Option<bool>,
    pub description: Option<String>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookEndpointUpdate {
    pub url: Option<String>,
    pub enabled_events: Vec<String>,
    pub disabled: Option<bool>,
    pub description: Option<String>,
    pub metadata: Metadata,
}

/// The calls for events.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a>(pub(super) &'a Stripe);

impl Events<'_> {
    /// One of the last thirty days.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<Event, StripeError> {
        self.0.get(&format!("/v1/events/{}", part(id)), &nothing()).await
    }

    /// A page of them, newest first; with `ending_before` those after an event.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn list(self, filter: &EventFilter) -> Result<List<Event>, StripeError> {
        self.0.get("/v1/events", filter).await
    }

    /// All of them, newest first, page by page.
    pub fn pages(self, filter: &EventFilter) -> Pages<Event> {
        self.0.pages("/v1/events", filter)
    }

    /// All that a thin event tells, as API v2 writes it.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn thin(self, id: &str) -> Result<Value, StripeError> {
        self.0.get(&format!("/v2/core/events/{}", part(id)), &nothing()).await
    }
}

/// The calls for webhook endpoints.
#[derive(Debug, Clone, Copy)]
pub struct WebhookEndpoints<'a>(pub(super) &'a Stripe);

impl WebhookEndpoints<'_> {
    /// Makes one; its secret is told now alone.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(
        self,
        params: &NewWebhookEndpoint,
        key: &str,
    ) -> Result<WebhookEndpoint, StripeError> {
        self.0.post("/v1/webhook_endpoints", params, key).await
    }

    /// Changes what the parameters name.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn update(
        self,
        id: &str,
        params: &WebhookEndpointUpdate,
        key: &str,
    ) -> Result<WebhookEndpoint, StripeError> {
        self.0.post(&format!("/v1/webhook_endpoints/{}", part(id)), params, key).await
    }

    /// All of them.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        self.0.all("/v1/webhook_endpoints", &nothing()).await
    }

    /// Takes one away.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn delete(self, id: &str) -> Result<Deleted, StripeError> {
        self.0.delete(&format!("/v1/webhook_endpoints/{}", part(id)), &nothing()).await
    }
}
