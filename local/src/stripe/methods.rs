//! Payment methods: saved to customers, taken away, and which one pays.

use serde_json::{Value, json};

use super::cards::{self, Attempt};
use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, get, page, post};
use super::turn::Turn;
use super::value::{merge_metadata, metadata, some, text};

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v1/payment_methods",
        "type!:card|sepa_debit|ideal|bancontact allow_redisplay:always|limited|unspecified metadata:map
         billing_details{address{city country line1 line2 postal_code state} email name phone tax_id}
         card{number token exp_month:int exp_year:int cvc} sepa_debit{iban!} ideal{bank} bancontact:any",
        create,
    ),
    get("/v1/payment_methods", "customer type allow_redisplay", |turn, call| {
        page(turn, call, "payment_method", |method| is_of(method, call.text("customer"), &call.given["type"]))
    }),
    get("/v1/payment_methods/{id}", "", |turn, call| {
        turn.must("payment_method", call.id(), "payment_method")
    }),
    post(
        "/v1/payment_methods/{id}",
        "allow_redisplay:always|limited|unspecified metadata:map
         billing_details{address{city country line1 line2 postal_code state} email name phone tax_id}
         card{exp_month:int exp_year:int}",
        update,
    ),
    post("/v1/payment_methods/{id}/attach", "customer!", |turn, call| {
        turn.must("customer", call.text("customer"), "customer")?;
        attach(turn, call.id(), call.text("customer"))
    }),
    post("/v1/payment_methods/{id}/detach", "", |turn, call| {
        let method = turn.must("payment_method", call.id(), "payment_method")?;
        if method["customer"].is_null() {
            return Err(StripeError::refused(
                "The payment method you provided is not attached to a customer so detachment is impossible.",
            ));
        }
        detach(turn, call.id());
        turn.must("payment_method", call.id(), "payment_method")
    }),
];

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let paid = match call.text("type") {
        "sepa_debit" => cards::PaidBy::sepa(text(&given["sepa_debit"]["iban"])),
        "ideal" => cards::PaidBy::ideal(),
        "bancontact" => cards::PaidBy::bancontact(),
        _ => match some(&given["card"]["token"]) {
            Some(token) => return keep(turn, of_token(token)?, given),
            None => cards::PaidBy::card(text(&given["card"]["number"])),
        },
    };
    let method = paid.method()?;
    keep(turn, method, given)
}

fn of_token(token: &str) -> Outcome<Value> {
    let id = token.replacen("tok_", "pm_card_", 1);
    cards::of_test_id(&id).unwrap_or_else(|| Err(StripeError::missing("token", token, "card[token]")))
}

fn keep(turn: &mut Turn<'_>, method: Value, given: &Value) -> Outcome<Value> {
    let mut method = save(turn, method);
    merge_billing(&mut method, given);
    method["metadata"] = metadata(given);
    turn.put(&method);
    Ok(method)
}

fn merge_billing(method: &mut Value, given: &Value) {
    for (name, value) in given["billing_details"].as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    method["billing_details"][name.as_str()][field.as_str()] = value.clone();
                }
            }
            value => method["billing_details"][name.as_str()] = value.clone(),
        }
    }
}

/// Gives a payment method its id; nobody has it yet.
pub(super) fn save(turn: &mut Turn<'_>, mut method: Value) -> Value {
    method["allow_redisplay"] = "unspecified".into();
    method["customer"] = Value::Null;
    method["customer_account"] = Value::Null;
    method["metadata"] = json!({});
    if method["billing_details"].is_null() {
        method["billing_details"] = json!({
            "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
            "email": null, "name": null, "phone": null, "tax_id": null
        });
    }
    turn.make("payment_method", "pm_", method)
}

fn update(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut method = turn.must("payment_method", call.id(), "payment_method")?;
    if method["customer"].is_null() {
        return Err(StripeError::refused(
            "You must save this PaymentMethod to a customer before you can update it.",
        ));
    }
    merge_billing(&mut method, &call.given);
    for name in ["exp_month", "exp_year"] {
        if let Some(value) = call.given["card"].get(name) {
            method["card"][name] = value.clone();
        }
    }
    if call.has("allow_redisplay") {
        method["allow_redisplay"] = call.given["allow_redisplay"].clone();
    }
    merge_metadata(&mut method, &call.given);
    turn.put(&method);
    turn.event("payment_method.updated", call.id());
    Ok(method)
}

/// Whether a method is a customer's, of this type if one is asked for.
pub(super) fn is_of(method: &Value, customer: &str, kind: &Value) -> bool {
    method["customer"] == customer && some(kind).is_none_or(|kind| method["type"] == kind)
}

/// The payment method that a parameter names; a test id is a fresh one.
///
/// # Errors
/// `resource_missing`.
pub(super) fn resolve(turn: &mut Turn<'_>, id: &str, param: &str) -> Outcome<Value> {
    if let Some(method) = turn.get("payment_method", id) {
        return Ok(method.clone());
    }
    match cards::of_test_id(id) {
        Some(method) => Ok(save(turn, method?)),
        None => Err(StripeError::missing("PaymentMethod", id, param)),
    }
}

/// Saves a method to a customer.
///
/// # Errors
/// When it is another's, was taken away before, or the bank says no.
pub(super) fn attach(turn: &mut Turn<'_>, id: &str, customer: &str) -> Outcome<Value> {
    let mut method = resolve(turn, id, "payment_method")?;
    let id = text(&method["id"]).to_owned();
    if method["customer"] == customer {
        return Ok(method);
    }
    if !method["customer"].is_null() {
        return Err(StripeError::invalid(
            "payment_method_unexpected_state",
            "",
            "The payment method you provided has already been attached to a customer.",
        ));
    }
    if method["_detached"] == true {
        return Err(StripeError::invalid(
            "payment_method_unexpected_state",
            "",
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.",
        ));
    }
    if let Attempt::Declined(code, decline_code, message) = cards::save(&method, true) {
        return Err(StripeError::declined(code, decline_code, message).undone());
    }
    method["customer"] = customer.into();
    turn.put(&method);
    turn.event("payment_method.attached", &id);
    Ok(method)
}

/// Takes a method from its customer, who can pay with it no more.
pub(super) fn detach(turn: &mut Turn<'_>, id: &str) {
    let customer = turn.of("payment_method", &id.into())["customer"].clone();
    turn.edit("payment_method", id, |method| {
        method["customer"] = Value::Null;
        method["_detached"] = true.into();
    });
    turn.event("payment_method.detached", id);
    let owner = turn.of("customer", &customer);
    if owner["invoice_settings"]["default_payment_method"] == id {
        turn.edit("customer", text(&customer), |customer| {
            customer["invoice_settings"]["default_payment_method"] = Value::Null;
        });
        turn.event("customer.updated", text(&customer));
    }
    for subscription in
        turn.those("subscription", |subscription| subscription["default_payment_method"] == id)
    {
        let subscription = text(&subscription["id"]).to_owned();
        turn.edit("subscription", &subscription, |subscription| {
            subscription["default_payment_method"] = Value::Null;
        });
        turn.event("customer.subscription.updated", &subscription);
    }
}

/// The method that pays for a customer's subscription: its own, else the customer's.
pub(super) fn default_of(turn: &Turn<'_>, customer: &Value, subscription: &Value) -> Option<Value> {
    let own = some(&subscription["default_payment_method"]);
    let id = own.or_else(|| some(&customer["invoice_settings"]["default_payment_method"]))?;
    turn.get("payment_method", id).filter(|method| !method["customer"].is_null()).cloned()
}

/// What is saved of a method that can pay only once: the account behind it.
pub(super) fn reusable(turn: &mut Turn<'_>, method: &Value) -> Outcome<Value> {
    if !matches!(text(&method["type"]), "ideal" | "bancontact") {
        return Ok(method.clone());
    }
    let debit = cards::PaidBy::sepa(text(&method["_number"])).method()?;
    let mut debit = save(turn, debit);
    debit["billing_details"] = method["billing_details"].clone();
    turn.put(&debit);
    Ok(debit)
}

/// The id of the saved method behind one that has paid; none if it could not be saved.
pub(super) fn reusable_of(turn: &Turn<'_>, method: &Value, customer: &str) -> Option<Value> {
    if method["customer"] == customer {
        return Some(method["id"].clone());
    }
    let same = |other: &&Value| {
        other["customer"] == customer
            && other["type"] == "sepa_debit"
            && other["_number"] == method["_number"]
    };
    turn.all("payment_method").into_iter().rev().find(same).map(|saved| saved["id"].clone())
}
