//! Changes of a subscription's items in the middle of a period: new items, credits and charges, to the second.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::lines::{Line, line};
use super::turn::{Turn, new_id};
use super::value::{int, is, list, merge_metadata, metadata, public, share, some, text};
use super::{calendar, catalog};

/// What a change of items comes to.
pub(super) struct Change {
    /// The items afterwards.
    pub(super) items: Vec<Value>,
    /// What is credited and charged for it.
    pub(super) lines: Vec<Value>,
    /// A new period begins, which is billed at once.
    pub(super) resets: bool,
}

/// The items that a call asks for, made of those that are there.
///
/// # Errors
/// When a price or an item is not there, does not fit, or is there twice.
pub(super) fn wanted(turn: &Turn<'_>, subscription: &Value, given: &Value) -> Outcome<Vec<Value>> {
    let mut items = list(&subscription["items"]).to_vec();
    for (number, change) in list(given).iter().enumerate() {
        let param = format!("items[{number}]");
        match some(&change["id"]) {
            Some(id) => {
                let place = items.iter().position(|item| item["id"] == id);
                let place = place
                    .ok_or_else(|| StripeError::missing("subscription item", id, &format!("{param}[id]")))?;
                if is(&change["deleted"]) {
                    items.remove(place);
                    continue;
                }
                let item = &mut items[place];
                if let Some(price) = some(&change["price"]) {
                    item["price"] = public(&usable(turn, price, &format!("{param}[price]"))?);
                }
                set_quantity(item, change)?;
                merge_metadata(item, change);
            }
            None => items.push(fresh(turn, subscription, change, &param)?),
        }
    }
    check(&items)?;
    Ok(items)
}

/// A new item.
///
/// # Errors
/// As [`wanted`].
pub(super) fn fresh(turn: &Turn<'_>, subscription: &Value, given: &Value, param: &str) -> Outcome<Value> {
    let Some(price) = some(&given["price"]) else {
        return Err(StripeError::invalid(
            "parameter_missing",
            &format!("{param}[price]"),
            format!("Missing required param: {param}[price]."),
        ));
    };
    let price = usable(turn, price, &format!("{param}[price]"))?;
    let mut item = json!({
        "id": new_id("si_"), "object": "subscription_item", "billing_thresholds": null, "created": turn.now,
        "current_period_end": null, "current_period_start": null, "discounts": [], "metadata": metadata(given),
        "price": public(&price), "subscription": subscription["id"], "tax_rates": [],
    });
    set_quantity(&mut item, given)?;
    Ok(item)
}

fn set_quantity(item: &mut Value, given: &Value) -> Outcome<()> {
    if catalog::is_metered(&item["price"]) {
        if given["quantity"].is_i64() {
            return Err(StripeError::invalid(
                "",
                "items[0][quantity]",
                "You cannot set the quantity for metered plans.",
            ));
        }
        if let Some(fields) = item.as_object_mut() {
            fields.remove("quantity");
        }
        return Ok(());
    }
    match given["quantity"].as_i64() {
        Some(quantity) if quantity < 0 => Err(StripeError::invalid(
            "parameter_invalid_integer",
            "items[0][quantity]",
            "This value must be greater than or equal to 0.",
        )),
        Some(quantity) => {
            item["quantity"] = quantity.into();
            Ok(())
        }
        None => {
            if item["quantity"].is_null() {
                item["quantity"] = 1.into();
            }
            Ok(())
        }
    }
}

fn usable(turn: &Turn<'_>, price: &str, param: &str) -> Outcome<Value> {
    let price = turn.must("price", price, param)?;
    if !is(&price["active"]) {
        return Err(StripeError::invalid(
            "",
            param,
            "The price specified is inactive. This field only accepts active prices.",
        ));
    }
    if price["recurring"].is_null() {
        return Err(StripeError::invalid(
            "",
            param,
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
        ));
    }
    Ok(price)
}

fn check(items: &[Value]) -> Outcome<()> {
    if items.is_empty() {
        return Err(StripeError::invalid("", "items", "A subscription must have at least one active plan."));
    }
    if items.len() > 20 {
        return Err(StripeError::invalid("", "items", "A subscription can have at most 20 items."));
    }
    for (place, item) in items.iter().enumerate() {
        if item["price"]["currency"] != items[0]["price"]["currency"] {
            return Err(StripeError::invalid(
                "",
                "items",
                "All prices on a subscription must have the same currency.",
            ));
        }
        if items[..place].iter().any(|other| other["price"]["id"] == item["price"]["id"]) {
            return Err(StripeError::invalid(
                "",
                "items",
                format!(
                    "Cannot add multiple subscription items with the same plan: {}",
                    text(&item["price"]["id"])
                ),
            ));
        }
    }
    Ok(())
}

/// How a change is to be counted.
pub(super) struct Manner {
    /// The moment from which on it counts.
    pub(super) at: i64,
    /// Whether what is left of the period is credited and charged.
    pub(super) prorates: bool,
    /// Whether the billing cycle begins anew.
    pub(super) anchors: bool,
}

/// Counts a change from the old items to the new ones.
pub(super) fn count(turn: &Turn<'_>, subscription: &Value, mut items: Vec<Value>, manner: &Manner) -> Change {
    let old = list(&subscription["items"]);
    let trialing = subscription["status"] == "trialing";
    let id = text(&subscription["id"]);
    let mut credits = Vec::new();
    let mut charges = Vec::new();
    let mut resets = false;
    let at = manner.at;
    for item in old.iter().filter(|item| !items.iter().any(|other| other["id"] == item["id"])) {
        credits.extend(credit(turn, id, item, at));
    }
    for item in &mut items {
        let before = old.iter().find(|other| other["id"] == item["id"]);
        let like = before
            .or_else(|| old.iter().find(|other| catalog::same_interval(&other["price"], &item["price"])));
        let changed = before.is_none_or(|before| {
            before["price"]["id"] != item["price"]["id"] || before["quantity"] != item["quantity"]
        });
        let new_interval = like.is_none_or(|like| !catalog::same_interval(&like["price"], &item["price"]));
        if trialing {
            item["current_period_start"] = old[0]["current_period_start"].clone();
            item["current_period_end"] = old[0]["current_period_end"].clone();
            continue;
        }
        if let Some(before) = before.filter(|_| changed || manner.anchors) {
            credits.extend(credit(turn, id, before, at));
        }
        if new_interval || manner.anchors {
            let (start, end) = calendar::period(at, &item["price"]["recurring"], at);
            item["current_period_start"] = start.into();
            item["current_period_end"] = end.into();
            if !catalog::is_metered(&item["price"]) {
                charges.push(super::lines::of_period(turn, subscription, item, (start, end)));
                resets = true;
            }
            continue;
        }
        if let Some(like) = like {
            item["current_period_start"] = like["current_period_start"].clone();
            item["current_period_end"] = like["current_period_end"].clone();
        }
        if changed && manner.prorates {
            charges.extend(rest(turn, id, item, at));
        }
    }
    if !manner.prorates {
        credits.clear();
    }
    credits.extend(charges);
    Change { items, lines: credits, resets }
}

/// What is given back for the unused time of an item.
fn credit(turn: &Turn<'_>, subscription: &str, item: &Value, at: i64) -> Option<Value> {
    prorated(turn, subscription, item, at, -1)
}

/// What the rest of the period costs with an item as it is now.
pub(super) fn rest(turn: &Turn<'_>, subscription: &str, item: &Value, at: i64) -> Option<Value> {
    prorated(turn, subscription, item, at, 1)
}

fn prorated(turn: &Turn<'_>, subscription: &str, item: &Value, at: i64, sign: i64) -> Option<Value> {
    let price = turn.of("price", &item["price"]["id"]);
    if catalog::is_metered(&price) {
        return None;
    }
    let (start, end) = (int(&item["current_period_start"]), int(&item["current_period_end"]));
    let at = at.clamp(start, end);
    if at == end {
        return None;
    }
    let quantity = int(&item["quantity"]);
    let name = catalog::product_name(turn, &price);
    let what = if sign < 0 { "Unused" } else { "Remaining" };
    let many = if quantity == 1 { String::new() } else { format!("{quantity} × ") };
    Some(line(&Line {
        item,
        subscription,
        price: &price,
        quantity,
        amount: sign * share(catalog::amount(&price, quantity), end - at, end - start),
        period: (at, end),
        proration: true,
        description: format!("{what} time on {many}{name} after {}", day(at)),
    }))
}

/// `21 Nov 2026`.
fn day(at: i64) -> String {
    jiff::Timestamp::from_second(at)
        .map(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC).strftime("%d %b %Y").to_string())
        .unwrap_or_default()
}
