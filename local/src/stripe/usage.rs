//! Meter events, their cancellation, and what they sum up to.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::meters::active;
use super::routes::{Call, Route, get, page_of, post};
use super::turn::{Turn, new_id};
use super::value::{int, is, some, text};
use super::webhooks;

/// Events may be so old, and so far ahead.
const OLDEST: i64 = 35 * 86_400;
const AHEAD: i64 = 300;
/// An identifier is kept, and an event may be cancelled, for so long.
const KEPT: i64 = 86_400;

pub(super) const ROUTES: &[Route] = &[
    post("/v1/billing/meter_events", "event_name! payload!:map identifier timestamp:time", record),
    post("/v1/billing/meter_event_adjustments", "event_name! type!:cancel cancel{identifier!}", adjust),
    get(
        "/v1/billing/meters/{id}/event_summaries",
        "customer! start_time!:time end_time!:time value_grouping_window:day|hour",
        summaries,
    ),
];

fn record(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let name = call.text("event_name");
    let Some(meter) = active(turn, name) else {
        no_meter(turn, name);
        return Err(StripeError {
            status: 400,
            keeps: true,
            ..StripeError::invalid(
                "resource_missing",
                "event_name",
                format!("No active meter found for the event name {name}."),
            )
        });
    };
    let at = given["timestamp"].as_i64().unwrap_or(turn.now);
    if at < turn.now - OLDEST {
        return Err(StripeError::invalid(
            "timestamp_invalid",
            "timestamp",
            "The timestamp must be within the past 35 calendar days.",
        ));
    }
    if at > turn.now + AHEAD {
        return Err(StripeError::invalid(
            "timestamp_invalid",
            "timestamp",
            "The timestamp must be no more than 5 minutes in the future.",
        ));
    }
    let identifier = some(&given["identifier"]).map_or_else(|| new_id(""), str::to_owned);
    if identifier.len() > 100 {
        return Err(StripeError::invalid(
            "",
            "identifier",
            "The identifier may be at most 100 characters long.",
        ));
    }
    let same = |event: &&Value| {
        event["identifier"] == identifier.as_str() && int(&event["created"]) > turn.now - KEPT
    };
    if turn.all("billing.meter_event").iter().any(same) {
        return Err(StripeError::invalid(
            "duplicate_meter_event",
            "identifier",
            format!("An event already exists with identifier {identifier}."),
        ));
    }
    let customer_key = text(&meter["customer_mapping"]["event_payload_key"]);
    let value_key = text(&meter["value_settings"]["event_payload_key"]);
    let customer = text(&given["payload"][customer_key]).to_owned();
    if customer.is_empty() {
        return Err(StripeError::invalid(
            "",
            "payload",
            format!("The payload must hold the customer at `{customer_key}`."),
        ));
    }
    let counts = meter["default_aggregation"]["formula"] == "count";
    let value = match (some(&given["payload"][value_key]), counts) {
        (Some(value), _) => whole(value)?,
        (None, true) => 1,
        (None, false) => {
            return Err(StripeError::invalid(
                "",
                "payload",
                format!("The payload must hold the value at `{value_key}`."),
            ));
        }
    };
    let known = turn.get("customer", &customer).is_some_and(|customer| !is(&customer["deleted"]));
    let event = turn.make(
        "billing.meter_event",
        "mevt_",
        json!({
            "event_name": name, "identifier": identifier, "payload": given["payload"], "timestamp": at,
            "_meter": meter["id"], "_customer": customer, "_value": value, "_counted": known,
        }),
    );
    if !known {
        // Stripe takes the event and reports only later that it cannot be assigned.
        report(
            turn,
            "v1.billing.meter.error_report_triggered",
            &meter["id"],
            "meter_event_customer_not_found",
        );
    }
    let mut told = event;
    if let Some(fields) = told.as_object_mut() {
        fields.remove("id");
    }
    Ok(told)
}

/// The value of an event: whole, at most fifteen digits.
fn whole(text: &str) -> Outcome<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let right =
        !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|digit| digit.is_ascii_digit());
    match text.parse() {
        Ok(value) if right => Ok(value),
        _ => Err(StripeError::invalid(
            "",
            "payload",
            format!("Invalid value {text}: it must be a whole number of at most 15 digits."),
        )),
    }
}

fn no_meter(turn: &mut Turn<'_>, _name: &str) {
    report(turn, "v1.billing.meter.no_meter_found", &Value::Null, "no_meter");
}

/// A thin event: it names what happened, and its details are fetched.
fn report(turn: &mut Turn<'_>, kind: &str, meter: &Value, code: &str) {
    let id = new_id("evt_test_65");
    let created = jiff::Timestamp::from_second(turn.now).map(|at| at.to_string()).unwrap_or_default();
    let related = if meter.is_null() {
        Value::Null
    } else {
        json!({ "id": meter, "type": "billing.meter", "url": format!("/v1/billing/meters/{}", text(meter)) })
    };
    let thin = json!({
        "id": id, "object": "v2.core.event", "type": kind, "created": created, "livemode": false,
        "related_object": related, "reason": null, "context": null,
    });
    let mut whole = thin.clone();
    whole["data"] = json!({
        "developer_message_summary": "There is 1 invalid event",
        "reason": { "error_count": 1, "error_types": [{ "code": code, "error_count": 1, "sample_errors": [] }] },
    });
    turn.note("v2.core.event", &id, Some(whole));
    let endpoints = turn.those("webhook_endpoint", |endpoint| endpoint["status"] == "enabled");
    for endpoint in endpoints {
        webhooks::plan_one(turn, &json!({ "event": id, "endpoint": endpoint["id"], "payload": thin }));
    }
}

fn adjust(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let identifier = text(&call.given["cancel"]["identifier"]);
    let now = turn.now;
    let found = turn.those("billing.meter_event", |event| {
        event["identifier"] == identifier && event["event_name"] == call.text("event_name")
    });
    let Some(event) = found.last() else {
        return Err(StripeError::missing("meter event", identifier, "cancel[identifier]"));
    };
    if int(&event["created"]) <= now - KEPT {
        return Err(StripeError::invalid(
            "",
            "cancel[identifier]",
            "Meter events can only be canceled within 24 hours of being received.",
        ));
    }
    turn.edit("billing.meter_event", text(&event["id"]), |event| event["_counted"] = false.into());
    Ok(json!({
        "object": "billing.meter_event_adjustment", "cancel": { "identifier": identifier },
        "event_name": call.given["event_name"], "livemode": false, "status": "pending", "type": "cancel",
    }))
}

/// What a customer used between two moments.
fn used(turn: &Turn<'_>, meter: &Value, customer: &str, from: i64, to: i64) -> i64 {
    let events = turn.all("billing.meter_event").into_iter().filter(|event| {
        let at = int(&event["timestamp"]);
        event["_meter"] == meter["id"]
            && event["_customer"] == customer
            && is(&event["_counted"])
            && (from..to).contains(&at)
    });
    match text(&meter["default_aggregation"]["formula"]) {
        "count" => i64::try_from(events.count()).unwrap_or(i64::MAX),
        "last" => {
            events.max_by_key(|event| int(&event["timestamp"])).map_or(0, |event| int(&event["_value"]))
        }
        _ => events.map(|event| int(&event["_value"])).sum(),
    }
}

/// What is billed of a metered price for a period.
pub(super) fn total(turn: &Turn<'_>, price: &Value, customer: &str, period: (i64, i64)) -> i64 {
    let meter = turn.of("billing.meter", &price["recurring"]["meter"]);
    used(turn, &meter, customer, period.0, period.1).max(0)
}

fn summaries(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let meter = turn.must("billing.meter", call.id(), "id")?;
    turn.must("customer", call.text("customer"), "customer_id")?;
    let (start, end) = (int(&given["start_time"]), int(&given["end_time"]));
    let window = match text(&given["value_grouping_window"]) {
        "hour" => 3_600,
        "day" => 86_400,
        _ => end - start,
    };
    let aligned = if window == end - start { 60 } else { window };
    if end <= start || start % aligned != 0 || end % aligned != 0 {
        return Err(StripeError::invalid(
            "",
            "start_time",
            "The start and end must be in order and aligned with the grouping window, or with minutes.",
        ));
    }
    let mut found = Vec::new();
    let mut from = start;
    while from < end {
        let to = (from + window).min(end);
        let any = turn.all("billing.meter_event").into_iter().any(|event| {
            event["_meter"] == meter["id"]
                && event["_customer"] == call.text("customer")
                && (from..to).contains(&int(&event["timestamp"]))
        });
        if any {
            found.push(json!({
                "id": format!("mtrusg_local_{from}_{to}"), "object": "billing.meter_event_summary",
                "aggregated_value": used(turn, &meter, call.text("customer"), from, to), "end_time": to,
                "livemode": false, "meter": meter["id"], "start_time": from,
            }));
        }
        from = to;
    }
    found.reverse();
    page_of(call, found)
}
