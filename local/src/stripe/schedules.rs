//! Subscription schedules: which items a subscription has in which phase.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::proration;
use super::routes::{Call, Route, get, page, post};
use super::subscriptions::period_end;
use super::turn::Turn;
use super::value::{int, list, merge_metadata, metadata, some, text};
use super::{calendar, catalog, updates};

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/subscription_schedules",
        "from_subscription! metadata:map billing_mode{type!:classic|flexible flexible:any}",
        create,
    ),
    get(
        "/v1/subscription_schedules",
        "customer scheduled:bool created:range canceled_at:range completed_at:range released_at:range",
        |turn, call| {
            page(turn, call, "subscription_schedule", |schedule| {
                some(&call.given["customer"]).is_none_or(|wanted| schedule["customer"] == wanted)
            })
        },
    ),
    get("/v1/subscription_schedules/{id}", "", |turn, call| {
        turn.must("subscription_schedule", call.id(), "id")
    }),
    post(
        "/v1/subscription_schedules/{id}",
        "end_behavior:cancel|release|none|renew metadata:map proration_behavior:always_invoice|create_prorations|none
         default_settings:any phases[]{items![]{price! quantity:int metadata:map} start_date:now end_date:now
         duration{interval!:day|week|month|year interval_count:int}
         proration_behavior:always_invoice|create_prorations|none metadata:map description
         collection_method:charge_automatically|send_invoice default_payment_method automatic_tax{enabled!:bool}
         billing_cycle_anchor:automatic|phase_start currency trial_end:time}",
        update,
    ),
    post("/v1/subscription_schedules/{id}/release", "preserve_cancel_date:bool", |turn, call| {
        live(turn, call)?;
        release(turn, call.id());
        turn.must("subscription_schedule", call.id(), "id")
    }),
    post("/v1/subscription_schedules/{id}/cancel", "invoice_now:bool prorate:bool", |turn, call| {
        let schedule = live(turn, call)?;
        finish(turn, call.id(), "canceled");
        updates::end(turn, text(&schedule["subscription"]), "cancellation_requested");
        turn.event("subscription_schedule.canceled", call.id());
        turn.must("subscription_schedule", call.id(), "id")
    }),
];

fn live(turn: &Turn<'_>, call: &Call) -> Outcome<Value> {
    let schedule = turn.must("subscription_schedule", call.id(), "id")?;
    if matches!(text(&schedule["status"]), "active" | "not_started") {
        return Ok(schedule);
    }
    Err(StripeError::refused(format!(
        "You cannot change a subscription schedule that is currently in the `{}` status. It must be `not_started` or `active`.",
        text(&schedule["status"])
    )))
}

fn phase(items: Value, start: i64, end: i64, given: &Value) -> Value {
    json!({
        "add_invoice_items": [], "application_fee_percent": null,
        "automatic_tax": {
            "disabled_reason": null, "enabled": given["automatic_tax"]["enabled"] == true, "liability": null
        }, "billing_cycle_anchor": given["billing_cycle_anchor"],
        "billing_thresholds": null, "collection_method": given["collection_method"], "currency": given["currency"],
        "default_payment_method": given["default_payment_method"], "default_tax_rates": [],
        "description": given["description"], "discounts": [], "end_date": end, "invoice_settings": null,
        "items": items, "metadata": metadata(given), "on_behalf_of": null,
        "proration_behavior": given["proration_behavior"].as_str().unwrap_or("create_prorations"),
        "start_date": start, "transfer_data": null, "trial_end": given["trial_end"],
    })
}

fn phase_item(price: &Value, quantity: &Value, metadata: &Value) -> Value {
    json!({
        "billing_thresholds": null, "discounts": [], "metadata": metadata.as_object().cloned().unwrap_or_default(),
        "price": price, "quantity": quantity, "tax_rates": [],
    })
}

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let id = call.text("from_subscription").to_owned();
    let subscription = turn.must("subscription", &id, "from_subscription")?;
    if subscription["schedule"].is_string() {
        return Err(StripeError::refused(
            "You cannot migrate a subscription that is already attached to a schedule.",
        ));
    }
    if !matches!(text(&subscription["status"]), "active" | "trialing" | "past_due") {
        return Err(StripeError::refused(format!(
            "You can not migrate a subscription that is in the `{}` status to a subscription schedule.",
            text(&subscription["status"])
        )));
    }
    let items: Value = list(&subscription["items"])
        .iter()
        .map(|item| phase_item(&item["price"]["id"], &item["quantity"], &item["metadata"]))
        .collect();
    let start = list(&subscription["items"]).iter().map(|item| int(&item["current_period_start"])).min();
    let (start, end) = (start.unwrap_or(turn.now), period_end(&subscription));
    let first = phase(items, start, end, &json!({ "currency": subscription["currency"] }));
    let schedule = turn.make(
        "subscription_schedule",
        "sub_sched_1",
        json!({
            "application": null, "billing_mode": subscription["billing_mode"], "canceled_at": null, "completed_at": null,
            "current_phase": { "end_date": end, "start_date": start }, "customer": subscription["customer"],
            "customer_account": null,
            "default_settings": {
                "application_fee_percent": null, "automatic_tax": { "enabled": subscription["automatic_tax"]["enabled"] },
                "billing_cycle_anchor": "automatic", "collection_method": "charge_automatically",
                "default_payment_method": null, "description": null,
                "invoice_settings": { "account_tax_ids": null, "days_until_due": null, "issuer": { "type": "self" } },
                "on_behalf_of": null, "transfer_data": null
            },
            "end_behavior": "release", "metadata": metadata(&call.given), "phases": [first], "released_at": null,
            "released_subscription": null, "status": "active", "subscription": id, "test_clock": null,
        }),
    );
    turn.edit("subscription", &id, |subscription| subscription["schedule"] = schedule["id"].clone());
    turn.event("subscription_schedule.created", text(&schedule["id"]));
    turn.event("customer.subscription.updated", &id);
    Ok(schedule)
}

fn update(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut schedule = live(turn, call)?;
    if let Some(behavior) = some(&call.given["end_behavior"]) {
        schedule["end_behavior"] = behavior.into();
    }
    merge_metadata(&mut schedule, &call.given);
    if let Some(given) = call.given.get("phases") {
        let phases = phases(turn, &schedule, list(given))?;
        schedule["phases"] = Value::Array(phases);
    }
    let now = turn.now;
    let current = list(&schedule["phases"])
        .iter()
        .find(|phase| int(&phase["start_date"]) <= now && now < int(&phase["end_date"]));
    let current =
        current.map(|phase| json!({ "end_date": phase["end_date"], "start_date": phase["start_date"] }));
    schedule["current_phase"] = current.ok_or_else(|| {
        StripeError::invalid("", "phases", "The subscription schedule needs a phase that is current now.")
    })?;
    turn.put(&schedule);
    turn.event("subscription_schedule.updated", call.id());
    // What is said of the phase that is on holds at once.
    enter(turn, call.id())?;
    turn.must("subscription_schedule", call.id(), "id")
}

fn phases(turn: &Turn<'_>, schedule: &Value, given: &[Value]) -> Outcome<Vec<Value>> {
    let invalid = |number: usize, name: &str, message: &str| {
        StripeError::invalid("", &format!("phases[{number}][{name}]"), message.to_owned())
    };
    if given.is_empty() || given.len() > 10 {
        return Err(StripeError::invalid("", "phases", "A schedule has between one and ten phases."));
    }
    let mut phases: Vec<Value> = Vec::new();
    for (number, asked) in given.iter().enumerate() {
        let follows = phases.last().map(|last| int(&last["end_date"]));
        let start = match (&asked["start_date"], follows) {
            (Value::Number(start), Some(follows)) if start.as_i64() != Some(follows) => {
                return Err(invalid(number, "start_date", "Phases must follow each other without a gap."));
            }
            (Value::Number(start), _) => start.as_i64().unwrap_or(turn.now),
            (Value::String(_), _) => turn.now,
            (_, Some(follows)) => follows,
            (_, None) => int(&schedule["current_phase"]["start_date"]),
        };
        if number == 0 && start != int(&schedule["current_phase"]["start_date"]) && start > turn.now {
            return Err(invalid(
                number,
                "start_date",
                "You can not modify the start date of the current phase.",
            ));
        }
        let subscription = turn.of("subscription", &schedule["subscription"]);
        let mut items = Vec::new();
        for (place, item) in list(&asked["items"]).iter().enumerate() {
            // Checks the price as an item of the subscription.
            proration::fresh(turn, &subscription, item, &format!("phases[{number}][items][{place}]"))?;
            let quantity = item["quantity"].as_i64().unwrap_or(1);
            items.push(phase_item(&item["price"], &quantity.into(), &item["metadata"]));
        }
        let end = match (&asked["end_date"], asked.get("duration")) {
            (Value::Number(end), None) => end.as_i64().unwrap_or(start),
            (Value::String(_), None) => turn.now,
            (Value::Null, Some(duration)) => {
                let count = duration["interval_count"].as_i64().unwrap_or(1);
                calendar::after(start, text(&duration["interval"]), count)
            }
            (Value::Null, None) => {
                let price = turn.of("price", &items[0]["price"]);
                let recurring = &price["recurring"];
                calendar::after(start, text(&recurring["interval"]), int(&recurring["interval_count"]))
            }
            _ => {
                return Err(invalid(
                    number,
                    "end_date",
                    "You may only give one of `end_date` and `duration`.",
                ));
            }
        };
        if end <= start {
            return Err(invalid(number, "end_date", "A phase must end after it starts."));
        }
        let mut asked = asked.clone();
        asked["currency"] = subscription["currency"].clone();
        phases.push(phase(Value::Array(items), start, end, &asked));
    }
    Ok(phases)
}

/// Brings the subscription into line with the phase that is on.
fn enter(turn: &mut Turn<'_>, id: &str) -> Outcome<()> {
    let schedule = turn.of("subscription_schedule", &id.into());
    let subscription_id = text(&schedule["subscription"]).to_owned();
    let subscription = turn.of("subscription", &schedule["subscription"]);
    let now = turn.now;
    let Some(phase) = list(&schedule["phases"])
        .iter()
        .find(|phase| phase["start_date"] == schedule["current_phase"]["start_date"])
    else {
        return Ok(());
    };
    let same = |item: &Value, wanted: &Value| {
        item["price"]["id"] == wanted["price"]
            && (item["quantity"].is_null() || item["quantity"] == wanted["quantity"])
    };
    let (have, want) = (list(&subscription["items"]), list(&phase["items"]));
    let alike =
        have.len() == want.len() && want.iter().all(|wanted| have.iter().any(|item| same(item, wanted)));
    if alike || want.is_empty() {
        return Ok(());
    }
    // The nth item becomes the nth of the phase, so that a plan keeps its item.
    let mut changes: Vec<Value> = want
        .iter()
        .enumerate()
        .map(|(place, wanted)| {
            let mut change = json!({ "price": wanted["price"], "metadata": wanted["metadata"] });
            if !catalog::is_metered(&turn.of("price", &wanted["price"])) {
                change["quantity"] = wanted["quantity"].clone();
            }
            if let Some(item) = have.get(place) {
                change["id"] = item["id"].clone();
            }
            change
        })
        .collect();
    changes.extend(have.iter().skip(want.len()).map(|item| json!({ "id": item["id"], "deleted": true })));
    let items = proration::wanted(turn, &subscription, &Value::Array(changes))?;
    if now >= period_end(&subscription) {
        // At a period's end the renewal bills the new items.
        turn.edit("subscription", &subscription_id, |subscription| {
            let old = list(&subscription["items"]).to_vec();
            let end = period_end(subscription);
            let placed = items.into_iter().map(|mut item| {
                let before = old.iter().find(|before| before["id"] == item["id"]);
                let anchors =
                    before.is_none_or(|before| !catalog::same_interval(&before["price"], &item["price"]));
                if anchors {
                    item["_anchor"] = now.into();
                }
                item["current_period_start"] = old[0]["current_period_start"].clone();
                item["current_period_end"] = end.into();
                item
            });
            subscription["items"]["data"] = placed.collect();
        });
        turn.event("customer.subscription.updated", &subscription_id);
        return Ok(());
    }
    let given = json!({ "proration_behavior": phase["proration_behavior"] });
    updates::change(turn, &subscription_id, items, now, false, &given)
}

/// When a phase ends.
pub(super) fn due(schedule: &Value) -> Option<i64> {
    (schedule["status"] == "active").then(|| int(&schedule["current_phase"]["end_date"]))
}

pub(super) fn fall_due(turn: &mut Turn<'_>, id: &str) {
    let schedule = turn.of("subscription_schedule", &id.into());
    let now = turn.now;
    let next = list(&schedule["phases"]).iter().find(|phase| phase["start_date"] == now).cloned();
    if let Some(next) = next {
        turn.edit("subscription_schedule", id, |schedule| {
            schedule["current_phase"] =
                json!({ "end_date": next["end_date"], "start_date": next["start_date"] });
        });
        // A price that was archived meanwhile leaves the subscription as it is.
        let entered = enter(turn, id).is_ok();
        turn.edit("subscription_schedule", id, |schedule| schedule["_entered"] = entered.into());
        turn.event("subscription_schedule.updated", id);
        return;
    }
    if schedule["end_behavior"] == "cancel" {
        finish(turn, id, "completed");
        updates::end(turn, text(&schedule["subscription"]), "cancellation_requested");
        turn.event("subscription_schedule.completed", id);
    } else {
        release(turn, id);
    }
}

fn release(turn: &mut Turn<'_>, id: &str) {
    let schedule = turn.of("subscription_schedule", &id.into());
    let subscription = text(&schedule["subscription"]).to_owned();
    finish(turn, id, "released");
    turn.edit("subscription_schedule", id, |schedule| {
        schedule["released_subscription"] = subscription.as_str().into();
        schedule["subscription"] = Value::Null;
    });
    turn.event("subscription_schedule.released", id);
    turn.event("customer.subscription.updated", &subscription);
}

fn finish(turn: &mut Turn<'_>, id: &str, status: &str) {
    let schedule = turn.of("subscription_schedule", &id.into());
    let now = turn.now;
    turn.edit("subscription_schedule", id, |schedule| {
        schedule["status"] = status.into();
        schedule["current_phase"] = Value::Null;
        schedule[format!("{status}_at").as_str()] = now.into();
    });
    turn.edit("subscription", text(&schedule["subscription"]), |subscription| {
        subscription["schedule"] = Value::Null;
    });
}

/// The subscription has ended by itself; `unpaid` when nobody paid for it.
pub(super) fn subscription_ended(turn: &mut Turn<'_>, id: &str, unpaid: bool) {
    if turn.of("subscription_schedule", &id.into())["status"] != "active" {
        return;
    }
    finish(turn, id, "canceled");
    turn.event(if unpaid { "subscription_schedule.aborted" } else { "subscription_schedule.canceled" }, id);
}
