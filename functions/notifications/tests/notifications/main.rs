//! Notifications from outside: events and requests in, mails out, with the real functions.

#![allow(clippy::unwrap_used)]

mod billing;
mod contact;
mod feedback;
mod letters;
mod poison;
mod samples;
mod sending;

use local::Stack;
use serde_json::{Value, json};

/// The id of an event that a test makes up.
fn event_id(number: u8) -> String {
    format!("evt_01KAJ3YC000000000000000E{number:02}")
}

/// An event in the envelope that the bus and the queues carry.
fn envelope(id: u8, kind: &str, org: Option<&str>, data: Value) -> Value {
    let mut envelope = json!({
        "id": event_id(id), "type": kind, "v": 1, "at": "2026-11-21T03:44:00.000Z",
        "actor": "system:test", "request_id": "test", "data": data,
    });
    if let Some(org) = org {
        envelope["org"] = json!(org);
    }
    envelope
}

/// Tells notifications of an event, past the bus.
async fn tell(stack: &Stack, event: Value) {
    stack.queue("notifications-route").send(event).await;
    stack.settle().await;
}

/// The deliveries of a template, oldest first.
fn deliveries(stack: &Stack, template: &str) -> Vec<Value> {
    let mut deliveries = stack.table("notifications").of_kind("delivery");
    deliveries.retain(|delivery| delivery["template"] == template);
    deliveries.sort_by_key(|delivery| delivery["id"].to_string());
    deliveries
}

/// The one delivery of a template.
fn delivery(stack: &Stack, template: &str) -> Value {
    let deliveries = deliveries(stack, template);
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    deliveries.into_iter().next().unwrap()
}

/// A site that came to be.
fn site_activated(id: u8, org: &str, requested_by: Option<&str>) -> Value {
    let mut data = json!({
        "site": "site_01KAJ3YC0000000000000S0TE1", "fqdn": "acme.sites.localhost",
        "operation": "op_01KAJ3YC00000000000000000P", "millis": 61_000,
    });
    if let Some(user) = requested_by {
        data["requested_by"] = json!(user);
    }
    envelope(id, "hosting.site_activated", Some(org), data)
}
