//! Disputes and early fraud warnings: what a payer's bank does.

use serde_json::{Map, Value, json};

use super::charges;
use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, get, page, post};
use super::turn::Turn;
use super::value::{int, is, merge_metadata, some, text};

/// So long there is to answer.
const ANSWERED_WITHIN: i64 = 9 * 86_400;
/// What a dispute costs.
const FEE: i64 = 2_000;

/// What can be told to the payer's bank.
const EVIDENCE: &str =
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
    cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip
    customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id
    product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date
    service_documentation shipping_address shipping_carrier shipping_date shipping_documentation
    shipping_tracking_number uncategorized_file uncategorized_text";

pub(super) const ROUTES: &[Route] = &[
    get("/v1/disputes", "charge payment_intent created:range", |turn, call| {
        page(turn, call, "dispute", |dispute| {
            ["charge", "payment_intent"]
                .into_iter()
                .all(|name| some(&call.given[name]).is_none_or(|wanted| dispute[name] == wanted))
        })
    }),
    get("/v1/disputes/{id}", "", |turn, call| turn.must("dispute", call.id(), "id")),
    post(
        "/v1/disputes/{id}",
        "submit:bool metadata:map evidence{access_activity_log billing_address cancellation_policy
         cancellation_policy_disclosure cancellation_rebuttal customer_communication customer_email_address customer_name
         customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation
         duplicate_charge_id enhanced_evidence:any product_description receipt refund_policy refund_policy_disclosure
         refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier shipping_date
         shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text}",
        update,
    ),
    post("/v1/disputes/{id}/close", "", |turn, call| {
        let dispute = turn.must("dispute", call.id(), "id")?;
        if dispute["status"] != "needs_response" && dispute["status"] != "warning_needs_response" {
            return Err(StripeError::refused("This dispute is already closed."));
        }
        close(turn, call.id(), false);
        turn.must("dispute", call.id(), "id")
    }),
    get("/v1/radar/early_fraud_warnings", "charge payment_intent created:range", |turn, call| {
        page(turn, call, "radar.early_fraud_warning", |warning| {
            some(&call.given["charge"]).is_none_or(|wanted| warning["charge"] == wanted)
        })
    }),
    get("/v1/radar/early_fraud_warnings/{id}", "", |turn, call| {
        turn.must("radar.early_fraud_warning", call.id(), "id")
    }),
];

/// Everything that may be told, yet untold.
fn no_evidence() -> Value {
    let mut evidence: Map<String, Value> =
        EVIDENCE.split_whitespace().map(|name| (name.to_owned(), Value::Null)).collect();
    evidence.insert("enhanced_evidence".to_owned(), json!({}));
    Value::Object(evidence)
}

/// The payer asks the bank for the money, and the bank takes it.
pub(super) fn open(turn: &mut Turn<'_>, charge: &str, reason: &str) -> Value {
    let charged = turn.of("charge", &charge.into());
    let amount = int(&charged["amount_captured"]) - int(&charged["_refunded"]);
    let dispute = turn.make(
        "dispute",
        "du_1",
        json!({
            "amount": amount, "balance_transactions": [], "charge": charge, "currency": charged["currency"],
            "enhanced_eligibility_types": [], "evidence": no_evidence(),
            "evidence_details": {
                "due_by": turn.now + ANSWERED_WITHIN, "enhanced_eligibility": {}, "has_evidence": false,
                "past_due": false, "submission_count": 0
            },
            "is_charge_refundable": false, "metadata": {}, "payment_intent": charged["payment_intent"],
            "payment_method_details": {
                "card": { "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10" }, "type": "card"
            },
            "reason": reason, "status": "needs_response",
        }),
    );
    let id = text(&dispute["id"]).to_owned();
    turn.edit("charge", charge, |charge| {
        charge["disputed"] = true.into();
        charge["_dispute_open"] = true.into();
    });
    turn.event("charge.updated", charge);
    turn.event("charge.dispute.created", &id);
    let entry = charges::book(turn, "adjustment", &id, (-amount, FEE), &charged["currency"]);
    add_entry(turn, &id, &entry);
    turn.event("charge.dispute.funds_withdrawn", &id);
    turn.of("dispute", &dispute["id"])
}

fn add_entry(turn: &mut Turn<'_>, id: &str, entry: &Value) {
    let entry = super::value::public(entry);
    turn.edit("dispute", id, |dispute| {
        if let Some(entries) = dispute["balance_transactions"].as_array_mut() {
            entries.push(entry);
        }
    });
}

fn update(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut dispute = turn.must("dispute", call.id(), "id")?;
    merge_metadata(&mut dispute, &call.given);
    let evidence = call.given["evidence"].as_object().cloned().unwrap_or_default();
    if !evidence.is_empty() || is(&call.given["submit"]) {
        if dispute["status"] != "needs_response" {
            return Err(StripeError::refused(
                "This dispute is already closed or its evidence was submitted.",
            ));
        }
        let mut kept: Map<String, Value> = dispute["evidence"].as_object().cloned().unwrap_or_default();
        kept.extend(evidence);
        dispute["evidence_details"]["has_evidence"] = kept.values().any(Value::is_string).into();
        dispute["evidence"] = Value::Object(kept);
    }
    let submits = call.given["submit"].as_bool().unwrap_or(call.has("evidence"));
    let told = text(&dispute["evidence"]["uncategorized_text"]).to_owned();
    if submits {
        dispute["status"] = "under_review".into();
        dispute["evidence_details"]["submission_count"] =
            (int(&dispute["evidence_details"]["submission_count"]) + 1).into();
    }
    turn.put(&dispute);
    turn.event("charge.dispute.updated", call.id());
    // Stripe's own magic words of test mode.
    match told.as_str() {
        "winning_evidence" if submits => close(turn, call.id(), true),
        "losing_evidence" if submits => close(turn, call.id(), false),
        _ => {}
    }
    turn.must("dispute", call.id(), "id")
}

/// The bank has decided.
pub(super) fn close(turn: &mut Turn<'_>, id: &str, won: bool) {
    let dispute = turn.of("dispute", &id.into());
    turn.edit("dispute", id, |dispute| {
        dispute["status"] = if won { "won" } else { "lost" }.into();
    });
    turn.edit("charge", text(&dispute["charge"]), |charge| charge["_dispute_open"] = (!won).into());
    turn.event("charge.dispute.closed", id);
    if won {
        let entry =
            charges::book(turn, "adjustment", id, (int(&dispute["amount"]), -FEE), &dispute["currency"]);
        add_entry(turn, id, &entry);
        turn.event("charge.dispute.funds_reinstated", id);
    }
}

/// The payer's bank takes a charge for fraud.
pub(super) fn warn(turn: &mut Turn<'_>, charge: &str) -> Value {
    let charged = turn.of("charge", &charge.into());
    let warning = turn.make(
        "radar.early_fraud_warning",
        "issfr_1",
        json!({
            "actionable": true, "charge": charge, "fraud_type": "misc", "payment_intent": charged["payment_intent"],
        }),
    );
    turn.event("radar.early_fraud_warning.created", text(&warning["id"]));
    warning
}

/// Who does not answer has lost.
pub(super) fn due(dispute: &Value) -> Option<i64> {
    (dispute["status"] == "needs_response").then(|| int(&dispute["evidence_details"]["due_by"]))
}

pub(super) fn fall_due(turn: &mut Turn<'_>, id: &str) {
    turn.edit("dispute", id, |dispute| dispute["evidence_details"]["past_due"] = true.into());
    close(turn, id, false);
}
