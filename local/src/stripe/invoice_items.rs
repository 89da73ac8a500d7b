//! Invoice items: what waits for the next invoice.

use serde_json::{Value, json};

use super::catalog;
use super::error::{Outcome, StripeError};
use super::lines::{self, Line};
use super::routes::{Call, Route, delete, get, page, post};
use super::turn::Turn;
use super::value::{int, is, merge_metadata, metadata, some, text};

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/invoiceitems",
        "customer! amount:int currency description invoice metadata:map quantity:int subscription
         period{start!:time end!:time} pricing{price} unit_amount_decimal:decimal discountable:bool
         tax_behavior:inclusive|exclusive|unspecified",
        create,
    ),
    get("/v1/invoiceitems", "customer invoice pending:bool created:range", |turn, call| {
        page(turn, call, "invoiceitem", |item| {
            let given = &call.given;
            some(&given["customer"]).is_none_or(|wanted| item["customer"] == wanted)
                && some(&given["invoice"]).is_none_or(|wanted| item["invoice"] == wanted)
                && given["pending"].as_bool().is_none_or(|pending| pending == item["invoice"].is_null())
        })
    }),
    get("/v1/invoiceitems/{id}", "", |turn, call| turn.must("invoiceitem", call.id(), "id")),
    delete("/v1/invoiceitems/{id}", "", |turn, call| {
        let item = turn.must("invoiceitem", call.id(), "id")?;
        if !item["invoice"].is_null() {
            return Err(StripeError::refused(
                "You can only delete invoice items that are not attached to an invoice.",
            ));
        }
        turn.event("invoiceitem.deleted", call.id());
        turn.remove("invoiceitem", call.id());
        Ok(json!({ "id": call.id(), "object": "invoiceitem", "deleted": true }))
    }),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let customer = turn.must("customer", call.text("customer"), "customer")?;
    let quantity = given["quantity"].as_i64().unwrap_or(1);
    let (price, amount) = match (some(&given["pricing"]["price"]), given["amount"].as_i64()) {
        (Some(price), None) => {
            let price = turn.must("price", price, "pricing[price]")?;
            let amount = catalog::amount(&price, quantity);
            (price, amount)
        }
        (None, Some(amount)) => {
            let currency = some(&given["currency"]).unwrap_or(text(&customer["currency"]));
            catalog::check_currency(currency)?;
            (json!({ "currency": currency }), amount)
        }
        _ => {
            return Err(StripeError::invalid(
                "parameter_missing",
                "amount",
                "You must pass either `pricing[price]` or `amount`.",
            ));
        }
    };
    let description = match some(&given["description"]) {
        Some(text) => text.to_owned(),
        None => catalog::product_name(turn, &price),
    };
    let period = match (given["period"]["start"].as_i64(), given["period"]["end"].as_i64()) {
        (Some(start), Some(end)) => (start, end),
        _ => (turn.now, turn.now),
    };
    let line = lines::line(&Line {
        item: &Value::Null,
        subscription: "",
        price: &price,
        quantity,
        amount,
        period,
        proration: false,
        description,
    });
    let mut item = add(turn, &customer["id"], given["subscription"].clone(), line);
    item["metadata"] = metadata(given);
    merge_metadata(&mut item, given);
    turn.put(&item);
    Ok(item)
}

/// Lets a line wait for the next invoice.
pub(super) fn add(turn: &mut Turn<'_>, customer: &Value, subscription: Value, line: Value) -> Value {
    let proration = is(&line["parent"]["subscription_item_details"]["proration"]);
    let parent = if subscription.is_null() {
        Value::Null
    } else {
        json!({
            "subscription_details": {
                "subscription": subscription,
                "subscription_item": line["parent"]["subscription_item_details"]["subscription_item"],
            },
            "type": "subscription_details",
        })
    };
    let item = turn.make(
        "invoiceitem",
        "ii_1",
        json!({
            "amount": line["amount"], "currency": line["currency"], "customer": customer, "date": turn.now,
            "description": line["description"], "discountable": !proration, "discounts": [], "invoice": null,
            "metadata": {}, "net_amount": line["amount"], "parent": parent, "period": line["period"],
            "pricing": line["pricing"], "proration": proration, "quantity": line["quantity"],
            "quantity_decimal": int(&line["quantity"]).to_string(), "tax_rates": [],
            "test_clock": null, "_line": line,
        }),
    );
    turn.event("invoiceitem.created", text(&item["id"]));
    item
}

/// The lines that wait, for one subscription or for none.
pub(super) fn waiting(turn: &Turn<'_>, customer: &Value, subscription: Option<&str>) -> Vec<Value> {
    turn.those("invoiceitem", |item| {
        item["customer"] == *customer
            && item["invoice"].is_null()
            && subscription.is_none_or(|wanted| {
                let own = text(&item["parent"]["subscription_details"]["subscription"]);
                own == wanted || own.is_empty()
            })
    })
}

/// Takes the lines that wait; they are on an invoice from now on.
pub(super) fn take(turn: &mut Turn<'_>, customer: &Value, subscription: Option<&str>) -> Vec<Value> {
    let items = waiting(turn, customer, subscription);
    let mut lines: Vec<(i64, Value)> = Vec::new();
    for item in items {
        // Which invoice it is turns out when that is made; until then nobody else may take it.
        turn.edit("invoiceitem", text(&item["id"]), |item| item["invoice"] = "".into());
        lines.push((int(&item["_seq"]), lines::of_invoice_item(&item)));
    }
    lines.sort_by_key(|(number, _)| *number);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Says on which invoice the taken lines are.
pub(super) fn settle(turn: &mut Turn<'_>, invoice: &str) {
    let taken = turn.those("invoiceitem", |item| item["invoice"] == "");
    for item in taken {
        turn.edit("invoiceitem", text(&item["id"]), |item| item["invoice"] = invoice.into());
    }
}
