//! `POST /v1/invoices/create_preview`: the invoice that a change or the next renewal would bring.

use serde_json::{Value, json};

use super::customers;
use super::error::{Outcome, StripeError};
use super::invoices::{self, Draft};
use super::lines;
use super::proration::{self, Manner};
use super::routes::Call;
use super::turn::{Turn, new_id};
use super::updates;
use super::value::{copy, int, is, list, some, text};
use super::{invoice_items, renewals, subscriptions};

pub(super) const TAKES: &str = "customer subscription schedule currency automatic_tax{enabled!:bool}
    preview_mode:next|recurring
    customer_details{address{city country line1 line2 postal_code state} tax_exempt:none|exempt|reverse
        tax_ids[]{type! value!}}
    subscription_details{items[]{id price quantity:int deleted:bool clear_usage:bool metadata:map}
        billing_cycle_anchor:now cancel_at:time cancel_at_period_end:bool cancel_now:bool resume_at:now start_date:time
        proration_behavior:always_invoice|create_prorations|none proration_date:time trial_end:now}";

pub(super) fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let details = &given["subscription_details"];
    let invoice = match some(&given["subscription"]) {
        Some(subscription) => {
            let subscription = turn.must("subscription", subscription, "subscription")?;
            if matches!(text(&subscription["status"]), "canceled" | "incomplete_expired") {
                return Err(StripeError::invalid(
                    "invoice_upcoming_none",
                    "subscription",
                    "No upcoming invoices for customer: the subscription is canceled.",
                ));
            }
            of_change(turn, subscription, details, &given["automatic_tax"])?
        }
        None => of_new(turn, given)?,
    };
    Ok(shown(invoice))
}

fn shown(mut invoice: Value) -> Value {
    invoice["id"] = new_id("upcoming_in_1").into();
    invoice["ending_balance"] = invoice["_ending_balance"].clone();
    invoice["auto_advance"] = true.into();
    invoice
}

fn of_change(turn: &Turn<'_>, mut subscription: Value, details: &Value, automatic: &Value) -> Outcome<Value> {
    if automatic["enabled"].is_boolean() {
        subscription["automatic_tax"]["enabled"] = automatic["enabled"].clone();
    }
    let anchors = details["billing_cycle_anchor"] == "now";
    let prorating = details["proration_behavior"].as_str().unwrap_or("create_prorations");
    if is(&details["cancel_now"]) {
        let manner = Manner { at: turn.now, prorates: true, anchors: false };
        let counted = proration::count(turn, &subscription, Vec::new(), &manner);
        return Ok(of_lines(turn, &subscription, counted.lines, turn.now));
    }
    if details.get("items").is_none() && !anchors {
        if is(&subscription["cancel_at_period_end"]) {
            return Err(StripeError::invalid(
                "invoice_upcoming_none",
                "",
                "No upcoming invoices for customer: the subscription is canceled at the end of its period.",
            ));
        }
        return Ok(renewals::upcoming(turn, &subscription));
    }
    let at = updates::proration_date(turn, &subscription, details)?;
    let items = proration::wanted(turn, &subscription, &details["items"])?;
    let manner = Manner { at, prorates: prorating != "none", anchors };
    let counted = proration::count(turn, &subscription, items, &manner);
    if counted.resets || prorating == "always_invoice" {
        return Ok(of_lines(turn, &subscription, counted.lines, at));
    }
    let mut after = subscription.clone();
    after["items"]["data"] = Value::Array(counted.items);
    let next = renewals::upcoming(turn, &after);
    let mut all = counted.lines;
    all.extend(list(&next["lines"]).iter().cloned());
    let period = (int(&next["period_start"]), int(&next["period_end"]));
    let customer = turn.of("customer", &subscription["customer"]);
    let draft = Draft { customer: &customer, subscription: &after, lines: all, reason: "upcoming", period };
    let mut invoice = invoices::compose(turn, draft);
    invoice["parent"]["subscription_details"]["subscription_proration_date"] = at.into();
    Ok(invoice)
}

fn of_lines(turn: &Turn<'_>, subscription: &Value, mut lines: Vec<Value>, at: i64) -> Value {
    let customer = turn.of("customer", &subscription["customer"]);
    let waiting = invoice_items::waiting(turn, &customer["id"], Some(text(&subscription["id"])));
    let mut all: Vec<Value> = waiting.iter().map(lines::of_invoice_item).collect();
    all.append(&mut lines);
    let period = (turn.now, turn.now);
    let draft = Draft { customer: &customer, subscription, lines: all, reason: "upcoming", period };
    let mut invoice = invoices::compose(turn, draft);
    invoice["parent"]["subscription_details"]["subscription_proration_date"] = at.into();
    invoice
}

fn of_new(turn: &mut Turn<'_>, given: &Value) -> Outcome<Value> {
    let details = &given["subscription_details"];
    if details.get("items").is_none() {
        return Err(StripeError::invalid(
            "parameter_missing",
            "subscription",
            "You must pass `subscription`, or `subscription_details[items]`.",
        ));
    }
    let customer = match some(&given["customer"]) {
        Some(customer) => turn.must("customer", customer, "customer")?,
        None => {
            // Somebody who is none yet; the caller's turn forgets them.
            let mut customer = customers::blank();
            copy(&mut customer, &given["customer_details"], &["address", "tax_exempt"]);
            customer
        }
    };
    let id = new_id("sub_1");
    let mut asked = details.clone();
    asked["customer"] = customer["id"].clone();
    asked["automatic_tax"] =
        given.get("automatic_tax").cloned().unwrap_or_else(|| json!({ "enabled": false }));
    let subscription = subscriptions::compose(turn, &customer, &asked, &id)?;
    let lines = subscriptions::first_lines(turn, &subscription);
    let period = (turn.now, turn.now);
    let draft = Draft { customer: &customer, subscription: &subscription, lines, reason: "upcoming", period };
    let mut invoice = invoices::compose(turn, draft);
    invoice["parent"]["subscription_details"]["subscription"] = Value::Null;
    Ok(invoice)
}
