//! The customer portal: sessions, and what a person does there.

use serde_json::{Value, json};

use super::cards::PaidBy;
use super::error::{Outcome, StripeError};
use super::routes::{Route, post};
use super::turn::{Turn, new_id};
use super::value::{some, text};
use super::{customers, methods, renewals, subscriptions};

pub(super) const ROUTES: &[Route] = &[post(
    "/v1/billing_portal/sessions",
    "customer! configuration locale on_behalf_of return_url flow_data:any",
    |turn, call| {
        let customer = turn.must("customer", call.text("customer"), "customer")?;
        let id = new_id("bps_1");
        let session = json!({
            "configuration": call.given["configuration"].as_str().unwrap_or("bpc_local"), "customer": customer["id"],
            "customer_account": null, "flow": call.given["flow_data"], "locale": call.given["locale"],
            "on_behalf_of": null, "return_url": call.given["return_url"],
            "url": turn.account.page(&format!("/portal/{id}")),
        });
        let session = turn.make_as("billing_portal.session", &id, session);
        turn.event("billing_portal.session.created", &id);
        Ok(session)
    },
)];

/// What somebody does in the portal.
pub(super) enum Deed {
    /// Cancels at the period's end.
    Cancel(String),
    /// Takes that back.
    Keep(String),
    /// Adds a way to pay and makes it the default.
    Add(PaidBy),
    /// Makes a saved method the default.
    Default(String),
    /// Takes a method away.
    Remove(String),
    /// Adds a VAT id.
    VatId(String),
}

/// Does it, on nothing but the session's customer's own.
///
/// # Errors
/// What the page shows.
pub(super) fn act(turn: &mut Turn<'_>, session: &str, deed: &Deed) -> Outcome<Value> {
    let session = turn.must("billing_portal.session", session, "id")?;
    let customer = text(&session["customer"]).to_owned();
    match deed {
        Deed::Cancel(id) => {
            own(turn, "subscription", id, &customer)?;
            cancel(turn, id, true);
        }
        Deed::Keep(id) => {
            own(turn, "subscription", id, &customer)?;
            cancel(turn, id, false);
        }
        Deed::Add(paid) => {
            let method = methods::save(turn, paid.method()?);
            let method = methods::attach(turn, text(&method["id"]), &customer)?;
            turn.edit("payment_method", text(&method["id"]), |method| method["_set_up"] = true.into());
            set_default(turn, &customer, &method["id"]);
        }
        Deed::Default(id) => {
            let method = own(turn, "payment_method", id, &customer)?;
            set_default(turn, &customer, &method["id"]);
        }
        Deed::Remove(id) => {
            own(turn, "payment_method", id, &customer)?;
            methods::detach(turn, id);
        }
        Deed::VatId(value) => {
            customers::add_tax_id(turn, &customer, "eu_vat", value)?;
        }
    }
    Ok(session)
}

fn own(turn: &Turn<'_>, kind: &str, id: &str, customer: &str) -> Outcome<Value> {
    let found = turn.must(kind, id, "id")?;
    if found["customer"] == customer { Ok(found) } else { Err(StripeError::missing(kind, id, "id")) }
}

fn set_default(turn: &mut Turn<'_>, customer: &str, method: &Value) {
    let method = method.clone();
    turn.edit("customer", customer, |customer| {
        customer["invoice_settings"]["default_payment_method"] = method;
    });
    turn.event("customer.updated", customer);
    // A subscription's own method would win over it.
    let own = turn.those("subscription", |subscription| {
        subscription["customer"] == customer && some(&subscription["default_payment_method"]).is_some()
    });
    for subscription in own {
        let id = text(&subscription["id"]).to_owned();
        turn.edit("subscription", &id, |subscription| subscription["default_payment_method"] = Value::Null);
        turn.event("customer.subscription.updated", &id);
    }
}

fn cancel(turn: &mut Turn<'_>, id: &str, at_end: bool) {
    let subscription = turn.of("subscription", &id.into());
    let now = turn.now;
    let details = renewals::details(&subscription, "cancellation_requested");
    turn.edit("subscription", id, |subscription| {
        subscription["cancel_at_period_end"] = at_end.into();
        if at_end {
            subscription["cancel_at"] = subscriptions::period_end(subscription).into();
            subscription["canceled_at"] = now.into();
            subscription["cancellation_details"] = details;
        } else {
            subscription["cancel_at"] = Value::Null;
            subscription["canceled_at"] = Value::Null;
            subscription["cancellation_details"]["reason"] = Value::Null;
        }
    });
    turn.event("customer.subscription.updated", id);
}
