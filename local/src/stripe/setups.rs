//! Setup intents: saving a payment method for later.

use serde_json::{Value, json};

use super::cards::{self, Attempt, PaidBy};
use super::error::{Outcome, StripeError};
use super::methods;
use super::routes::{Call, Route, get, page, post};
use super::turn::{Turn, new_id};
use super::value::{copy, is, list, merge_metadata, metadata, public, some, text};

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/setup_intents",
        "customer payment_method confirm:bool usage:off_session|on_session description metadata:map return_url
         automatic_payment_methods{enabled!:bool allow_redirects:always|never} allowed_payment_method_types[]
         excluded_payment_method_types[] use_stripe_sdk:bool payment_method_options:any mandate_data:any",
        create,
    ),
    get("/v1/setup_intents", "customer payment_method created:range", |turn, call| {
        page(turn, call, "setup_intent", |intent| {
            ["customer", "payment_method"]
                .into_iter()
                .all(|name| some(&call.given[name]).is_none_or(|wanted| intent[name] == wanted))
        })
    }),
    get("/v1/setup_intents/{id}", "client_secret", |turn, call| turn.must("setup_intent", call.id(), "id")),
    post("/v1/setup_intents/{id}", "customer payment_method description metadata:map", |turn, call| {
        let mut intent = turn.must("setup_intent", call.id(), "id")?;
        copy(&mut intent, &call.given, &["customer", "payment_method", "description"]);
        merge_metadata(&mut intent, &call.given);
        turn.put(&intent);
        Ok(intent)
    }),
    post(
        "/v1/setup_intents/{id}/confirm",
        "payment_method return_url use_stripe_sdk:bool mandate_data:any",
        |turn, call| {
            let intent = turn.must("setup_intent", call.id(), "id")?;
            let method = some(&call.given["payment_method"]).or_else(|| some(&intent["payment_method"]));
            let Some(method) = method.map(str::to_owned) else {
                return Err(StripeError::invalid(
                    "parameter_missing",
                    "payment_method",
                    "You cannot confirm this SetupIntent because it's missing a payment method.",
                ));
            };
            let method = methods::resolve(turn, &method, "payment_method")?;
            confirm(turn, call.id(), &method, false)
        },
    ),
    post(
        "/v1/setup_intents/{id}/cancel",
        "cancellation_reason:abandoned|requested_by_customer|duplicate",
        |turn, call| {
            let intent = turn.must("setup_intent", call.id(), "id")?;
            if matches!(text(&intent["status"]), "succeeded" | "canceled") {
                return Err(unexpected(&intent, "cancel"));
            }
            turn.edit("setup_intent", call.id(), |intent| {
                intent["status"] = "canceled".into();
                intent["cancellation_reason"] = call.given["cancellation_reason"].clone();
                intent["next_action"] = Value::Null;
            });
            turn.event("setup_intent.canceled", call.id());
            turn.must("setup_intent", call.id(), "id")
        },
    ),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    if let Some(customer) = some(&given["customer"]) {
        turn.must("customer", customer, "customer")?;
    }
    let id = new_id("seti_");
    let types = match list(&given["allowed_payment_method_types"]) {
        [] => json!(["card", "sepa_debit"]),
        types => json!(types),
    };
    let intent = json!({
        "application": null, "attach_to_self": false,
        "automatic_payment_methods": given.get("automatic_payment_methods").cloned()
            .unwrap_or_else(|| json!({ "allow_redirects": "always", "enabled": true })),
        "cancellation_reason": null, "client_secret": format!("{id}_secret_{}", new_id("")),
        "customer": given["customer"], "customer_account": null, "description": given["description"],
        "excluded_payment_method_types": null, "flow_directions": null,
        "last_setup_error": null, "latest_attempt": null, "mandate": null, "metadata": metadata(given),
        "next_action": null, "on_behalf_of": null, "payment_method": null, "payment_method_options": {},
        "payment_method_types": types, "single_use_mandate": null, "status": "requires_payment_method",
        "usage": given["usage"].as_str().unwrap_or("off_session"), "_return_url": given["return_url"],
    });
    turn.make_as("setup_intent", &id, intent);
    turn.event("setup_intent.created", &id);
    let Some(method) = some(&given["payment_method"]) else {
        if is(&given["confirm"]) {
            return Err(StripeError::invalid(
                "parameter_missing",
                "payment_method",
                "You cannot confirm this SetupIntent because it's missing a payment method.",
            ));
        }
        return turn.must("setup_intent", &id, "id");
    };
    let method = methods::resolve(turn, method, "payment_method")?;
    turn.edit("setup_intent", &id, |intent| {
        intent["payment_method"] = method["id"].clone();
        intent["status"] = "requires_confirmation".into();
    });
    if is(&given["confirm"]) {
        return confirm(turn, &id, &method, false);
    }
    turn.must("setup_intent", &id, "id")
}

fn unexpected(intent: &Value, what: &str) -> StripeError {
    let message =
        format!("You cannot {what} this SetupIntent because it has a status of {}.", text(&intent["status"]));
    StripeError::invalid("setup_intent_unexpected_state", "", message).with("setup_intent", public(intent))
}

/// Saves the method, as far as the bank lets us.
///
/// # Errors
/// The bank's no, which stays with the intent.
pub(super) fn confirm(turn: &mut Turn<'_>, id: &str, method: &Value, confirmed: bool) -> Outcome<Value> {
    let intent = turn.must("setup_intent", id, "id")?;
    if matches!(text(&intent["status"]), "succeeded" | "canceled") {
        return Err(unexpected(&intent, "confirm"));
    }
    let method_id = text(&method["id"]).to_owned();
    let url = turn.account.page(&format!("/action/{id}"));
    match cards::save(method, confirmed) {
        Attempt::Confirm => {
            turn.edit("setup_intent", id, |intent| {
                intent["payment_method"] = method_id.into();
                intent["status"] = "requires_action".into();
                intent["next_action"] = json!({
                    "type": "redirect_to_url",
                    "redirect_to_url": { "url": url, "return_url": intent["_return_url"] },
                });
            });
            turn.event("setup_intent.requires_action", id);
        }
        Attempt::Declined(code, decline_code, message) => {
            let error =
                StripeError::declined(code, decline_code, message).with("payment_method", public(method));
            return Err(fail(turn, id, error));
        }
        Attempt::Paid | Attempt::Coming { .. } => {
            if let Some(customer) = some(&intent["customer"]) {
                methods::attach(turn, &method_id, customer)?;
            }
            turn.edit("payment_method", &method_id, |method| method["_set_up"] = true.into());
            turn.edit("setup_intent", id, |intent| {
                intent["payment_method"] = method_id.into();
                intent["status"] = "succeeded".into();
                intent["next_action"] = Value::Null;
                intent["last_setup_error"] = Value::Null;
            });
            turn.event("setup_intent.succeeded", id);
        }
    }
    turn.must("setup_intent", id, "id")
}

fn fail(turn: &mut Turn<'_>, id: &str, error: StripeError) -> StripeError {
    turn.edit("setup_intent", id, |intent| {
        intent["status"] = "requires_payment_method".into();
        intent["payment_method"] = Value::Null;
        intent["next_action"] = Value::Null;
        intent["last_setup_error"] = error.error.clone();
    });
    turn.event("setup_intent.setup_failed", id);
    let intent = turn.of("setup_intent", &id.into());
    error.with("setup_intent", public(&intent))
}

/// The payer answers the bank's question.
///
/// # Errors
/// When nothing is asked.
pub(super) fn answer(turn: &mut Turn<'_>, id: &str, approved: bool) -> Outcome<Value> {
    let intent = turn.must("setup_intent", id, "id")?;
    if intent["status"] != "requires_action" {
        return Err(unexpected(&intent, "confirm"));
    }
    if !approved {
        let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
        let error = StripeError::invalid("setup_intent_authentication_failure", "", message);
        fail(turn, id, error);
        return turn.must("setup_intent", id, "id");
    }
    let method = turn.of("payment_method", &intent["payment_method"]);
    confirm(turn, id, &method, true)
}

/// What Stripe.js does with the client secret and what a person typed.
pub(super) fn confirm_with(turn: &mut Turn<'_>, id: &str, paid: &PaidBy) -> Outcome<Value> {
    let method = methods::save(turn, paid.method()?);
    confirm(turn, id, &method, false)
}

/// The intent by which a subscription without a first payment gets its method.
pub(super) fn of_subscription(turn: &mut Turn<'_>, customer: &str) -> Value {
    let call = Call {
        ids: Vec::new(),
        given: json!({ "customer": customer, "usage": "off_session" }),
        path: String::new(),
    };
    create(turn, &call).map_or(Value::Null, |intent| intent["id"].clone())
}
