//! Lines of invoices.

use serde_json::{Value, json};

use super::catalog;
use super::tax::Tax;
use super::turn::{Turn, new_id};
use super::value::{int, list, public, some, text};

/// Less than so many minor units is not charged.
const SMALLEST: i64 = 50;

/// A line to be.
pub(super) struct Line<'line> {
    /// The subscription's item; null for what is sold once.
    pub(super) item: &'line Value,
    pub(super) subscription: &'line str,
    pub(super) price: &'line Value,
    pub(super) quantity: i64,
    pub(super) amount: i64,
    pub(super) period: (i64, i64),
    pub(super) proration: bool,
    pub(super) description: String,
}

/// Writes a line; its tax comes with the invoice.
pub(super) fn line(line: &Line<'_>) -> Value {
    let parent = if line.item.is_null() {
        json!({ "invoice_item_details": null, "subscription_item_details": null, "type": "invoice_item_details" })
    } else {
        json!({
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": line.proration, "proration_details": { "credited_items": null },
                "subscription": line.subscription, "subscription_item": line.item["id"],
            },
            "type": "subscription_item_details",
        })
    };
    let pricing = if line.price["id"].is_null() {
        Value::Null
    } else {
        json!({
            "price_details": { "price": line.price["id"], "product": line.price["product"] }, "type": "price_details",
            "unit_amount_decimal": line.price["unit_amount_decimal"],
        })
    };
    json!({
        "id": new_id("il_1"), "object": "line_item", "amount": line.amount, "currency": line.price["currency"],
        "description": line.description, "discount_amounts": [], "discountable": !line.proration, "discounts": [],
        "invoice": null, "livemode": false, "metadata": line.item["metadata"].as_object().cloned().unwrap_or_default(),
        "parent": parent, "period": { "end": line.period.1, "start": line.period.0 }, "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": line.quantity,
        "subscription": some(&line.subscription.into()), "subtotal": line.amount, "taxes": [],
    })
}

/// The line of an item's whole period: what it costs, or what was used.
pub(super) fn of_period(turn: &Turn<'_>, subscription: &Value, item: &Value, period: (i64, i64)) -> Value {
    let price = turn.of("price", &item["price"]["id"]);
    let quantity = if catalog::is_metered(&price) {
        super::usage::total(turn, &price, text(&subscription["customer"]), period)
    } else {
        int(&item["quantity"])
    };
    let name = catalog::product_name(turn, &price);
    line(&Line {
        item,
        subscription: text(&subscription["id"]),
        price: &price,
        quantity,
        amount: catalog::amount(&price, quantity),
        period,
        proration: false,
        description: format!("{quantity} × {name} ({})", told(&price)),
    })
}

/// The line of a period that costs nothing yet.
pub(super) fn of_trial(turn: &Turn<'_>, subscription: &Value, item: &Value, period: (i64, i64)) -> Value {
    let price = turn.of("price", &item["price"]["id"]);
    let name = catalog::product_name(turn, &price);
    line(&Line {
        item,
        subscription: text(&subscription["id"]),
        price: &price,
        quantity: int(&item["quantity"]),
        amount: 0,
        period,
        proration: false,
        description: format!("Trial period for {name}"),
    })
}

/// `at $299.00 / month`.
fn told(price: &Value) -> String {
    let interval = text(&price["recurring"]["interval"]);
    match price["unit_amount"].as_i64() {
        Some(amount) => format!("at {} / {interval}", money(amount, text(&price["currency"]))),
        None => format!("per {interval}"),
    }
}

/// An amount for people.
pub(super) fn money(amount: i64, currency: &str) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, part) = (amount.abs() / 100, amount.abs() % 100);
    match currency {
        "eur" => format!("{sign}€{whole}.{part:02}"),
        "usd" => format!("{sign}${whole}.{part:02}"),
        "gbp" => format!("{sign}£{whole}.{part:02}"),
        other => format!("{sign}{whole}.{part:02} {}", other.to_uppercase()),
    }
}

/// A pending invoice item as a line.
pub(super) fn of_invoice_item(pending: &Value) -> Value {
    let mut line = pending["_line"].clone();
    line["id"] = new_id("il_1").into();
    let details = &mut line["parent"]["subscription_item_details"];
    if details.is_object() {
        details["invoice_item"] = pending["id"].clone();
    } else {
        line["parent"]["invoice_item_details"] = json!({
            "invoice_item": pending["id"], "proration": false, "proration_details": { "credited_items": null },
            "subscription": null
        });
    }
    line
}

/// Taxes the lines in place and sums the invoice up.
pub(super) fn sum_up(turn: &Turn<'_>, invoice: &mut Value, customer: &Value) {
    let automatic = invoice["automatic_tax"]["enabled"] == true;
    let tax = if automatic { Tax::of(turn, customer) } else { None };
    let mut lines = list(&invoice["lines"]).to_vec();
    let (mut subtotal, mut on_top, mut inside) = (0, 0, 0);
    let mut totals: Vec<Value> = Vec::new();
    for line in &mut lines {
        let amount = int(&line["amount"]);
        subtotal += amount;
        line["invoice"] = invoice["id"].clone();
        let Some(tax) = &tax else { continue };
        let price = turn.of("price", &line["pricing"]["price_details"]["price"]);
        let behavior = text(&price["tax_behavior"]);
        let (due, adds) = tax.on(amount, behavior);
        if adds {
            on_top += due;
        } else {
            inside += due;
        }
        line["taxes"] = tax.told(amount, behavior);
        for told in list(&line["taxes"]).to_vec() {
            let same = |total: &&mut Value| {
                total["tax_behavior"] == told["tax_behavior"]
                    && total["taxability_reason"] == told["taxability_reason"]
            };
            match totals.iter_mut().find(same) {
                Some(total) => {
                    for name in ["amount", "taxable_amount"] {
                        total[name] = (int(&total[name]) + int(&told[name])).into();
                    }
                }
                None => totals.push(told),
            }
        }
    }
    let total = subtotal + on_top;
    invoice["lines"]["data"] = Value::Array(lines);
    invoice["subtotal"] = subtotal.into();
    invoice["subtotal_excluding_tax"] = (subtotal - inside).into();
    invoice["total"] = total.into();
    invoice["total_excluding_tax"] = (subtotal - inside).into();
    invoice["total_taxes"] = Value::Array(totals);
    if automatic {
        let status = if tax.is_some() { "complete" } else { "requires_location_inputs" };
        invoice["automatic_tax"]["status"] = status.into();
        if tax.is_some_and(|tax| tax.is_reverse_charge()) {
            invoice["footer"] = "Tax to be paid on reverse charge basis".into();
        }
    }
    let balance = int(&customer["balance"]);
    let from_balance = if total > 0 { balance.clamp(-total, i64::MAX) } else { 0 };
    let mut due = (total + from_balance).max(0);
    invoice["starting_balance"] = balance.into();
    invoice["ending_balance"] = Value::Null;
    let mut ending = if total < 0 { balance + total } else { balance - from_balance };
    if (1..SMALLEST).contains(&due) && invoice["collection_method"] == "charge_automatically" {
        // Too little to charge: the next invoice takes it along.
        ending += due;
        due = 0;
    }
    invoice["_ending_balance"] = ending.into();
    invoice["amount_due"] = due.into();
    invoice["amount_remaining"] = due.into();
    let ids = turn.all("tax_id").into_iter().filter(|tax_id| tax_id["customer"] == customer["id"]);
    invoice["customer_tax_ids"] =
        ids.map(|tax_id| json!({ "type": tax_id["type"], "value": tax_id["value"] })).collect();
    for (name, value) in [
        ("customer_address", &customer["address"]),
        ("customer_email", &customer["email"]),
        ("customer_name", &customer["name"]),
        ("customer_phone", &customer["phone"]),
        ("customer_shipping", &customer["shipping"]),
        ("customer_tax_exempt", &customer["tax_exempt"]),
    ] {
        invoice[name] = public(value);
    }
}
