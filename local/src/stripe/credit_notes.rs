//! Credit notes: a finalized invoice made smaller, or money given back for it.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::invoices::payment_of;
use super::routes::{Call, Route, get, page, post};
use super::turn::{Turn, new_id};
use super::value::{int, list, merge_metadata, metadata, share, some, text, whole_list};
use super::{payments, refunds};

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/credit_notes",
        "invoice! amount:int credit_amount:int refund_amount:int out_of_band_amount:int memo metadata:map
         reason:duplicate|fraudulent|order_change|product_unsatisfactory effective_at:time email_type:credit_note|none
         lines[]{type!:invoice_line_item|custom_line_item invoice_line_item amount:int quantity:int description
         unit_amount:int} refunds[]{refund! amount_refunded:int}",
        create,
    ),
    get("/v1/credit_notes", "customer invoice created:range", |turn, call| {
        page(turn, call, "credit_note", |note| {
            ["customer", "invoice"]
                .into_iter()
                .all(|name| some(&call.given[name]).is_none_or(|wanted| note[name] == wanted))
        })
    }),
    get("/v1/credit_notes/{id}", "", |turn, call| turn.must("credit_note", call.id(), "id")),
    post("/v1/credit_notes/{id}", "memo metadata:map", |turn, call| {
        let mut note = turn.must("credit_note", call.id(), "id")?;
        if call.has("memo") {
            note["memo"] = call.given["memo"].clone();
        }
        merge_metadata(&mut note, &call.given);
        turn.put(&note);
        turn.event("credit_note.updated", call.id());
        Ok(note)
    }),
    post("/v1/credit_notes/{id}/void", "", void),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let invoice = turn.must("invoice", call.text("invoice"), "invoice")?;
    let invoice_id = text(&invoice["id"]).to_owned();
    let is_paid = match text(&invoice["status"]) {
        "paid" => true,
        "open" | "uncollectible" => false,
        _ => {
            return Err(StripeError::refused("You can only create a credit note for a finalized invoice."));
        }
    };
    let by_lines: i64 = list(&given["lines"]).iter().map(|line| line_amount(&invoice, line)).sum();
    let amount = match given["amount"].as_i64() {
        Some(amount) => amount,
        None if by_lines > 0 => by_lines,
        None => {
            int(&given["refund_amount"]) + int(&given["credit_amount"]) + int(&given["out_of_band_amount"])
        }
    };
    let noted: i64 = turn
        .all("credit_note")
        .into_iter()
        .filter(|note| note["invoice"] == invoice_id.as_str() && note["status"] == "issued")
        .map(|note| int(&note["amount"]))
        .sum();
    let left = if is_paid { int(&invoice["amount_paid"]) - noted } else { int(&invoice["amount_remaining"]) };
    if amount < 1 || amount > left {
        return Err(StripeError::invalid(
            "",
            "amount",
            format!("The credit note's amount must be between 1 and the {left} that can still be credited."),
        ));
    }
    let linked: i64 = list(&given["refunds"])
        .iter()
        .map(|linked| {
            let refund = turn.of("refund", &linked["refund"]);
            linked["amount_refunded"].as_i64().unwrap_or(int(&refund["amount"]))
        })
        .sum();
    let (refunded, credited, outside) =
        (int(&given["refund_amount"]), int(&given["credit_amount"]), int(&given["out_of_band_amount"]));
    if is_paid && refunded + credited + outside + linked != amount {
        return Err(StripeError::invalid(
            "",
            "amount",
            "The sum of credit amount, refund amount and out of band amount must equal the credit note's amount.",
        ));
    }
    let mut links: Vec<Value> = list(&given["refunds"])
        .iter()
        .map(|linked| json!({ "amount_refunded": linked["amount_refunded"], "refund": linked["refund"], "type": "refund" }))
        .collect();
    if refunded > 0 {
        let refund = refund_of(turn, &invoice_id, refunded, given)?;
        links.push(json!({ "amount_refunded": refunded, "refund": refund, "type": "refund" }));
    }
    let tax: i64 = list(&invoice["total_taxes"]).iter().map(|tax| int(&tax["amount"])).sum();
    let tax = share(tax, amount, int(&invoice["total"]));
    let number =
        turn.all("credit_note").iter().filter(|note| note["invoice"] == invoice_id.as_str()).count() + 1;
    let note = turn.make(
        "credit_note",
        "cn_1",
        json!({
            "amount": amount, "amount_shipping": 0, "currency": invoice["currency"], "customer": invoice["customer"],
            "customer_account": null, "customer_balance_transaction": null, "discount_amount": 0,
            "discount_amounts": [], "effective_at": given["effective_at"].as_i64().unwrap_or(turn.now),
            "invoice": invoice_id,
            "lines": whole_list("", vec![json!({
                "id": new_id("cnli_1"), "object": "credit_note_line_item", "amount": amount - tax,
                "description": given["memo"], "discount_amount": 0, "discount_amounts": [], "livemode": false,
                "pretax_credit_amounts": [], "quantity": 1, "tax_rates": [], "taxes": [], "type": "custom_line_item",
                "unit_amount": amount - tax, "unit_amount_decimal": (amount - tax).to_string(),
            })]),
            "memo": given["memo"], "metadata": metadata(given),
            "number": format!("{}-CN-{number:02}", text(&invoice["number"])),
            "out_of_band_amount": given["out_of_band_amount"],
            "pdf": turn.account.page(&format!("/invoice/{invoice_id}/pdf")),
            "post_payment_amount": if is_paid { amount } else { 0 }, "pre_payment_amount": if is_paid { 0 } else { amount },
            "pretax_credit_amounts": [], "reason": given["reason"], "refunds": links, "shipping_cost": null,
            "status": "issued", "subtotal": amount - tax, "subtotal_excluding_tax": amount - tax, "total": amount,
            "total_excluding_tax": amount - tax, "total_taxes": [], "type": if is_paid { "post_payment" } else { "pre_payment" },
            "voided_at": null,
        }),
    );
    let id = text(&note["id"]).to_owned();
    if credited > 0 {
        let customer = text(&invoice["customer"]);
        turn.edit("customer", customer, |customer| {
            customer["balance"] = (int(&customer["balance"]) - credited).into();
        });
        turn.event("customer.updated", customer);
    }
    turn.event("credit_note.created", &id);
    if is_paid {
        turn.edit("invoice", &invoice_id, |invoice| {
            let before = int(&invoice["post_payment_credit_notes_amount"]);
            invoice["post_payment_credit_notes_amount"] = (before + amount).into();
        });
        turn.event("invoice.updated", &invoice_id);
    } else {
        lower(turn, &invoice_id, amount);
    }
    turn.must("credit_note", &id, "id")
}

fn line_amount(invoice: &Value, line: &Value) -> i64 {
    if let Some(amount) = line["amount"].as_i64() {
        return amount;
    }
    let quantity = line["quantity"].as_i64().unwrap_or(1);
    match some(&line["invoice_line_item"]) {
        Some(id) => {
            let found = list(&invoice["lines"]).iter().find(|line| line["id"] == id);
            found.map_or(0, |line| int(&line["amount"]))
        }
        None => int(&line["unit_amount"]) * quantity,
    }
}

fn refund_of(turn: &mut Turn<'_>, invoice: &str, amount: i64, given: &Value) -> Outcome<Value> {
    let payment = payment_of(turn, invoice).unwrap_or_default();
    let intent = turn.of("payment_intent", &payment["payment"]["payment_intent"]);
    let charge = turn.of("charge", &intent["latest_charge"]);
    if charge.is_null() {
        return Err(StripeError::invalid(
            "",
            "refund_amount",
            "The invoice was not paid by a charge that can be refunded.",
        ));
    }
    let reason = match text(&given["reason"]) {
        reason @ ("duplicate" | "fraudulent") => json!({ "reason": reason }),
        _ => json!({ "reason": "requested_by_customer" }),
    };
    Ok(refunds::refund(turn, &charge, Some(amount), &reason)?["id"].clone())
}

/// Less is due of an open invoice; nothing, and it is paid.
fn lower(turn: &mut Turn<'_>, invoice: &str, amount: i64) {
    turn.edit("invoice", invoice, |invoice| {
        let before = int(&invoice["pre_payment_credit_notes_amount"]);
        invoice["pre_payment_credit_notes_amount"] = (before + amount).into();
        for name in ["amount_due", "amount_remaining"] {
            invoice[name] = (int(&invoice[name]) - amount).into();
        }
    });
    let left = int(&turn.of("invoice", &invoice.into())["amount_due"]);
    if let Some(payment) = payment_of(turn, invoice) {
        turn.edit("payment_intent", text(&payment["payment"]["payment_intent"]), |intent| {
            intent["amount"] = left.into();
        });
    }
    if left == 0 {
        payments::paid(turn, invoice, None);
    } else {
        turn.event("invoice.updated", invoice);
    }
}

fn void(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let note = turn.must("credit_note", call.id(), "id")?;
    let invoice = turn.of("invoice", &note["invoice"]);
    if note["status"] != "issued" || note["type"] != "pre_payment" || invoice["status"] != "open" {
        return Err(StripeError::refused("You can only void an issued credit note of an open invoice."));
    }
    let now = turn.now;
    turn.edit("credit_note", call.id(), |note| {
        note["status"] = "void".into();
        note["voided_at"] = now.into();
    });
    lower(turn, text(&note["invoice"]), -int(&note["amount"]));
    turn.event("credit_note.voided", call.id());
    turn.must("credit_note", call.id(), "id")
}
