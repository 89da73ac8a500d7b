//! What the page shows, as JSON: the page's twin for programs.

use serde_json::{Value, json};

use crate::lambda::lock;
use crate::mail::Mail;
use crate::stack::Core;

/// How many of the latest mails and events are listed.
const LATEST: usize = 100;

/// Everything.
pub(super) fn all(core: &Core) -> Value {
    json!({
        "clock": clock(core),
        "mails": mails(core),
        "queues": queues(core),
        "events": events(core),
        "functions": functions(core),
        "schedules": schedules(core),
        "sites": sites(core),
        "instances": core.instances.view(),
        "dns": dns(core),
        "identities": core.cloud.ses().identities(),
        "refused": refused(core),
    })
}

/// The time.
pub(super) fn clock(core: &Core) -> Value {
    json!({ "now": core.clock.now(), "ahead_seconds": core.clock.offset().as_secs() })
}

/// The latest mails, newest first.
pub(super) fn mails(core: &Core) -> Value {
    Mail::latest(&core.cloud, LATEST).iter().rev().map(|mail| json!(mail)).collect()
}

/// Every queue with its counts.
pub(super) fn queues(core: &Core) -> Value {
    core.model
        .queues
        .iter()
        .map(|queue| {
            let counts = core.cloud.sqs().counts(&queue.name).unwrap_or_default();
            json!({
                "name": queue.name,
                "holds_dead_letters": queue.holds_dead_letters,
                "visible": counts.visible,
                "in_flight": counts.in_flight,
                "delayed": counts.delayed,
            })
        })
        .collect()
}

/// A queue's messages.
pub(super) fn messages(core: &Core, queue: &str) -> Option<Value> {
    let messages = core.cloud.sqs().peek(queue).ok()?;
    Some(messages.iter().map(|message| {
        let body = serde_json::from_str(&message.body).unwrap_or_else(|_| Value::String(message.body.clone()));
        json!({ "id": message.id, "sent_at": message.sent_at, "receives": message.receives, "attributes": message.attributes, "body": body })
    }).collect())
}

/// The latest events put on a bus, newest first.
fn events(core: &Core) -> Value {
    let calls = core.cloud.calls().recent();
    let puts = calls.iter().rev().filter(|call| call.operation == "PutEvents" && call.status == 200);
    puts.flat_map(|call| {
        let request: Value = serde_json::from_str(&call.request).unwrap_or_default();
        let entries = request["Entries"].as_array().cloned().unwrap_or_default();
        entries.into_iter().rev().map(|entry| {
            let detail = entry["Detail"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            json!({ "at": call.at, "type": entry["DetailType"], "source": entry["Source"], "detail": detail })
        })
    })
    .take(LATEST)
    .collect()
}

/// The latest AWS calls that were refused, newest first.
fn refused(core: &Core) -> Value {
    let calls = core.cloud.calls().recent();
    let refused = calls.iter().rev().filter(|call| call.status >= 400);
    refused
        .take(LATEST)
        .map(|call| {
            json!({
                "at": call.at, "function": call.function, "service": call.service, "operation": call.operation,
                "resource": call.resource, "status": call.status, "request": call.request,
            })
        })
        .collect()
}

/// Every function with its record.
pub(super) fn functions(core: &Core) -> Value {
    let millis =
        |time: Option<std::time::Duration>| time.map(|time| (time.as_secs_f64() * 100_000.0).round() / 100.0);
    core.lambda
        .functions()
        .map(|hosted| {
            let function = &hosted.function;
            let record = lock(&hosted.record);
            let (cold, warm) = record.medians();
            let total = core
                .cloud
                .calls()
                .totals()
                .iter()
                .filter(|((name, _), _)| *name == function.verb)
                .fold((0.0, 0.0), |(read, write), (_, total)| {
                    (read + total.read_units, write + total.write_units)
                });
            json!({
                "name": function.verb,
                "area": function.area,
                "cold": record.cold,
                "warm": record.warm,
                "failed": record.failed,
                "throttled": record.throttled,
                "start_ms": millis(record.start_median()),
                "cold_ms": millis(cold),
                "warm_ms": millis(warm),
                "idle_processes": hosted.idle_count(),
                "read_units": total.0,
                "write_units": total.1,
                "last_error": record.last_error,
            })
        })
        .collect()
}

/// The last log lines of a function.
pub(super) fn logs(core: &Core, verb: &str) -> Option<Value> {
    let name = &core.model.function(verb)?.name;
    let hosted = core.lambda.hosted(name)?;
    Some(lock(&hosted.record).lines().collect())
}

fn schedules(core: &Core) -> Value {
    let mut list = core.schedules.list();
    list.sort_by_key(|(.., next)| *next);
    list.iter()
        .map(|(function, expression, zone, next)| {
            let verb = core.model.function(function).map_or(function.as_str(), |function| &function.verb);
            json!({ "function": verb, "expression": expression, "zone": zone, "next": next })
        })
        .collect()
}

/// The customers' sites, as hosting's table has them.
fn sites(core: &Core) -> Value {
    let Some(table) = core.model.tables.iter().find(|table| table.name.ends_with("-hosting")) else {
        return json!([]);
    };
    let items = core.cloud.dynamodb().items(&table.name).unwrap_or_default();
    let port = core.settings.address.rsplit(':').next().unwrap_or_default();
    items
        .iter()
        .filter(|item| item["fqdn"].is_string() && item["state"].is_string() && item["label"].is_string())
        .map(|item| {
            let url = format!("http://{}:{port}/", item["fqdn"].as_str().unwrap_or_default());
            json!({ "id": item["id"], "fqdn": item["fqdn"], "state": item["state"], "host": item["host"], "url": url })
        })
        .collect()
}

/// The records of all hosted zones, and whether the name servers answer them yet.
fn dns(core: &Core) -> Value {
    let zones = core.cloud.route53().zones();
    zones
        .iter()
        .flat_map(|zone| core.cloud.route53().records(&zone.id))
        .map(|record| {
            let in_sync = !core.cloud.route53().lookup(&record.name, &record.kind).is_empty();
            json!({ "name": record.name, "type": record.kind, "values": record.values, "in_sync": in_sync })
        })
        .collect()
}
