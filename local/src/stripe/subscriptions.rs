//! Subscriptions: the calls, and how one begins.

use serde_json::{Value, json};

use super::cards::Attempt;
use super::error::{Outcome, StripeError};
use super::invoices::{self, Draft};
use super::routes::{Call, Route, delete, get, page, post, search};
use super::turn::{Turn, new_id};
use super::value::{int, is, list, metadata, some, text, whole_list};
use super::{
    calendar, catalog, customers, invoice_items, lines, methods, payments, proration, setups, tax, updates,
};

pub(super) const NEW: &str = "customer! items[]{price! quantity:int metadata:map}
    add_invoice_items[]{price! quantity:int} automatic_tax{enabled!:bool liability:any} billing_cycle_anchor:time
    billing_mode{type!:classic|flexible flexible:any} cancel_at:time cancel_at_period_end:bool
    collection_method:charge_automatically|send_invoice currency days_until_due:int default_payment_method
    description invoice_settings:any metadata:map off_session:bool
    payment_behavior:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete
    payment_settings{payment_method_options:any save_default_payment_method:off|on_subscription}
    proration_behavior:always_invoice|create_prorations|none trial_end:now trial_period_days:int
    trial_settings{end_behavior!{missing_payment_method!:cancel|create_invoice|pause}}";

pub(super) const ROUTES: &[Route] = &[
    post("/v1/subscriptions", NEW, create),
    get(
        "/v1/subscriptions",
        "customer price status:active|past_due|unpaid|canceled|incomplete|incomplete_expired|trialing|paused|all|ended
         created:range current_period_end:range current_period_start:range collection_method",
        |turn, call| {
            page(turn, call, "subscription", |subscription| {
                let given = &call.given;
                let status = text(&subscription["status"]);
                let ended = matches!(status, "canceled" | "incomplete_expired");
                let right = match text(&given["status"]) {
                    "" => status != "canceled",
                    "all" => true,
                    "ended" => ended,
                    wanted => status == wanted,
                };
                right
                    && some(&given["customer"]).is_none_or(|wanted| subscription["customer"] == wanted)
                    && some(&given["price"]).is_none_or(|wanted| {
                        list(&subscription["items"]).iter().any(|item| item["price"]["id"] == wanted)
                    })
            })
        },
    ),
    get("/v1/subscriptions/search", "query!", |turn, call| search(turn, call, "subscription")),
    get("/v1/subscriptions/{id}", "", |turn, call| turn.must("subscription", call.id(), "id")),
    post("/v1/subscriptions/{id}", updates::TAKES, updates::update),
    delete(
        "/v1/subscriptions/{id}",
        "invoice_now:bool prorate:bool
         cancellation_details{comment feedback:customer_service|low_quality|missing_features|other|switched_service|too_complex|too_expensive|unused}",
        updates::cancel,
    ),
    post("/v1/subscriptions/{id}/pause", "type:subscription invoicing_behavior:invoice|pending_invoice_item
         bill_for{outstanding_usage_through{type!:none|now} unused_time_from{type!:item_current_period_start|none|now}}", updates::pause),
    post(
        "/v1/subscriptions/{id}/resume",
        "billing_cycle_anchor{type!:now|unchanged} proration_behavior:always_invoice|create_prorations|none
         proration_date:time payment_behavior:resume_on_payment_attempt|resume_on_payment_success",
        updates::resume,
    ),
    get("/v1/subscription_items", "subscription!", |turn, call| {
        let subscription = turn.must("subscription", call.text("subscription"), "subscription")?;
        super::routes::page_of(call, list(&subscription["items"]).to_vec())
    }),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let id = begin(turn, &call.given)?;
    turn.must("subscription", &id, "id")
}

/// A subscription before its first invoice, with its items' periods.
///
/// # Errors
/// When the customer or a price does not fit.
pub(super) fn compose(turn: &Turn<'_>, customer: &Value, given: &Value, id: &str) -> Outcome<Value> {
    let now = turn.now;
    let trial_end = match (&given["trial_end"], given["trial_period_days"].as_i64()) {
        (Value::Number(end), None) => end.as_i64().filter(|end| *end > now),
        (Value::Null, Some(days)) if days > 0 => Some(now + days * 86_400),
        (Value::Null | Value::String(_), None | Some(_)) => None,
        _ => {
            return Err(StripeError::invalid(
                "",
                "trial_end",
                "You may only specify one of these parameters: trial_end, trial_period_days.",
            ));
        }
    };
    let mut subscription = json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": { "disabled_reason": null, "enabled": is(&given["automatic_tax"]["enabled"]), "liability": null },
        "billing_cycle_anchor": now, "billing_cycle_anchor_config": null, "billing_schedules": [],
        "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible" },
        "billing_thresholds": null, "cancel_at": given["cancel_at"], "cancel_at_period_end": false,
        "canceled_at": null, "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": given["collection_method"].as_str().unwrap_or("charge_automatically"),
        "created": now, "currency": null, "customer": customer["id"], "customer_account": null,
        "days_until_due": given["days_until_due"], "default_payment_method": null, "default_source": null,
        "default_tax_rates": [], "description": given["description"], "discounts": [], "ended_at": null,
        "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "latest_invoice": null, "livemode": false, "metadata": metadata(given),
        "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
        "payment_settings": {
            "payment_method_options": given["payment_settings"]["payment_method_options"], "payment_method_types": null,
            "save_default_payment_method":
                given["payment_settings"]["save_default_payment_method"].as_str().unwrap_or("off"),
        },
        "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null,
        "schedule": null, "start_date": now, "status": "incomplete", "status_details": null, "test_clock": null, "transfer_data": null,
        "trial_end": trial_end, "trial_start": trial_end.map(|_| now),
        "trial_settings": given.get("trial_settings").filter(|given| !given.is_null()).cloned()
            .unwrap_or_else(|| json!({ "end_behavior": { "missing_payment_method": "create_invoice" } })),
    });
    let items = list(&given["items"]);
    let mut fresh = Vec::new();
    for (number, item) in items.iter().enumerate() {
        fresh.push(proration::fresh(turn, &subscription, item, &format!("items[{number}]"))?);
    }
    subscription["items"] = whole_list(&format!("/v1/subscription_items?subscription={id}"), Vec::new());
    // Checks them together.
    let fresh = { proration::wanted(turn, &json!({ "items": fresh }), &json!([]))? };
    let anchor = match given["billing_cycle_anchor"].as_i64() {
        Some(anchor) if anchor <= now => {
            return Err(StripeError::invalid(
                "timestamp_invalid",
                "billing_cycle_anchor",
                "billing_cycle_anchor must be in the future.",
            ));
        }
        Some(anchor) => anchor,
        None => trial_end.unwrap_or(now),
    };
    subscription["billing_cycle_anchor"] = anchor.into();
    subscription["currency"] = fresh[0]["price"]["currency"].clone();
    let placed = fresh.into_iter().map(|mut item| {
        let (mut start, mut end) = calendar::period(anchor, &item["price"]["recurring"], now);
        if let Some(trial_end) = trial_end {
            (start, end) = (now, trial_end);
        } else if anchor > now {
            start = start.max(now);
        }
        item["current_period_start"] = start.max(now).into();
        item["current_period_end"] = end.into();
        item["_anchor"] = anchor.into();
        item
    });
    let placed: Vec<Value> = placed.collect();
    subscription["items"]["data"] = Value::Array(placed);
    if is(&given["cancel_at_period_end"]) {
        subscription["cancel_at_period_end"] = true.into();
        subscription["cancel_at"] = period_end(&subscription).into();
        subscription["canceled_at"] = now.into();
    }
    Ok(subscription)
}

/// When the earliest of a subscription's periods ends.
pub(super) fn period_end(subscription: &Value) -> i64 {
    list(&subscription["items"]).iter().map(|item| int(&item["current_period_end"])).min().unwrap_or(0)
}

/// The lines of the first invoice.
pub(super) fn first_lines(turn: &Turn<'_>, subscription: &Value) -> Vec<Value> {
    let trialing = subscription["trial_end"].as_i64().is_some_and(|end| end > turn.now);
    let line = |item: &Value| {
        let (start, end) = (int(&item["current_period_start"]), int(&item["current_period_end"]));
        if trialing {
            return Some(lines::of_trial(turn, subscription, item, (start, end)));
        }
        if catalog::is_metered(&item["price"]) {
            return None;
        }
        let whole =
            calendar::period(int(&subscription["billing_cycle_anchor"]), &item["price"]["recurring"], start);
        if whole == (start, end) {
            return Some(lines::of_period(turn, subscription, item, (start, end)));
        }
        // A first period up to a later anchor costs its part.
        let mut part = item.clone();
        part["current_period_start"] = whole.0.into();
        proration::rest(turn, text(&subscription["id"]), &part, start)
    };
    list(&subscription["items"]).iter().filter_map(line).collect()
}

/// Begins a subscription: its first invoice is paid, waits for the payer, or all is refused.
///
/// # Errors
/// As the API's.
pub(super) fn begin(turn: &mut Turn<'_>, given: &Value) -> Outcome<String> {
    let customer_id = text(&given["customer"]).to_owned();
    let customer = turn.must("customer", &customer_id, "customer")?;
    if list(&given["items"]).is_empty() {
        return Err(StripeError::invalid("parameter_missing", "items", "Missing required param: items."));
    }
    let behavior = given["payment_behavior"].as_str().unwrap_or("allow_incomplete");
    if behavior == "pending_if_incomplete" {
        return Err(StripeError::invalid(
            "",
            "payment_behavior",
            "`pending_if_incomplete` is only for updates of a subscription.",
        ));
    }
    let sends = given["collection_method"] == "send_invoice";
    if sends && given["days_until_due"].is_null() {
        return Err(StripeError::invalid(
            "parameter_missing",
            "days_until_due",
            "`days_until_due` is required when `collection_method` is `send_invoice`.",
        ));
    }
    let id = new_id("sub_1");
    let mut subscription = compose(turn, &customer, given, &id)?;
    tax::check_location(&subscription["automatic_tax"], &customer)?;
    customers::settle_currency(turn, &customer_id, text(&subscription["currency"]))?;
    if let Some(method) = some(&given["default_payment_method"]) {
        let method = methods::resolve(turn, method, "default_payment_method")?;
        if method["customer"] != customer_id.as_str() {
            methods::attach(turn, text(&method["id"]), &customer_id)?;
        }
        subscription["default_payment_method"] = method["id"].clone();
    }
    let trialing = subscription["trial_end"].is_i64();
    let method = methods::default_of(turn, &customer, &subscription);
    let starts = first_lines(turn, &subscription);
    let mut extra = Vec::new();
    for added in list(&given["add_invoice_items"]) {
        let price = turn.must("price", text(&added["price"]), "add_invoice_items[0][price]")?;
        let quantity = added["quantity"].as_i64().unwrap_or(1);
        extra.push(lines::line(&lines::Line {
            item: &Value::Null,
            subscription: &id,
            price: &price,
            quantity,
            amount: catalog::amount(&price, quantity),
            period: (turn.now, turn.now),
            proration: false,
            description: catalog::product_name(turn, &price),
        }));
    }
    if method.is_none() && !sends && behavior != "default_incomplete" && !trialing {
        let costs = starts.iter().chain(&extra).map(|line| int(&line["amount"])).sum::<i64>();
        if costs > 0 {
            return Err(payments::no_method().undone());
        }
    }
    if sends {
        subscription["status"] = "active".into();
    }
    let period = (turn.now, turn.now);
    turn.make_as("subscription", &id, subscription.clone());
    if trialing {
        turn.edit("subscription", &id, |subscription| subscription["status"] = "trialing".into());
    }
    turn.event("customer.subscription.created", &id);
    let mut all = invoice_items::take(turn, &customer["id"], Some(&id));
    all.extend(starts);
    all.extend(extra);
    let subscription = turn.of("subscription", &id.as_str().into());
    let customer = turn.of("customer", &customer["id"]);
    let draft = Draft {
        customer: &customer,
        subscription: &subscription,
        lines: all,
        reason: "subscription_create",
        period,
    };
    let invoice = invoices::make(turn, draft);
    invoices::finalize(turn, &invoice).map_err(StripeError::undone)?;
    if trialing && method.is_none() && behavior == "default_incomplete" {
        let setup = setups::of_subscription(turn, &customer_id);
        turn.edit("subscription", &id, |subscription| subscription["pending_setup_intent"] = setup);
    }
    let open = turn.of("invoice", &invoice.as_str().into())["status"] == "open";
    if open && !sends && behavior != "default_incomplete" {
        let attempt = payments::collect(turn, &invoice, None);
        let unpaid = !matches!(attempt, Some(Attempt::Paid | Attempt::Coming { .. }));
        if unpaid
            && behavior == "error_if_incomplete"
            && let Some(error) = payments::as_refusal(turn, &invoice, attempt)
        {
            return Err(error);
        }
    }
    Ok(id)
}
