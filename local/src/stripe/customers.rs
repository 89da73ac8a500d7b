//! Customers and their tax ids.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, delete, get, page, post, search};
use super::turn::Turn;
use super::value::{copy, is, list, merge_metadata, metadata, public, some, text};
use super::{methods, tax, updates};

const NEW: &str = "address{city country line1 line2 postal_code state} balance:int business_name description email
    individual_name invoice_prefix invoice_settings{custom_fields[]{name! value!} default_payment_method footer}
    metadata:map name next_invoice_sequence:int payment_method phone preferred_locales[]
    shipping{address!{city country line1 line2 postal_code state} name! phone}
    tax{ip_address validate_location:auto|deferred|immediately} tax_exempt:none|exempt|reverse
    tax_id_data[]{type! value!}";
const CHANGED: &str = "address{city country line1 line2 postal_code state} balance:int business_name
    default_source description email individual_name invoice_prefix
    invoice_settings{custom_fields[]{name! value!} default_payment_method footer}
    metadata:map name next_invoice_sequence:int phone preferred_locales[]
    shipping{address!{city country line1 line2 postal_code state} name! phone}
    tax{ip_address validate_location:auto|deferred|immediately} tax_exempt:none|exempt|reverse";

pub(super) const ROUTES: &[Route] = &[
    post("/v1/customers", NEW, create),
    get("/v1/customers", "email created:range", |turn, call| {
        page(turn, call, "customer", |customer| {
            some(&call.given["email"]).is_none_or(|email| customer["email"] == email)
        })
    }),
    get("/v1/customers/search", "query!", |turn, call| search(turn, call, "customer")),
    get("/v1/customers/{id}", "", |turn, call| {
        let customer = turn.get("customer", call.id()).cloned();
        let customer = customer.ok_or_else(|| StripeError::missing("customer", call.id(), "id"))?;
        if is(&customer["deleted"]) {
            return Ok(json!({ "id": call.id(), "object": "customer", "deleted": true }));
        }
        Ok(customer)
    }),
    post("/v1/customers/{id}", CHANGED, update),
    delete("/v1/customers/{id}", "", remove),
    post("/v1/customers/{id}/tax_ids", "type! value!", |turn, call| {
        turn.must("customer", call.id(), "id")?;
        add_tax_id(turn, call.id(), call.text("type"), call.text("value"))
    }),
    get("/v1/customers/{id}/tax_ids", "", |turn, call| {
        turn.must("customer", call.id(), "id")?;
        page(turn, call, "tax_id", |tax_id| tax_id["customer"] == call.id())
    }),
    get("/v1/customers/{id}/tax_ids/{id}", "", |turn, call| tax_id(turn, call)),
    delete("/v1/customers/{id}/tax_ids/{id}", "", |turn, call| {
        let found = tax_id(turn, call)?;
        turn.event("customer.tax_id.deleted", &call.ids[1]);
        turn.remove("tax_id", &call.ids[1]);
        Ok(json!({ "id": found["id"], "object": "tax_id", "deleted": true }))
    }),
    get("/v1/customers/{id}/payment_methods", "type allow_redisplay", |turn, call| {
        turn.must("customer", call.id(), "id")?;
        page(turn, call, "payment_method", |method| methods::is_of(method, call.id(), &call.given["type"]))
    }),
    get("/v1/customers/{id}/payment_methods/{id}", "", |turn, call| {
        let method = turn.must("payment_method", &call.ids[1], "payment_method")?;
        if method["customer"] != call.id() {
            return Err(StripeError::missing("payment_method", &call.ids[1], "payment_method"));
        }
        Ok(method)
    }),
];

/// A customer with nothing but defaults.
pub(super) fn blank() -> Value {
    json!({
        "address": null, "balance": 0, "currency": null, "default_source": null, "delinquent": false,
        "description": null, "email": null,
        "invoice_prefix": super::turn::new_id("").chars().take(8).collect::<String>().to_uppercase(),
        "invoice_settings": {
            "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null
        },
        "metadata": {}, "name": null, "next_invoice_sequence": 1, "phone": null, "preferred_locales": [],
        "shipping": null, "tax_exempt": "none", "test_clock": null,
    })
}

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut customer = blank();
    apply(&mut customer, &call.given)?;
    customer["metadata"] = metadata(&call.given);
    let customer = turn.make("customer", "cus_", customer);
    let id = text(&customer["id"]).to_owned();
    turn.event("customer.created", &id);
    if let Some(method) = some(&call.given["payment_method"]) {
        methods::attach(turn, method, &id)?;
    }
    default_method(turn, &id, &call.given)?;
    for tax_id in list(&call.given["tax_id_data"]) {
        add_tax_id(turn, &id, text(&tax_id["type"]), text(&tax_id["value"]))?;
    }
    turn.must("customer", &id, "id")
}

fn update(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut customer = turn.must("customer", call.id(), "id")?;
    apply(&mut customer, &call.given)?;
    merge_metadata(&mut customer, &call.given);
    turn.put(&customer);
    default_method(turn, call.id(), &call.given)?;
    turn.event("customer.updated", call.id());
    turn.must("customer", call.id(), "id")
}

fn apply(customer: &mut Value, given: &Value) -> Outcome<()> {
    if let Some(email) = some(&given["email"]) {
        let right = email.len() <= 512
            && email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        if !right {
            return Err(StripeError::invalid(
                "email_invalid",
                "email",
                format!("Invalid email address: {email}"),
            ));
        }
    }
    if let Some(country) = some(&given["address"]["country"]) {
        tax::check_country(country, "address[country]")?;
    }
    let names = [
        "balance",
        "business_name",
        "default_source",
        "description",
        "email",
        "individual_name",
        "invoice_prefix",
        "name",
        "next_invoice_sequence",
        "phone",
        "preferred_locales",
        "shipping",
        "tax_exempt",
    ];
    copy(customer, given, &names);
    if let Some(address) = given.get("address") {
        customer["address"] = match address {
            Value::Null => Value::Null,
            given => {
                let mut address = json!({
                    "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null
                });
                copy(&mut address, given, &["city", "country", "line1", "line2", "postal_code", "state"]);
                address
            }
        };
    }
    copy(&mut customer["invoice_settings"], &given["invoice_settings"], &["custom_fields", "footer"]);
    if given["tax"]["validate_location"] == "immediately" && !tax::is_located(customer) {
        return Err(tax::no_location());
    }
    Ok(())
}

fn default_method(turn: &mut Turn<'_>, id: &str, given: &Value) -> Outcome<()> {
    let Some(method) = given["invoice_settings"].get("default_payment_method") else { return Ok(()) };
    if let Some(method) = some(method) {
        let param = "invoice_settings[default_payment_method]";
        let found = turn.must("payment_method", method, param)?;
        if found["customer"] != id {
            return Err(StripeError::invalid(
                "",
                param,
                format!(
                    "The customer does not have a payment method with the ID {method}. The payment method must be attached to the customer."
                ),
            ));
        }
    }
    let method = method.clone();
    turn.edit("customer", id, |customer| customer["invoice_settings"]["default_payment_method"] = method);
    Ok(())
}

fn remove(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    turn.must("customer", call.id(), "id")?;
    let live = turn.those("subscription", |subscription| {
        subscription["customer"] == call.id()
            && !matches!(text(&subscription["status"]), "canceled" | "incomplete_expired")
    });
    for subscription in live {
        updates::end(turn, text(&subscription["id"]), "cancellation_requested");
    }
    let methods = turn.those("payment_method", |method| method["customer"] == call.id());
    for method in methods {
        methods::detach(turn, text(&method["id"]));
    }
    turn.event("customer.deleted", call.id());
    turn.edit("customer", call.id(), |customer| customer["deleted"] = true.into());
    Ok(json!({ "id": call.id(), "object": "customer", "deleted": true }))
}

fn tax_id(turn: &Turn<'_>, call: &Call) -> Outcome<Value> {
    turn.must("customer", call.id(), "id")?;
    let found = turn.must("tax_id", &call.ids[1], "id")?;
    if found["customer"] != call.id() {
        return Err(StripeError::missing("tax_id", &call.ids[1], "id"));
    }
    Ok(found)
}

/// Adds a tax id; whether it is valid turns out a moment later.
///
/// # Errors
/// `tax_id_invalid`.
pub(super) fn add_tax_id(turn: &mut Turn<'_>, customer: &str, kind: &str, value: &str) -> Outcome<Value> {
    let country = tax::check_id(kind, value)?;
    let same =
        |other: &&Value| other["customer"] == customer && other["type"] == kind && other["value"] == value;
    if turn.all("tax_id").iter().any(same) {
        return Err(StripeError::invalid(
            "",
            "value",
            format!("The customer already has a tax ID of type '{kind}' with the value '{value}'."),
        ));
    }
    let fresh = turn.make(
        "tax_id",
        "txi_",
        json!({
            "country": country, "customer": customer, "customer_account": null,
            "owner": { "type": "customer", "customer": customer },
            "type": kind, "value": value,
            "verification": { "status": "pending", "verified_address": null, "verified_name": null },
        }),
    );
    let id = text(&fresh["id"]).to_owned();
    turn.event("customer.tax_id.created", &id);
    let status = tax::verification(value);
    if status != "pending" {
        let name =
            text(&turn.get("customer", customer).map(|known| known["name"].clone()).unwrap_or_default())
                .to_owned();
        turn.edit("tax_id", &id, |tax_id| {
            tax_id["verification"]["status"] = status.into();
            if status == "verified" {
                tax_id["verification"]["verified_name"] = name.into();
            }
        });
        turn.event("customer.tax_id.updated", &id);
    }
    Ok(public(&fresh))
}

/// Sets the currency of a customer who had none.
pub(super) fn settle_currency(turn: &mut Turn<'_>, customer: &str, currency: &str) -> Outcome<()> {
    let known = turn.of("customer", &customer.into());
    match some(&known["currency"]) {
        None => {
            turn.edit("customer", customer, |customer| customer["currency"] = currency.into());
            Ok(())
        }
        Some(known) if known == currency => Ok(()),
        Some(known) => Err(StripeError::refused(format!(
            "You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, quote, or invoice item with currency {known}."
        ))),
    }
}
