//! Refunds.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, get, page, post};
use super::turn::Turn;
use super::value::{int, is, merge_metadata, metadata, some, text};
use super::{cards, charges};

/// A refund by bank transfer arrives, and one that fails is known to, so many seconds later.
const ARRIVING: i64 = 3 * 86_400;

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/refunds",
        "charge payment_intent amount:int reason:duplicate|fraudulent|requested_by_customer metadata:map
         instructions_email origin:customer_balance refund_application_fee:bool reverse_transfer:bool",
        create,
    ),
    get("/v1/refunds", "charge payment_intent created:range", |turn, call| {
        page(turn, call, "refund", |refund| {
            ["charge", "payment_intent"]
                .into_iter()
                .all(|name| some(&call.given[name]).is_none_or(|wanted| refund[name] == wanted))
        })
    }),
    get("/v1/refunds/{id}", "", |turn, call| turn.must("refund", call.id(), "id")),
    post("/v1/refunds/{id}", "metadata:map", |turn, call| {
        let mut refund = turn.must("refund", call.id(), "id")?;
        merge_metadata(&mut refund, &call.given);
        turn.put(&refund);
        turn.event("refund.updated", call.id());
        Ok(refund)
    }),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let charge = match (some(&given["charge"]), some(&given["payment_intent"])) {
        (Some(charge), None) => turn.must("charge", charge, "charge").map_err(as_parameter)?,
        (None, Some(intent)) => {
            let intent = turn.must("payment_intent", intent, "payment_intent").map_err(as_parameter)?;
            match some(&intent["latest_charge"]) {
                Some(charge) => turn.must("charge", charge, "latest_charge")?,
                None => {
                    return Err(StripeError::refused(format!(
                        "This PaymentIntent ({}) does not have a successful charge to refund.",
                        text(&intent["id"])
                    )));
                }
            }
        }
        _ => {
            return Err(StripeError::invalid(
                "parameter_missing",
                "charge",
                "One of the following params should be provided for this request: payment_intent or charge.",
            ));
        }
    };
    refund(turn, &charge, given["amount"].as_i64(), given)
}

fn as_parameter(mut error: StripeError) -> StripeError {
    error.status = 404;
    error
}

/// Gives money back.
///
/// # Errors
/// When there is not so much left, or the payer disputes the charge.
pub(super) fn refund(
    turn: &mut Turn<'_>,
    charge: &Value,
    amount: Option<i64>,
    given: &Value,
) -> Outcome<Value> {
    let id = text(&charge["id"]).to_owned();
    if charge["status"] != "succeeded" {
        return Err(StripeError::refused(format!(
            "Charge {id} has not succeeded, so it cannot be refunded."
        )));
    }
    let left = int(&charge["amount_captured"]) - int(&charge["_refunded"]);
    if left <= 0 {
        return Err(StripeError::invalid(
            "charge_already_refunded",
            "",
            format!("Charge {id} has already been refunded."),
        ));
    }
    if is(&charge["disputed"]) && charge["_dispute_open"] != false {
        return Err(StripeError::invalid(
            "charge_disputed",
            "",
            format!("Charge {id} has been charged back; cannot issue a refund."),
        ));
    }
    let amount = amount.unwrap_or(left);
    if amount < 1 {
        return Err(StripeError::invalid("parameter_invalid_integer", "amount", "Invalid positive integer"));
    }
    if amount > left {
        return Err(StripeError::invalid(
            "",
            "amount",
            format!(
                "Refund amount ({amount} {}) is greater than unrefunded amount on charge ({left} {})",
                text(&charge["currency"]),
                text(&charge["currency"])
            ),
        ));
    }
    let kind = text(&charge["payment_method_details"]["type"]).to_owned();
    let method = turn.of("payment_method", &charge["payment_method"]);
    let at_once = kind == "card";
    let fails = cards::refund_fails(&method);
    let refund = turn.make(
        "refund",
        "re_3",
        json!({
            "amount": amount, "balance_transaction": null, "charge": id, "currency": charge["currency"],
            "destination_details": { (kind.as_str()): { "reference_status": "pending", "type": "refund" }, "type": kind },
            "metadata": metadata(given), "payment_intent": charge["payment_intent"], "reason": given["reason"],
            "receipt_number": null, "source_transfer_reversal": null,
            "status": if at_once { "succeeded" } else { "pending" }, "transfer_reversal": null,
            "_settles_at": if at_once && !fails { Value::Null } else { (turn.now + ARRIVING).into() },
            "_fails": fails,
        }),
    );
    let refund_id = text(&refund["id"]).to_owned();
    let name = if at_once { "refund" } else { "payment_refund" };
    let entry = charges::book(turn, name, &refund_id, (-amount, 0), &charge["currency"]);
    turn.edit("refund", &refund_id, |refund| refund["balance_transaction"] = entry["id"].clone());
    turn.event("refund.created", &refund_id);
    turn.edit("charge", &id, |charge| {
        let refunded = int(&charge["_refunded"]) + amount;
        charge["_refunded"] = refunded.into();
        charge["amount_refunded"] = (int(&charge["amount_refunded"]) + amount).into();
        charge["refunded"] = (refunded >= int(&charge["amount_captured"])).into();
    });
    turn.event("charge.refunded", &id);
    turn.must("refund", &refund_id, "id")
}

pub(super) fn due(refund: &Value) -> Option<i64> {
    refund["_settles_at"].as_i64()
}

pub(super) fn fall_due(turn: &mut Turn<'_>, id: &str) {
    let refund = turn.of("refund", &id.into());
    let fails = is(&refund["_fails"]);
    turn.edit("refund", id, |refund| {
        refund["_settles_at"] = Value::Null;
        refund["status"] = if fails { "failed" } else { "succeeded" }.into();
    });
    if !fails {
        turn.event("refund.updated", id);
        turn.event("charge.refund.updated", id);
        return;
    }
    let amount = int(&refund["amount"]);
    let entry = charges::book(turn, "refund_failure", id, (amount, 0), &refund["currency"]);
    turn.edit("refund", id, |refund| {
        refund["failure_reason"] = "lost_or_stolen_card".into();
        refund["failure_balance_transaction"] = entry["id"].clone();
    });
    turn.edit("charge", text(&refund["charge"]), |charge| {
        charge["_refunded"] = (int(&charge["_refunded"]) - amount).into();
        charge["amount_refunded"] = (int(&charge["amount_refunded"]) - amount).into();
        charge["refunded"] = false.into();
    });
    turn.event("refund.updated", id);
    turn.event("refund.failed", id);
}
