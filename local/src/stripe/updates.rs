//! Changes of a subscription: items, cancelling, pausing, and changes that wait for their payment.

use serde_json::{Value, json};

use super::cards::Attempt;
use super::error::{Outcome, StripeError};
use super::invoices::{self, Draft};
use super::proration::{self, Manner};
use super::routes::Call;
use super::subscriptions::period_end;
use super::turn::Turn;
use super::value::{copy, int, is, list, merge_metadata, some, text};
use super::{calendar, catalog, invoice_items, lines, methods, payments, renewals, tax};

/// A change that waits for its payment does so for so many seconds.
const PENDING: i64 = 23 * 3_600;

pub(super) const TAKES: &str = "items[]{id price quantity:int deleted:bool clear_usage:bool metadata:map}
    automatic_tax{enabled!:bool liability:any} billing_cycle_anchor:now cancel_at:time cancel_at_period_end:bool
    cancellation_details{comment feedback:customer_service|low_quality|missing_features|other|switched_service|too_complex|too_expensive|unused}
    collection_method:charge_automatically|send_invoice days_until_due:int default_payment_method description
    invoice_settings:any metadata:map off_session:bool
    pause_collection{behavior!:keep_as_draft|mark_uncollectible|void resumes_at:time}
    payment_behavior:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete
    payment_settings{payment_method_options:any save_default_payment_method:off|on_subscription}
    proration_behavior:always_invoice|create_prorations|none proration_date:time trial_end:now
    trial_settings{end_behavior!{missing_payment_method!:cancel|create_invoice|pause}}";
/// What may be changed together with a change that waits.
const WITH_PENDING: [&str; 8] = [
    "items",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "billing_cycle_anchor",
    "trial_end",
    "expand",
    "off_session",
];

/// `POST /v1/subscriptions/{id}`.
pub(super) fn update(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let id = call.id().to_owned();
    let given = &call.given;
    let subscription = turn.must("subscription", &id, "id")?;
    check(&subscription, given)?;
    let mut changed = subscription.clone();
    apply_plain(turn, &mut changed, given)?;
    merge_metadata(&mut changed, given);
    turn.put(&changed);
    if given["trial_end"] == "now" && subscription["status"] == "trialing" {
        return end_trial_now(turn, &id, given);
    }
    if let Some(end) = given["trial_end"].as_i64().filter(|end| *end > turn.now) {
        extend_trial(turn, &id, end);
    }
    let anchors = given["billing_cycle_anchor"] == "now";
    if given.get("items").is_some() || anchors {
        let at = proration_date(turn, &changed, given)?;
        let items = proration::wanted(turn, &changed, &given["items"])?;
        change(turn, &id, items, at, anchors, given)?;
    } else {
        turn.event("customer.subscription.updated", &id);
    }
    turn.must("subscription", &id, "id")
}

fn check(subscription: &Value, given: &Value) -> Outcome<()> {
    let names = || given.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if matches!(text(&subscription["status"]), "canceled" | "incomplete_expired") {
        let allowed = ["cancellation_details", "metadata", "expand"];
        if names().any(|name| !allowed.contains(&name)) {
            return Err(StripeError::refused(
                "A canceled subscription can only update its cancellation_details and metadata.",
            ));
        }
    }
    if subscription["status"] == "paused" && given.get("items").is_some() {
        return Err(StripeError::refused(
            "A paused subscription must be resumed before its items are changed.",
        ));
    }
    if given["payment_behavior"] == "pending_if_incomplete"
        && let Some(name) = names().find(|name| !WITH_PENDING.contains(name))
    {
        return Err(StripeError::invalid(
            "",
            name,
            format!("When `payment_behavior` is set to `pending_if_incomplete`, you cannot pass `{name}`."),
        ));
    }
    if !subscription["pending_update"].is_null() && given.get("items").is_some() {
        return Err(StripeError::refused(
            "This subscription has a pending update, which must be applied, expire or be canceled first.",
        ));
    }
    if subscription["schedule"].is_string()
        && (given.get("cancel_at_period_end").is_some() || given.get("cancel_at").is_some())
    {
        return Err(StripeError::invalid(
            "",
            "cancel_at_period_end",
            format!(
                "The subscription is managed by the subscription schedule `{}`, and updating any cancelation behavior directly is not allowed. Please update the schedule instead.",
                text(&subscription["schedule"])
            ),
        ));
    }
    if is(&given["cancel_at_period_end"]) && given["cancel_at"].is_i64() {
        return Err(StripeError::invalid(
            "",
            "cancel_at",
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
        ));
    }
    Ok(())
}

fn apply_plain(turn: &mut Turn<'_>, subscription: &mut Value, given: &Value) -> Outcome<()> {
    let customer = turn.of("customer", &subscription["customer"]);
    copy(subscription, given, &["collection_method", "days_until_due", "description", "trial_settings"]);
    if let Some(method) = given.get("default_payment_method") {
        if let Some(method) = some(method) {
            let method = methods::resolve(turn, method, "default_payment_method")?;
            if method["customer"] != customer["id"] {
                methods::attach(turn, text(&method["id"]), text(&customer["id"]))?;
            }
            subscription["default_payment_method"] = method["id"].clone();
        } else {
            subscription["default_payment_method"] = Value::Null;
        }
    }
    if let Some(automatic) = given.get("automatic_tax") {
        tax::check_location(automatic, &customer)?;
        subscription["automatic_tax"]["enabled"] = automatic["enabled"].clone();
    }
    copy(
        &mut subscription["payment_settings"],
        &given["payment_settings"],
        &["payment_method_options", "save_default_payment_method"],
    );
    copy(&mut subscription["cancellation_details"], &given["cancellation_details"], &["comment", "feedback"]);
    if let Some(pause) = given.get("pause_collection") {
        subscription["pause_collection"] = match pause {
            Value::Null => Value::Null,
            pause => json!({ "behavior": pause["behavior"], "resumes_at": pause["resumes_at"] }),
        };
    }
    let now = turn.now;
    if let Some(at_end) = given["cancel_at_period_end"].as_bool() {
        let was = is(&subscription["cancel_at_period_end"]);
        if at_end {
            subscription["cancel_at"] = period_end(subscription).into();
            if !was {
                subscription["canceled_at"] = now.into();
            }
            subscription["cancellation_details"] = renewals::details(subscription, "cancellation_requested");
        } else {
            subscription["cancel_at"] = Value::Null;
            subscription["canceled_at"] = Value::Null;
            subscription["cancellation_details"]["reason"] = Value::Null;
        }
        subscription["cancel_at_period_end"] = at_end.into();
    }
    if let Some(at) = given.get("cancel_at") {
        if at.as_i64().is_some_and(|at| at <= now) {
            return Err(StripeError::invalid(
                "timestamp_invalid",
                "cancel_at",
                "cancel_at must be in the future.",
            ));
        }
        subscription["cancel_at"] = at.clone();
        subscription["cancel_at_period_end"] = false.into();
        subscription["canceled_at"] = if at.is_null() { Value::Null } else { now.into() };
    }
    Ok(())
}

/// The moment from which a change counts.
///
/// # Errors
/// When it is outside the current period.
pub(super) fn proration_date(turn: &Turn<'_>, subscription: &Value, given: &Value) -> Outcome<i64> {
    let Some(at) = given["proration_date"].as_i64() else { return Ok(turn.now) };
    let start = list(&subscription["items"]).iter().map(|item| int(&item["current_period_start"])).min();
    if start.is_some_and(|start| at < start) || at > period_end(subscription) {
        return Err(StripeError::invalid(
            "",
            "proration_date",
            "Cannot specify a `proration_date` outside of the subscription's current period.",
        ));
    }
    Ok(at)
}

/// Changes the items and bills what that comes to.
pub(super) fn change(
    turn: &mut Turn<'_>,
    id: &str,
    items: Vec<Value>,
    at: i64,
    anchors: bool,
    given: &Value,
) -> Outcome<()> {
    let before = turn.of("subscription", &id.into());
    let prorating = given["proration_behavior"].as_str().unwrap_or("create_prorations");
    let manner = Manner { at, prorates: prorating != "none", anchors };
    let counted = proration::count(turn, &before, items, &manner);
    let behavior = given["payment_behavior"].as_str().unwrap_or("allow_incomplete").to_owned();
    let bills = counted.resets || (prorating == "always_invoice" && !counted.lines.is_empty());
    let mut after = before.clone();
    after["items"]["data"] = Value::Array(counted.items);
    if counted.resets {
        after["billing_cycle_anchor"] = at.into();
        for item in after["items"]["data"].as_array_mut().into_iter().flatten() {
            if item["current_period_start"] == at {
                item["_anchor"] = at.into();
            }
        }
    }
    if is(&after["cancel_at_period_end"]) {
        after["cancel_at"] = period_end(&after).into();
    }
    let pends = bills && behavior == "pending_if_incomplete" && costs(turn, &before, &counted.lines) > 0;
    if pends {
        return pend(turn, id, &after, counted.lines, at);
    }
    turn.put(&after);
    let customer = after["customer"].clone();
    if !bills {
        for line in counted.lines {
            invoice_items::add(turn, &customer, id.into(), line);
        }
        turn.event("customer.subscription.updated", id);
        return Ok(());
    }
    let invoice = bill(turn, id, counted.lines, at, "subscription_update");
    turn.event("customer.subscription.updated", id);
    invoices::finalize(turn, &invoice).map_err(StripeError::undone)?;
    let open = turn.of("invoice", &invoice.as_str().into())["status"] == "open";
    if !open || after["collection_method"] == "send_invoice" {
        return Ok(());
    }
    if behavior == "default_incomplete" {
        turn.edit("invoice", &invoice, |invoice| invoice["attempted"] = true.into());
        renewals::payment_failed(turn, &invoice, false);
        return Ok(());
    }
    let attempt = payments::collect(turn, &invoice, None);
    if behavior == "error_if_incomplete"
        && let Some(error) = payments::as_refusal(turn, &invoice, attempt)
    {
        return Err(error);
    }
    Ok(())
}

/// What the lines of a change come to, tax included.
fn costs(turn: &Turn<'_>, subscription: &Value, lines: &[Value]) -> i64 {
    let customer = turn.of("customer", &subscription["customer"]);
    let draft = Draft {
        customer: &customer,
        subscription,
        lines: lines.to_vec(),
        reason: "subscription_update",
        period: (turn.now, turn.now),
    };
    int(&invoices::compose(turn, draft)["amount_due"])
}

fn bill(turn: &mut Turn<'_>, id: &str, mut lines: Vec<Value>, at: i64, reason: &str) -> String {
    let subscription = turn.of("subscription", &id.into());
    let customer = turn.of("customer", &subscription["customer"]);
    let mut all = invoice_items::take(turn, &customer["id"], Some(id));
    all.append(&mut lines);
    let period = (turn.now, turn.now);
    let draft = Draft { customer: &customer, subscription: &subscription, lines: all, reason, period };
    let invoice = invoices::make(turn, draft);
    turn.edit("invoice", &invoice, |invoice| {
        invoice["parent"]["subscription_details"]["subscription_proration_date"] = at.into();
    });
    invoice
}

/// Tries to bill a change that only happens when it is paid.
fn pend(turn: &mut Turn<'_>, id: &str, after: &Value, lines: Vec<Value>, at: i64) -> Outcome<()> {
    let expires = turn.now + PENDING;
    let items = after["items"]["data"].clone();
    let invoice = bill(turn, id, lines, at, "subscription_update");
    let anchor = after["billing_cycle_anchor"].clone();
    turn.edit("subscription", id, |subscription| {
        subscription["_pending_invoice"] = invoice.as_str().into();
        subscription["_pending_items"] = items.clone();
        subscription["_pending_anchor"] = anchor;
        subscription["_pending_told"] = false.into();
    });
    invoices::finalize(turn, &invoice).map_err(StripeError::undone)?;
    let attempt = payments::collect(turn, &invoice, None);
    if matches!(attempt, Some(Attempt::Paid | Attempt::Coming { .. })) {
        return Ok(());
    }
    turn.edit("subscription", id, |subscription| {
        subscription["_pending_told"] = true.into();
        subscription["pending_update"] = json!({
            "billing_cycle_anchor": null, "expires_at": expires,
            "subscription_items": items, "trial_end": null, "trial_from_plan": null,
        });
    });
    turn.event("customer.subscription.updated", id);
    Ok(())
}

/// The change that waited has been paid.
pub(super) fn apply_pending(turn: &mut Turn<'_>, id: &str) {
    let told = is(&turn.of("subscription", &id.into())["_pending_told"]);
    turn.edit("subscription", id, |subscription| {
        subscription["items"]["data"] = subscription["_pending_items"].take();
        subscription["billing_cycle_anchor"] = subscription["_pending_anchor"].take();
        subscription["_pending_invoice"] = Value::Null;
        subscription["pending_update"] = Value::Null;
    });
    if told {
        turn.event("customer.subscription.pending_update_applied", id);
    }
    turn.event("customer.subscription.updated", id);
}

/// The change that waited has not been paid in time.
pub(super) fn expire_pending(turn: &mut Turn<'_>, id: &str) {
    let subscription = turn.of("subscription", &id.into());
    turn.edit("subscription", id, |subscription| {
        subscription["pending_update"] = Value::Null;
        subscription["_pending_items"] = Value::Null;
        subscription["_pending_invoice"] = Value::Null;
    });
    invoices::void(turn, text(&subscription["_pending_invoice"]));
    turn.event("customer.subscription.pending_update_expired", id);
    turn.event("customer.subscription.updated", id);
}

fn end_trial_now(turn: &mut Turn<'_>, id: &str, given: &Value) -> Outcome<Value> {
    let now = turn.now;
    if given.get("items").is_some() {
        let before = turn.of("subscription", &id.into());
        let items = proration::wanted(turn, &before, &given["items"])?;
        turn.edit("subscription", id, |subscription| subscription["items"]["data"] = Value::Array(items));
    }
    if let Some(invoice) = renewals::end_trial(turn, id, 0) {
        turn.edit("invoice", &invoice, |invoice| invoice["billing_reason"] = "subscription_update".into());
        invoices::finalize(turn, &invoice).map_err(StripeError::undone)?;
        let subscription = turn.of("subscription", &id.into());
        let open = turn.of("invoice", &invoice.as_str().into())["status"] == "open";
        if open && subscription["collection_method"] == "charge_automatically" {
            let attempt = payments::collect(turn, &invoice, None);
            if given["payment_behavior"] == "error_if_incomplete"
                && let Some(error) = payments::as_refusal(turn, &invoice, attempt)
            {
                return Err(error);
            }
        }
    }
    turn.edit("subscription", id, |subscription| subscription["trial_end"] = now.into());
    turn.must("subscription", id, "id")
}

fn extend_trial(turn: &mut Turn<'_>, id: &str, end: i64) {
    let now = turn.now;
    turn.edit("subscription", id, |subscription| {
        if subscription["status"] != "trialing" {
            subscription["trial_start"] = now.into();
        }
        subscription["status"] = "trialing".into();
        subscription["trial_end"] = end.into();
        subscription["billing_cycle_anchor"] = end.into();
        subscription["_trial_told"] = false.into();
        for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
            item["current_period_end"] = end.into();
            item["_anchor"] = end.into();
        }
    });
}

/// `DELETE /v1/subscriptions/{id}`.
pub(super) fn cancel(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let subscription = turn.must("subscription", call.id(), "id")?;
    if matches!(text(&subscription["status"]), "canceled" | "incomplete_expired") {
        return Err(StripeError::missing("subscription", call.id(), "id"));
    }
    let mut changed = subscription.clone();
    copy(&mut changed["cancellation_details"], &given["cancellation_details"], &["comment", "feedback"]);
    turn.put(&changed);
    if is(&given["prorate"]) {
        let manner = Manner { at: turn.now, prorates: true, anchors: false };
        let counted = proration::count(turn, &subscription, Vec::new(), &manner);
        for line in counted.lines {
            invoice_items::add(turn, &subscription["customer"], call.id().into(), line);
        }
    }
    if is(&given["invoice_now"]) {
        let used = list(&subscription["items"]).iter().filter(|item| catalog::is_metered(&item["price"]));
        let used: Vec<Value> = used
            .map(|item| {
                lines::of_period(turn, &subscription, item, (int(&item["current_period_start"]), turn.now))
            })
            .collect();
        let waiting = invoice_items::waiting(turn, &subscription["customer"], Some(call.id()));
        if !used.is_empty() || !waiting.is_empty() {
            let invoice = bill(turn, call.id(), used, turn.now, "subscription_update");
            invoices::finalize(turn, &invoice).map_err(StripeError::undone)?;
            payments::collect(turn, &invoice, None);
        }
    }
    end(turn, call.id(), "cancellation_requested");
    turn.must("subscription", call.id(), "id")
}

/// Ends a subscription now.
pub(super) fn end(turn: &mut Turn<'_>, id: &str, reason: &str) {
    let subscription = turn.of("subscription", &id.into());
    if subscription["_pending_invoice"].is_string() {
        invoices::void(turn, text(&subscription["_pending_invoice"]));
    }
    if subscription["status"] == "incomplete"
        && turn.of("invoice", &subscription["latest_invoice"])["status"] == "open"
    {
        invoices::void(turn, text(&subscription["latest_invoice"]));
    }
    let now = turn.now;
    let details = renewals::details(&subscription, reason);
    turn.edit("subscription", id, |subscription| {
        subscription["status"] = "canceled".into();
        if subscription["canceled_at"].is_null() {
            subscription["canceled_at"] = now.into();
        }
        subscription["ended_at"] = now.into();
        subscription["cancellation_details"] = details;
        subscription["pending_update"] = Value::Null;
        subscription["_pending_invoice"] = Value::Null;
        subscription["schedule"] = Value::Null;
    });
    // What is still to be collected for it is collected by hand.
    let open = turn.those("invoice", |invoice| {
        invoices::subscription_of(invoice) == id && matches!(text(&invoice["status"]), "open" | "draft")
    });
    for invoice in open {
        turn.edit("invoice", text(&invoice["id"]), |invoice| {
            invoice["auto_advance"] = false.into();
            invoice["next_payment_attempt"] = Value::Null;
            invoice["automatically_finalizes_at"] = Value::Null;
        });
    }
    renewals::ended(turn, &subscription, reason);
    turn.event("customer.subscription.deleted", id);
}

/// `POST /v1/subscriptions/{id}/pause`.
pub(super) fn pause(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let subscription = turn.must("subscription", call.id(), "id")?;
    if subscription["schedule"].is_string() {
        return Err(StripeError::refused("A subscription that is managed by a schedule cannot be paused."));
    }
    if !matches!(text(&subscription["status"]), "active" | "trialing" | "past_due") {
        return Err(StripeError::refused(format!(
            "Only a subscription that is active, trialing or past_due can be paused; this one is {}.",
            text(&subscription["status"])
        )));
    }
    let kind = |name: &str| some(&call.given["bill_for"][name]["type"]).unwrap_or("now");
    let mut due = Vec::new();
    if kind("outstanding_usage_through") == "now" {
        let metered = list(&subscription["items"]).iter().filter(|item| catalog::is_metered(&item["price"]));
        due.extend(metered.map(|item| {
            lines::of_period(turn, &subscription, item, (int(&item["current_period_start"]), turn.now))
        }));
    }
    let unused_from = match kind("unused_time_from") {
        "now" => Some(turn.now),
        "item_current_period_start" => Some(0),
        _ => None,
    };
    if let Some(at) = unused_from.filter(|_| subscription["status"] != "trialing") {
        let manner = Manner { at, prorates: true, anchors: false };
        due.extend(proration::count(turn, &subscription, Vec::new(), &manner).lines);
    }
    pause_now(turn, call.id(), "pause_requested");
    if call.given["invoicing_behavior"] == "invoice" && !due.is_empty() {
        let invoice = bill(turn, call.id(), due, turn.now, "subscription_update");
        invoices::finalize(turn, &invoice).map_err(StripeError::undone)?;
        payments::collect(turn, &invoice, None);
    } else {
        for line in due {
            invoice_items::add(turn, &subscription["customer"], call.id().into(), line);
        }
    }
    turn.must("subscription", call.id(), "id")
}

/// Stops a subscription for a reason.
pub(super) fn pause_now(turn: &mut Turn<'_>, id: &str, reason: &str) {
    let now = turn.now;
    turn.edit("subscription", id, |subscription| {
        subscription["status"] = "paused".into();
        subscription["status_details"] = json!({
            "paused": { "subscription": { "type": reason }, "transitioned_at": now, "type": "subscription" }
        });
    });
    turn.event("customer.subscription.updated", id);
    turn.event("customer.subscription.paused", id);
}

/// `POST /v1/subscriptions/{id}/resume`.
pub(super) fn resume(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let id = call.id().to_owned();
    let given = &call.given;
    let subscription = turn.must("subscription", &id, "id")?;
    if subscription["status"] != "paused" {
        return Err(StripeError::refused(format!(
            "Only a paused subscription can be resumed; this one is {}.",
            text(&subscription["status"])
        )));
    }
    let now = turn.now;
    let mut items = list(&subscription["items"]).to_vec();
    let keeps = given["billing_cycle_anchor"]["type"] == "unchanged";
    let mut due = Vec::new();
    for item in &mut items {
        let anchor = item["_anchor"].as_i64().unwrap_or(int(&subscription["billing_cycle_anchor"]));
        let anchor = if keeps { anchor } else { now };
        let (start, end) = calendar::period(anchor, &item["price"]["recurring"], now);
        let paid = int(&item["current_period_end"]);
        item["_anchor"] = anchor.into();
        item["current_period_start"] = start.into();
        item["current_period_end"] = end.into();
        if !keeps {
            due.extend(
                (!catalog::is_metered(&item["price"]))
                    .then(|| lines::of_period(turn, &subscription, item, (start, end))),
            );
        } else if paid < end && given["proration_behavior"] != "none" {
            due.extend(proration::rest(turn, &id, item, now));
        }
    }
    turn.edit("subscription", &id, |subscription| {
        subscription["_resumed_items"] = Value::Array(items);
        subscription["_resumed_anchor"] =
            if keeps { subscription["billing_cycle_anchor"].clone() } else { now.into() };
    });
    if due.is_empty() {
        resumed(turn, &id);
        return turn.must("subscription", &id, "id");
    }
    let invoice = bill(turn, &id, due, now, "subscription_update");
    turn.edit("invoice", &invoice, |invoice| invoice["_resumes"] = true.into());
    turn.edit("subscription", &id, |subscription| subscription["_resume_until"] = (now + PENDING).into());
    invoices::finalize(turn, &invoice).map_err(StripeError::undone)?;
    let open = turn.of("invoice", &invoice.as_str().into())["status"] == "open";
    if !open {
        return turn.must("subscription", &id, "id");
    }
    if subscription["collection_method"] == "charge_automatically" {
        payments::collect(turn, &invoice, None);
    }
    let waits = given["payment_behavior"] == "resume_on_payment_success";
    if !waits && turn.of("subscription", &id.as_str().into())["status"] == "paused" {
        // The attempt is enough; that it failed is as at any renewal.
        turn.edit("invoice", &invoice, |invoice| invoice["_resumes"] = false.into());
        resumed(turn, &id);
        renewals::payment_failed(turn, &invoice, false);
    }
    turn.must("subscription", &id, "id")
}

/// A pause is over.
pub(super) fn resumed(turn: &mut Turn<'_>, id: &str) {
    turn.edit("subscription", id, |subscription| {
        subscription["status"] = "active".into();
        subscription["status_details"] = Value::Null;
        subscription["items"]["data"] = subscription["_resumed_items"].take();
        subscription["billing_cycle_anchor"] = subscription["_resumed_anchor"].take();
        subscription["_resume_until"] = Value::Null;
    });
    turn.event("customer.subscription.updated", id);
    turn.event("customer.subscription.resumed", id);
}
