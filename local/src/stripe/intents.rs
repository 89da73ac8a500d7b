//! Payment intents: one payment from the first try to its end.

use serde_json::{Value, json};

use super::cards::{self, Attempt};
use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, get, page, post, search};
use super::turn::{Turn, new_id};
use super::value::{copy, int, is, list, merge_metadata, metadata, public, some, text};
use super::{catalog, charges, disputes, methods, payments};

/// A debit is settled, or fails, so many seconds later.
const SETTLING: i64 = 5 * 86_400;
/// An authorisation that is not captured lapses.
const CAPTURABLE: i64 = 7 * 86_400;

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/payment_intents",
        "amount!:int currency! customer payment_method confirm:bool off_session:bool description metadata:map
         capture_method:automatic|automatic_async|manual confirmation_method:automatic|manual
         automatic_payment_methods{enabled!:bool allow_redirects:always|never} allowed_payment_method_types[]
         excluded_payment_method_types[] setup_future_usage:off_session|on_session receipt_email return_url
         statement_descriptor statement_descriptor_suffix error_on_requires_action:bool use_stripe_sdk:bool
         transfer_group transfer_data{destination! amount:int} application_fee_amount:int on_behalf_of
         payment_method_options:any mandate_data:any",
        create,
    ),
    get("/v1/payment_intents", "customer created:range", |turn, call| {
        page(turn, call, "payment_intent", |intent| {
            some(&call.given["customer"]).is_none_or(|wanted| intent["customer"] == wanted)
        })
    }),
    get("/v1/payment_intents/search", "query!", |turn, call| search(turn, call, "payment_intent")),
    get("/v1/payment_intents/{id}", "client_secret", |turn, call| {
        turn.must("payment_intent", call.id(), "id")
    }),
    post(
        "/v1/payment_intents/{id}",
        "amount:int customer payment_method description metadata:map receipt_email
         setup_future_usage:off_session|on_session statement_descriptor transfer_group",
        |turn, call| {
            let mut intent = turn.must("payment_intent", call.id(), "id")?;
            let names = [
                "amount",
                "customer",
                "payment_method",
                "description",
                "receipt_email",
                "setup_future_usage",
                "statement_descriptor",
                "transfer_group",
            ];
            copy(&mut intent, &call.given, &names);
            merge_metadata(&mut intent, &call.given);
            turn.put(&intent);
            Ok(intent)
        },
    ),
    post(
        "/v1/payment_intents/{id}/confirm",
        "payment_method off_session:bool return_url error_on_requires_action:bool use_stripe_sdk:bool
         setup_future_usage:off_session|on_session mandate_data:any receipt_email",
        confirm,
    ),
    post(
        "/v1/payment_intents/{id}/capture",
        "amount_to_capture:int final_capture:bool metadata:map",
        capture,
    ),
    post(
        "/v1/payment_intents/{id}/cancel",
        "cancellation_reason:duplicate|fraudulent|requested_by_customer|abandoned",
        |turn, call| {
            let intent = turn.must("payment_intent", call.id(), "id")?;
            if matches!(text(&intent["status"]), "succeeded" | "canceled" | "processing") {
                return Err(unexpected(&intent, "cancel"));
            }
            if intent["_invoice"].is_string() {
                return Err(StripeError::refused(
                    "You cannot cancel this PaymentIntent because it was created by an invoice. Void the invoice instead.",
                ));
            }
            cancel(turn, call.id(), call.given["cancellation_reason"].clone());
            turn.must("payment_intent", call.id(), "id")
        },
    ),
];

/// Makes an intent that waits for a payment method.
pub(super) fn make(turn: &mut Turn<'_>, fields: &Value) -> Value {
    let id = new_id("pi_3");
    let mut intent = json!({
        "amount": 0, "amount_capturable": 0, "amount_details": { "tip": {} }, "amount_received": 0,
        "application": null, "application_fee_amount": null,
        "automatic_payment_methods": { "allow_redirects": "always", "enabled": true },
        "canceled_at": null, "cancellation_reason": null, "capture_method": "automatic_async",
        "client_secret": format!("{id}_secret_{}", new_id("")), "confirmation_method": "automatic",
        "currency": null, "customer": null, "customer_account": null, "description": null,
        "excluded_payment_method_types": null, "last_payment_error": null, "latest_charge": null, "metadata": {},
        "next_action": null, "on_behalf_of": null, "payment_method": null, "payment_method_options": {},
        "payment_method_types": ["card", "sepa_debit", "ideal", "bancontact"], "processing": null,
        "receipt_email": null, "review": null, "setup_future_usage": null, "shipping": null,
        "statement_descriptor": null, "statement_descriptor_suffix": null, "status": "requires_payment_method",
        "transfer_data": null, "transfer_group": null,
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        intent[name.as_str()] = value.clone();
    }
    let intent = turn.make_as("payment_intent", &id, intent);
    turn.event("payment_intent.created", &id);
    intent
}

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    catalog::check_currency(call.text("currency"))?;
    check_amount(int(&given["amount"]))?;
    if let Some(customer) = some(&given["customer"]) {
        turn.must("customer", customer, "customer")?;
    }
    let mut fields = json!({ "metadata": metadata(given), "_return_url": given["return_url"] });
    let names = [
        "amount",
        "currency",
        "customer",
        "description",
        "capture_method",
        "confirmation_method",
        "automatic_payment_methods",
        "setup_future_usage",
        "receipt_email",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
        "transfer_data",
        "application_fee_amount",
        "on_behalf_of",
    ];
    copy(&mut fields, given, &names);
    if let types @ [_, ..] = list(&given["allowed_payment_method_types"]) {
        if given["capture_method"] == "manual" && types.iter().any(|kind| *kind != "card") {
            return Err(no_manual_capture());
        }
        fields["payment_method_types"] = json!(types);
    }
    let intent = make(turn, &fields);
    let id = text(&intent["id"]).to_owned();
    if let Some(method) = some(&given["payment_method"]) {
        let method = methods::resolve(turn, method, "payment_method")?;
        turn.edit("payment_intent", &id, |intent| {
            intent["payment_method"] = method["id"].clone();
            intent["status"] = "requires_confirmation".into();
        });
        if is(&given["confirm"]) {
            return confirm_now(turn, &id, &method, given);
        }
    } else if is(&given["confirm"]) {
        return Err(no_method());
    }
    turn.must("payment_intent", &id, "id")
}

/// # Errors
/// `amount_too_small`, `amount_too_large`.
pub(super) fn check_amount(amount: i64) -> Outcome<()> {
    if amount < 50 {
        return Err(StripeError::invalid("amount_too_small", "amount", "Amount must be at least €0.50."));
    }
    if amount > 99_999_999 {
        return Err(StripeError::invalid(
            "amount_too_large",
            "amount",
            "Amount must be no more than €999,999.99.",
        ));
    }
    Ok(())
}

fn no_method() -> StripeError {
    StripeError::invalid(
        "parameter_missing",
        "payment_method",
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method.",
    )
}

fn no_manual_capture() -> StripeError {
    StripeError::invalid(
        "payment_intent_invalid_parameter",
        "capture_method",
        "The payment method does not support manual capture.",
    )
}

fn unexpected(intent: &Value, what: &str) -> StripeError {
    let message = format!(
        "You cannot {what} this PaymentIntent because it has a status of {}.",
        text(&intent["status"])
    );
    StripeError::invalid("payment_intent_unexpected_state", "", message)
        .with("payment_intent", public(intent))
}

fn confirm(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let intent = turn.must("payment_intent", call.id(), "id")?;
    let method = some(&call.given["payment_method"]).or_else(|| some(&intent["payment_method"]));
    let method = method.ok_or_else(no_method)?.to_owned();
    let method = methods::resolve(turn, &method, "payment_method")?;
    confirm_now(turn, call.id(), &method, &call.given)
}

/// Confirms, and tells a decline as an error, as the API does.
///
/// # Errors
/// The bank's no, which stays with the intent.
pub(super) fn confirm_now(turn: &mut Turn<'_>, id: &str, method: &Value, given: &Value) -> Outcome<Value> {
    let intent = turn.must("payment_intent", id, "id")?;
    if !matches!(
        text(&intent["status"]),
        "requires_payment_method" | "requires_confirmation" | "requires_action"
    ) {
        return Err(unexpected(&intent, "confirm"));
    }
    if intent["capture_method"] == "manual" && method["type"] != "card" {
        return Err(no_manual_capture());
    }
    if let Some(url) = some(&given["return_url"]) {
        turn.edit("payment_intent", id, |intent| intent["_return_url"] = url.into());
    }
    let attempt = if is(&given["off_session"]) && cards::charge(method, false) == Attempt::Confirm {
        let message = "Your card was declined. This transaction requires authentication.";
        let declined = Attempt::Declined("authentication_required", "authentication_required", message);
        take(turn, id, method, declined)
    } else {
        attempt(turn, id, method, false)
    };
    let intent = turn.must("payment_intent", id, "id")?;
    match attempt {
        Attempt::Declined(code, decline_code, message) => {
            let mut error = StripeError::declined(code, decline_code, message);
            error.error["charge"] = intent["latest_charge"].clone();
            Err(error.with("payment_method", public(method)).with("payment_intent", public(&intent)))
        }
        _ => Ok(intent),
    }
}

/// Tries to take the money, and tells whatever the payment is for.
pub(super) fn attempt(turn: &mut Turn<'_>, id: &str, method: &Value, confirmed: bool) -> Attempt {
    let attempt = cards::charge(method, confirmed);
    take(turn, id, method, attempt)
}

fn take(turn: &mut Turn<'_>, id: &str, method: &Value, attempt: Attempt) -> Attempt {
    let url = turn.account.page(&format!("/action/{id}"));
    let method_id = method["id"].clone();
    turn.edit("payment_intent", id, |intent| {
        intent["payment_method"] = method_id;
        intent["next_action"] = Value::Null;
    });
    match &attempt {
        Attempt::Paid => {
            let manual = turn.of("payment_intent", &id.into())["capture_method"] == "manual";
            let charge = charges::make(turn, id, method, &attempt, !manual);
            if manual {
                let lapses = turn.now + CAPTURABLE;
                turn.edit("payment_intent", id, |intent| {
                    intent["status"] = "requires_capture".into();
                    intent["amount_capturable"] = intent["amount"].clone();
                    intent["latest_charge"] = charge["id"].clone();
                    intent["_lapses_at"] = lapses.into();
                });
                turn.event("payment_intent.amount_capturable_updated", id);
            } else {
                succeed(turn, id, &charge);
            }
        }
        Attempt::Coming { fails } => {
            let charge = charges::make(turn, id, method, &attempt, false);
            let settles = turn.now + SETTLING;
            turn.edit("payment_intent", id, |intent| {
                intent["status"] = "processing".into();
                intent["latest_charge"] = charge["id"].clone();
                intent["_settles_at"] = settles.into();
                intent["_fails"] = (*fails).into();
            });
            let intent = turn.of("payment_intent", &id.into());
            keep(turn, &intent, method);
            turn.event("payment_intent.processing", id);
        }
        Attempt::Confirm => {
            turn.edit("payment_intent", id, |intent| {
                intent["status"] = "requires_action".into();
                intent["next_action"] = json!({
                    "type": "redirect_to_url",
                    "redirect_to_url": { "url": url, "return_url": intent["_return_url"] },
                });
            });
            turn.event("payment_intent.requires_action", id);
        }
        Attempt::Declined(code, decline_code, message) => {
            let charge = charges::make(turn, id, method, &attempt, false);
            let error = StripeError::declined(code, decline_code, message);
            refuse(turn, id, &charge["id"], error.error, method);
        }
    }
    payments::follow(turn, id, &attempt);
    attempt
}

fn succeed(turn: &mut Turn<'_>, id: &str, charge: &Value) {
    turn.edit("payment_intent", id, |intent| {
        intent["status"] = "succeeded".into();
        intent["amount_received"] = charge["amount_captured"].clone();
        intent["amount_capturable"] = 0.into();
        intent["latest_charge"] = charge["id"].clone();
        intent["last_payment_error"] = Value::Null;
    });
    let intent = turn.of("payment_intent", &id.into());
    let method = turn.of("payment_method", &intent["payment_method"]);
    keep(turn, &intent, &method);
    turn.event("payment_intent.succeeded", id);
    let charge = text(&charge["id"]).to_owned();
    if let Some(reason) = cards::disputes(&method) {
        disputes::open(turn, &charge, reason);
    }
    if cards::warns(&method) {
        disputes::warn(turn, &charge);
    }
}

/// Saves the method to the customer, if it shall pay later as well.
fn keep(turn: &mut Turn<'_>, intent: &Value, method: &Value) {
    let (Some(customer), Some("off_session")) =
        (some(&intent["customer"]), some(&intent["setup_future_usage"]))
    else {
        return;
    };
    let saved = methods::reusable(turn, method);
    // A method that cannot be saved has paid all the same.
    if let Ok(saved) = saved.and_then(|saved| methods::attach(turn, text(&saved["id"]), customer)) {
        turn.edit("payment_method", text(&saved["id"]), |method| method["_set_up"] = true.into());
    }
}

fn refuse(turn: &mut Turn<'_>, id: &str, charge: &Value, mut error: Value, method: &Value) {
    error["charge"] = charge.clone();
    error["payment_method"] = public(method);
    turn.edit("payment_intent", id, |intent| {
        intent["status"] = "requires_payment_method".into();
        intent["payment_method"] = Value::Null;
        intent["next_action"] = Value::Null;
        intent["last_payment_error"] = error;
        if charge.is_string() {
            intent["latest_charge"] = charge.clone();
        }
    });
    turn.event("payment_intent.payment_failed", id);
}

pub(super) fn cancel(turn: &mut Turn<'_>, id: &str, reason: Value) {
    let (now, charge) = (turn.now, turn.of("payment_intent", &id.into())["latest_charge"].clone());
    turn.edit("payment_intent", id, |intent| {
        intent["status"] = "canceled".into();
        intent["canceled_at"] = now.into();
        intent["cancellation_reason"] = reason;
        intent["amount_capturable"] = 0.into();
        intent["next_action"] = Value::Null;
    });
    let open = turn.of("charge", &charge);
    if open["status"] == "succeeded" && !is(&open["captured"]) {
        turn.edit("charge", text(&charge), |charge| {
            charge["refunded"] = true.into();
            charge["amount_refunded"] = charge["amount"].clone();
        });
        turn.event("charge.refunded", text(&charge));
    }
    turn.event("payment_intent.canceled", id);
}

fn capture(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let intent = turn.must("payment_intent", call.id(), "id")?;
    if intent["status"] != "requires_capture" {
        return Err(unexpected(&intent, "capture"));
    }
    let amount = call.given["amount_to_capture"].as_i64().unwrap_or(int(&intent["amount"]));
    if amount < 1 || amount > int(&intent["amount_capturable"]) {
        return Err(StripeError::invalid(
            "amount_too_large",
            "amount_to_capture",
            "The amount to capture is larger than the amount that can be captured.",
        ));
    }
    let charge = charges::capture(turn, text(&intent["latest_charge"]), amount);
    succeed(turn, call.id(), &charge);
    turn.must("payment_intent", call.id(), "id")
}

/// The payer answers the bank's question.
///
/// # Errors
/// When nothing is asked.
pub(super) fn answer(turn: &mut Turn<'_>, id: &str, approved: bool) -> Outcome<Value> {
    let intent = turn.must("payment_intent", id, "id")?;
    if intent["status"] != "requires_action" {
        return Err(unexpected(&intent, "confirm"));
    }
    let method = turn.of("payment_method", &intent["payment_method"]);
    if approved {
        attempt(turn, id, &method, true);
    } else {
        let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
        let error = StripeError::invalid("payment_intent_authentication_failure", "", message);
        refuse(turn, id, &Value::Null, error.error, &method);
        payments::follow(turn, id, &Attempt::Declined("payment_intent_authentication_failure", "", message));
    }
    turn.must("payment_intent", id, "id")
}

/// When a debit settles, or an authorisation lapses.
pub(super) fn due(intent: &Value) -> Option<i64> {
    match text(&intent["status"]) {
        "processing" => intent["_settles_at"].as_i64(),
        "requires_capture" => intent["_lapses_at"].as_i64(),
        _ => None,
    }
}

pub(super) fn fall_due(turn: &mut Turn<'_>, id: &str) {
    let intent = turn.of("payment_intent", &id.into());
    if intent["status"] == "requires_capture" {
        turn.event("charge.expired", text(&intent["latest_charge"]));
        cancel(turn, id, "automatic".into());
        return;
    }
    let charge = text(&intent["latest_charge"]).to_owned();
    if is(&intent["_fails"]) {
        let message = "The customer's account has insufficient funds to cover this payment.";
        let method = turn.of("payment_method", &intent["payment_method"]);
        charges::fail(turn, &charge, "insufficient_funds", message);
        let error = StripeError::invalid("payment_intent_payment_attempt_failed", "", message);
        refuse(turn, id, &charge.into(), error.error, &method);
        payments::follow(turn, id, &Attempt::Declined("payment_intent_payment_attempt_failed", "", message));
    } else {
        let charge = charges::settle(turn, &charge);
        succeed(turn, id, &charge);
        payments::follow(turn, id, &Attempt::Paid);
    }
}

/// Whether an intent waits for its payer to answer the bank.
pub(super) fn is_asked(intent: &Value) -> bool {
    intent["status"] == "requires_action"
}
