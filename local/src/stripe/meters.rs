//! Billing meters.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, get, page, post};
use super::turn::Turn;
use super::value::{some, text};

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/billing/meters",
        "display_name! event_name! default_aggregation!{formula!:count|last|sum} event_time_window:day|hour
         customer_mapping{event_payload_key! type!:by_id} value_settings{event_payload_key!}",
        create,
    ),
    get("/v1/billing/meters", "status:active|inactive", |turn, call| {
        page(turn, call, "billing.meter", |meter| {
            some(&call.given["status"]).is_none_or(|wanted| meter["status"] == wanted)
        })
    }),
    get("/v1/billing/meters/{id}", "", |turn, call| turn.must("billing.meter", call.id(), "id")),
    post("/v1/billing/meters/{id}", "display_name", |turn, call| {
        let mut meter = turn.must("billing.meter", call.id(), "id")?;
        if let Some(name) = some(&call.given["display_name"]) {
            meter["display_name"] = name.into();
        }
        meter["updated"] = turn.now.into();
        turn.put(&meter);
        turn.event("billing.meter.updated", call.id());
        Ok(meter)
    }),
    post("/v1/billing/meters/{id}/deactivate", "", |turn, call| switch(turn, call, false)),
    post("/v1/billing/meters/{id}/reactivate", "", |turn, call| switch(turn, call, true)),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let name = call.text("event_name");
    if active(turn, name).is_some() {
        return Err(StripeError::invalid(
            "",
            "event_name",
            format!("There is already an active meter for the event name {name}."),
        ));
    }
    let meter = turn.make(
        "billing.meter",
        "mtr_1",
        json!({
            "customer_mapping": given.get("customer_mapping").cloned()
                .unwrap_or_else(|| json!({ "event_payload_key": "stripe_customer_id", "type": "by_id" })),
            "default_aggregation": given["default_aggregation"], "display_name": given["display_name"],
            "event_name": name, "event_time_window": given["event_time_window"], "status": "active",
            "status_transitions": { "deactivated_at": null }, "updated": turn.now,
            "value_settings": given.get("value_settings").cloned()
                .unwrap_or_else(|| json!({ "event_payload_key": "value" })),
        }),
    );
    turn.event("billing.meter.created", text(&meter["id"]));
    Ok(meter)
}

/// The meter that counts events of a name.
pub(super) fn active(turn: &Turn<'_>, event_name: &str) -> Option<Value> {
    let fits = |meter: &&Value| meter["event_name"] == event_name && meter["status"] == "active";
    turn.all("billing.meter").into_iter().find(fits).cloned()
}

fn switch(turn: &mut Turn<'_>, call: &Call, on: bool) -> Outcome<Value> {
    let meter = turn.must("billing.meter", call.id(), "id")?;
    if (meter["status"] == "active") == on {
        return Err(StripeError::refused(format!("The meter is already {}.", text(&meter["status"]))));
    }
    if on && active(turn, text(&meter["event_name"])).is_some() {
        return Err(StripeError::refused("Another active meter has this event name."));
    }
    let now = turn.now;
    turn.edit("billing.meter", call.id(), |meter| {
        meter["status"] = if on { "active" } else { "inactive" }.into();
        meter["status_transitions"]["deactivated_at"] = if on { Value::Null } else { now.into() };
        meter["updated"] = now.into();
    });
    turn.event(if on { "billing.meter.reactivated" } else { "billing.meter.deactivated" }, call.id());
    turn.must("billing.meter", call.id(), "id")
}
