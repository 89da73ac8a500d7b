//! `expand[]`: ids become the objects they mean, and what is only told when asked for is told.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::tax;
use super::turn::{Turn, kind_of};
use super::value::{list, public, text, whole_list};

/// Follows every path that was asked for.
///
/// # Errors
/// When a path is too deep or leads nowhere.
pub(super) fn expand(turn: &Turn<'_>, value: &mut Value, paths: &Value) -> Outcome<()> {
    for path in list(paths) {
        let path = text(path);
        let steps: Vec<&str> = path.split('.').collect();
        let depth = steps.iter().filter(|step| **step != "data").count();
        if depth > 4 {
            return Err(StripeError::invalid(
                "",
                "expand",
                format!("You cannot expand more than 4 levels of a property. Property: {path}"),
            ));
        }
        follow(turn, value, &steps, path)?;
    }
    Ok(())
}

fn follow(turn: &Turn<'_>, value: &mut Value, steps: &[&str], path: &str) -> Outcome<()> {
    if let Some(members) = value.as_array_mut() {
        return members.iter_mut().try_for_each(|member| follow(turn, member, steps, path));
    }
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    if value.is_null() || value["deleted"] == true {
        return Ok(());
    }
    if value.get(step).is_none_or(Value::is_null) {
        match include(turn, value, step) {
            Some(included) => value[*step] = included,
            None if value.get(step).is_some() => return Ok(()),
            None => {
                let message = format!("This property cannot be expanded ({path}).");
                return Err(StripeError::invalid("", "expand", message));
            }
        }
    } else if let Some(object) =
        value[*step].as_str().filter(|id| kind_of(id).is_some()).and_then(|id| turn.find(id))
    {
        value[*step] = public(object);
    }
    follow(turn, &mut value[*step], rest, path)
}

/// What an object tells only when asked.
fn include(turn: &Turn<'_>, value: &Value, step: &str) -> Option<Value> {
    let id = text(&value["id"]);
    let those = |kind: &str, field: &str, url: String| {
        let mut found: Vec<Value> =
            turn.all(kind).into_iter().filter(|other| other[field] == id).map(public).collect();
        found.reverse();
        whole_list(&url, found)
    };
    match (text(&value["object"]), step) {
        ("invoice", "payments") => {
            Some(those("invoice_payment", "invoice", format!("/v1/invoice_payments?invoice={id}")))
        }
        ("invoice", "confirmation_secret") => {
            let payment =
                turn.all("invoice_payment").into_iter().rev().find(|payment| {
                    payment["invoice"] == id && payment["payment"]["payment_intent"].is_string()
                });
            let intent =
                payment.map(|payment| turn.of("payment_intent", &payment["payment"]["payment_intent"]));
            Some(intent.map_or(
                Value::Null,
                |intent| json!({ "client_secret": intent["client_secret"], "type": "payment_intent" }),
            ))
        }
        ("customer", "tax_ids") => Some(those("tax_id", "customer", format!("/v1/customers/{id}/tax_ids"))),
        ("customer", "subscriptions") => {
            let found = turn.all("subscription").into_iter().rev().filter(|subscription| {
                subscription["customer"] == id
                    && !matches!(text(&subscription["status"]), "canceled" | "incomplete_expired")
            });
            Some(whole_list(&format!("/v1/customers/{id}/subscriptions"), found.map(public).collect()))
        }
        ("customer", "tax") => Some(tax::of_customer(value)),
        ("charge", "refunds") => Some(those("refund", "charge", format!("/v1/charges/{id}/refunds"))),
        ("checkout.session", "line_items") => {
            let lines = turn.get("checkout.session", id).map(|session| session["_lines"].clone())?;
            Some(whole_list(&format!("/v1/checkout/sessions/{id}/line_items"), list(&lines).to_vec()))
        }
        ("price", "tiers") => turn.get("price", id).map(|price| price["_tiers"].clone()),
        _ => None,
    }
}
