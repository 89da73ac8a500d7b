//! Charges and what they do to the balance.

use serde_json::{Value, json};

use super::cards::Attempt;
use super::routes::{Route, get, page, post, search};
use super::turn::Turn;
use super::value::{copy, int, merge_metadata, share, some, text};

/// Money is available so many seconds after it came.
const PAYOUT_DELAY: i64 = 3 * 86_400;

pub(super) const ROUTES: &[Route] = &[
    get("/v1/charges", "customer payment_intent created:range", |turn, call| {
        page(turn, call, "charge", |charge| {
            ["customer", "payment_intent"]
                .into_iter()
                .all(|name| some(&call.given[name]).is_none_or(|wanted| charge[name] == wanted))
        })
    }),
    get("/v1/charges/search", "query!", |turn, call| search(turn, call, "charge")),
    get("/v1/charges/{id}", "", |turn, call| turn.must("charge", call.id(), "id")),
    post("/v1/charges/{id}", "description metadata:map receipt_email", |turn, call| {
        let mut charge = turn.must("charge", call.id(), "id")?;
        copy(&mut charge, &call.given, &["description", "receipt_email"]);
        merge_metadata(&mut charge, &call.given);
        turn.put(&charge);
        turn.event("charge.updated", call.id());
        Ok(charge)
    }),
    get("/v1/balance_transactions", "created:range currency payout source type", |turn, call| {
        page(turn, call, "balance_transaction", |entry| {
            ["currency", "source", "type"]
                .into_iter()
                .all(|name| some(&call.given[name]).is_none_or(|wanted| entry[name] == wanted))
        })
    }),
    get("/v1/balance_transactions/{id}", "", |turn, call| turn.must("balance_transaction", call.id(), "id")),
];

/// Books a change of the balance.
pub(super) fn book(
    turn: &mut Turn<'_>,
    kind: &str,
    source: &str,
    amounts: (i64, i64),
    currency: &Value,
) -> Value {
    let (amount, fee) = amounts;
    let details = if fee == 0 {
        json!([])
    } else {
        json!([{
            "amount": fee, "application": null, "currency": currency, "description": "Stripe processing fees",
            "type": "stripe_fee"
        }])
    };
    let category = match kind {
        "payment" => "charge",
        "payment_refund" => "refund",
        "adjustment" => "dispute",
        kind => kind,
    };
    turn.make(
        "balance_transaction",
        "txn_3",
        json!({
            "amount": amount, "available_on": turn.now + PAYOUT_DELAY, "balance_type": "payments",
            "currency": currency, "description": null, "exchange_rate": null, "fee": fee, "fee_details": details,
            "net": amount - fee, "reporting_category": category, "source": source, "status": "pending", "type": kind,
        }),
    )
}

/// The charge of an attempt.
pub(super) fn make(
    turn: &mut Turn<'_>,
    intent: &str,
    method: &Value,
    attempt: &Attempt,
    captured: bool,
) -> Value {
    let intent = turn.of("payment_intent", &intent.into());
    let kind = text(&method["type"]);
    let (status, failure) = match attempt {
        Attempt::Paid => ("succeeded", None),
        Attempt::Coming { .. } => ("pending", None),
        Attempt::Confirm => ("failed", None),
        Attempt::Declined(code, decline_code, message) => ("failed", Some((*code, *decline_code, *message))),
    };
    let mut details = method[kind].clone();
    if let Some(fields) = details.as_object_mut() {
        fields.remove("checks");
        fields.remove("display_brand");
    }
    let outcome = match failure {
        Some((code, decline_code, message)) => json!({
            "advice_code": null, "network_status": "declined_by_network",
            "reason": if decline_code.is_empty() { code } else { decline_code },
            "risk_level": "normal", "seller_message": message, "type": "issuer_declined",
        }),
        None => json!({
            "advice_code": null, "network_status": "approved_by_network", "reason": null, "risk_level": "normal",
            "risk_score": 7, "seller_message": "Payment complete.", "type": "authorized",
        }),
    };
    let prefix = if kind == "card" { "ch_3" } else { "py_3" };
    let charge = turn.make(
        "charge",
        prefix,
        json!({
            "amount": intent["amount"], "amount_captured": 0, "amount_refunded": 0, "application": null,
            "application_fee": null, "application_fee_amount": null, "balance_transaction": null,
            "billing_details": method["billing_details"], "calculated_statement_descriptor": "TENANTRY",
            "captured": captured, "currency": intent["currency"], "customer": intent["customer"],
            "description": intent["description"], "disputed": false,
            "failure_balance_transaction": null, "failure_code": failure.map(|(code, ..)| code),
            "failure_message": failure.map(|(.., message)| message), "fraud_details": {},
            "metadata": intent["metadata"], "on_behalf_of": null, "outcome": outcome,
            "paid": status == "succeeded", "payment_intent": intent["id"], "payment_method": method["id"],
            "payment_method_details": { (kind): details, "type": kind },
            "receipt_email": intent["receipt_email"], "receipt_number": null, "receipt_url": null,
            "refunded": false, "review": null, "shipping": null, "source_transfer": null,
            "statement_descriptor": null, "statement_descriptor_suffix": null, "status": status,
            "transfer_data": null, "transfer_group": null,
        }),
    );
    let id = text(&charge["id"]).to_owned();
    match status {
        "succeeded" if captured => {
            receive(turn, &id, int(&intent["amount"]));
            turn.event("charge.succeeded", &id);
        }
        "succeeded" => turn.event("charge.succeeded", &id),
        "pending" => turn.event("charge.pending", &id),
        _ => turn.event("charge.failed", &id),
    }
    turn.of("charge", &charge["id"])
}

/// The money has come.
fn receive(turn: &mut Turn<'_>, id: &str, amount: i64) {
    let charge = turn.of("charge", &id.into());
    let card = charge["payment_method_details"]["type"] == "card";
    let fee = if card { share(amount, 15, 1_000) + 25 } else { 35 };
    let entry = book(turn, if card { "charge" } else { "payment" }, id, (amount, fee), &charge["currency"]);
    let receipt = turn.account.page(&format!("/receipt/{id}"));
    turn.edit("charge", id, |charge| {
        charge["amount_captured"] = amount.into();
        charge["captured"] = true.into();
        charge["paid"] = true.into();
        charge["status"] = "succeeded".into();
        charge["balance_transaction"] = entry["id"].clone();
        charge["receipt_url"] = receipt.into();
    });
}

/// Takes a part or all of what was authorised.
pub(super) fn capture(turn: &mut Turn<'_>, id: &str, amount: i64) -> Value {
    receive(turn, id, amount);
    turn.edit("charge", id, |charge| {
        charge["amount_refunded"] = (int(&charge["amount"]) - amount).into();
    });
    turn.event("charge.captured", id);
    turn.of("charge", &id.into())
}

/// A debit has been paid.
pub(super) fn settle(turn: &mut Turn<'_>, id: &str) -> Value {
    let amount = int(&turn.of("charge", &id.into())["amount"]);
    receive(turn, id, amount);
    turn.event("charge.succeeded", id);
    turn.of("charge", &id.into())
}

/// A debit has been refused.
pub(super) fn fail(turn: &mut Turn<'_>, id: &str, code: &str, message: &str) {
    turn.edit("charge", id, |charge| {
        charge["status"] = "failed".into();
        charge["paid"] = false.into();
        charge["failure_code"] = code.into();
        charge["failure_message"] = message.into();
    });
    turn.event("charge.failed", id);
}
