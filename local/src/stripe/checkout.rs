//! Checkout sessions that sell a subscription: made by the API, paid by a person on the hosted page.

use serde_json::{Value, json};

use super::cards::{Attempt, PaidBy};
use super::error::{Outcome, StripeError};
use super::invoices::{self, Draft, subscription_of};
use super::routes::{Call, Route, get, page, page_of, post};
use super::turn::{Turn, new_id};
use super::value::{int, is, list, merge_metadata, metadata, public, some, text};
use super::{catalog, customers, intents, lines, methods, payments, subscriptions, tax};

/// A session may be open between half an hour and a day.
const SHORTEST: i64 = 1_800;
const LONGEST: i64 = 86_400;
/// A trial that Checkout sells is at least so long.
const SHORTEST_TRIAL: i64 = 48 * 3_600;

const NEW: &str = "mode!:subscription|payment|setup success_url cancel_url return_url customer customer_email
    client_reference_id line_items[]{price! quantity:int adjustable_quantity{enabled!:bool maximum:int minimum:int}}
    metadata:map automatic_tax{enabled!:bool liability:any} allow_promotion_codes:bool
    subscription_data{metadata:map description trial_end:time trial_period_days:int billing_cycle_anchor:time
        proration_behavior:create_prorations|none billing_mode{type!:classic|flexible flexible:any} invoice_settings:any
        trial_settings{end_behavior!{missing_payment_method!:cancel|create_invoice|pause}}}
    customer_update{address:auto|never name:auto|never shipping:auto|never}
    tax_id_collection{enabled!:bool required:if_supported|never} expires_at:time
    billing_address_collection:auto|required currency locale payment_method_collection:always|if_required
    ui_mode:hosted_page|embedded_page|elements|form allowed_payment_method_types[] excluded_payment_method_types[]
    payment_method_options:any phone_number_collection{enabled!:bool} saved_payment_method_options:any
    consent_collection:any custom_text:any custom_fields:any after_expiration:any branding_settings:any
    adaptive_pricing:any name_collection:any origin_context submit_type:auto|pay|subscribe wallet_options:any
    redirect_on_completion:always|if_required|never";

pub(super) const ROUTES: &[Route] = &[
    post("/v1/checkout/sessions", NEW, create),
    get(
        "/v1/checkout/sessions",
        "customer subscription payment_intent status:complete|expired|open created:range customer_details{email!}",
        |turn, call| {
            page(turn, call, "checkout.session", |session| {
                ["customer", "subscription", "payment_intent", "status"]
                    .into_iter()
                    .all(|name| some(&call.given[name]).is_none_or(|wanted| session[name] == wanted))
            })
        },
    ),
    get("/v1/checkout/sessions/{id}", "", |turn, call| turn.must("checkout.session", call.id(), "id")),
    get("/v1/checkout/sessions/{id}/line_items", "", |turn, call| {
        let session = turn.must("checkout.session", call.id(), "id")?;
        page_of(call, list(&session["_lines"]).to_vec())
    }),
    post("/v1/checkout/sessions/{id}", "metadata:map", |turn, call| {
        let mut session = turn.must("checkout.session", call.id(), "id")?;
        merge_metadata(&mut session, &call.given);
        turn.put(&session);
        Ok(session)
    }),
    post("/v1/checkout/sessions/{id}/expire", "", |turn, call| {
        let session = turn.must("checkout.session", call.id(), "id")?;
        if session["status"] != "open" {
            return Err(StripeError::refused(format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {}.",
                text(&session["status"])
            )));
        }
        fall_due(turn, call.id());
        turn.must("checkout.session", call.id(), "id")
    }),
];

fn invalid(param: &str, message: &str) -> StripeError {
    StripeError::invalid("", param, message)
}

fn check(turn: &Turn<'_>, given: &Value) -> Outcome<Value> {
    if given["mode"] != "subscription" {
        return Err(invalid("mode", "The local stack plays `mode=subscription` alone."));
    }
    let hosted = matches!(text(&given["ui_mode"]), "" | "hosted_page");
    if hosted && some(&given["success_url"]).is_none() {
        return Err(StripeError::invalid(
            "parameter_missing",
            "success_url",
            "Missing required param: success_url.",
        ));
    }
    for name in ["success_url", "cancel_url", "return_url"] {
        if let Some(url) = some(&given[name]) {
            let plain = url.replace("{CHECKOUT_SESSION_ID}", "id");
            if !url::Url::parse(&plain).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
                return Err(StripeError::invalid("url_invalid", name, "Not a valid URL"));
            }
        }
    }
    if list(&given["line_items"]).is_empty() {
        return Err(StripeError::invalid(
            "parameter_missing",
            "line_items",
            "Missing required param: line_items.",
        ));
    }
    if let Some(expires) = given["expires_at"].as_i64() {
        let after = expires - turn.now;
        if !(SHORTEST..=LONGEST).contains(&after) {
            return Err(invalid(
                "expires_at",
                "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout Session creation.",
            ));
        }
    }
    let trial = given["subscription_data"]["trial_end"].as_i64();
    if trial.is_some_and(|end| end < turn.now + SHORTEST_TRIAL) {
        return Err(invalid(
            "subscription_data[trial_end]",
            "The `trial_end` date has to be at least 2 days in the future.",
        ));
    }
    let Some(customer) = some(&given["customer"]) else {
        if given.get("customer_update").is_some() {
            return Err(invalid("customer_update", "`customer_update` can only be used with `customer`."));
        }
        return Ok(Value::Null);
    };
    if given.get("customer_email").is_some() {
        return Err(invalid(
            "customer_email",
            "You may only specify one of these parameters: customer, customer_email.",
        ));
    }
    let customer = turn.must("customer", customer, "customer")?;
    let keeps_address = given["customer_update"]["address"] == "auto";
    if is(&given["automatic_tax"]["enabled"]) && !keeps_address && !tax::is_located(&customer) {
        return Err(StripeError::invalid(
            "customer_tax_location_invalid",
            "",
            "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid address to the Customer or set either `customer_update[address]` to 'auto' or `customer_update[shipping]` to 'auto' to save the address entered in Checkout to the Customer.",
        ));
    }
    if is(&given["tax_id_collection"]["enabled"]) && given["customer_update"]["name"] != "auto" {
        return Err(invalid(
            "tax_id_collection",
            "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an existing customer, please set `customer_update[name]` to `auto`.",
        ));
    }
    Ok(customer)
}

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let customer = check(turn, given)?;
    let id = new_id("cs_test_");
    let asked = asked(turn, given, &customer["id"]);
    let buyer = if customer.is_null() { customers::blank() } else { customer.clone() };
    let wanted = subscriptions::compose(turn, &buyer, &asked, "sub_preview")?;
    let first = subscriptions::first_lines(turn, &wanted);
    let currency = wanted["currency"].clone();
    if let Some(known) = some(&customer["currency"]).filter(|known| currency != **known) {
        return Err(StripeError::refused(format!(
            "You cannot combine currencies on a single customer. This customer has had a subscription, coupon, or invoice item with currency {known}."
        )));
    }
    let draft = Draft {
        customer: &buyer,
        subscription: &wanted,
        lines: first,
        reason: "subscription_create",
        period: (turn.now, turn.now),
    };
    let invoice = invoices::compose(turn, draft);
    let shown_lines: Vec<Value> =
        list(&given["line_items"]).iter().map(|line| shown_line(turn, line)).collect();
    let hosted = matches!(text(&given["ui_mode"]), "" | "hosted_page");
    let url = hosted.then(|| turn.account.page(&format!("/checkout/{id}")));
    let types = match list(&given["allowed_payment_method_types"]) {
        [] if currency == "eur" => json!(["card", "sepa_debit", "ideal", "bancontact"]),
        [] => json!(["card"]),
        types => json!(types),
    };
    let tax: i64 = list(&invoice["total_taxes"]).iter().map(|tax| int(&tax["amount"])).sum();
    let mut session = json!({
        "adaptive_pricing": { "enabled": false }, "after_expiration": null,
        "allow_promotion_codes": given["allow_promotion_codes"], "amount_subtotal": invoice["subtotal"],
        "amount_total": invoice["total"],
        "automatic_tax": {
            "enabled": is(&given["automatic_tax"]["enabled"]), "liability": invoice["automatic_tax"]["liability"],
            "provider": invoice["automatic_tax"]["provider"], "status": invoice["automatic_tax"]["status"]
        },
        "billing_address_collection": given["billing_address_collection"],
        "cancel_url": given["cancel_url"], "client_reference_id": given["client_reference_id"],
        "client_secret": if hosted { Value::Null } else { format!("{id}_secret_{}", new_id("")).into() },
        "collected_information": null, "consent": null, "consent_collection": null, "currency": currency,
        "currency_conversion": null, "custom_fields": [], "custom_text": {}, "customer": customer["id"],
        "customer_account": null, "customer_creation": if customer.is_null() { json!("always") } else { Value::Null },
        "customer_details": null, "customer_email": given["customer_email"], "discounts": [],
        "expires_at": given["expires_at"].as_i64().unwrap_or(turn.now + LONGEST), "invoice": null,
        "invoice_creation": null, "locale": given["locale"], "metadata": metadata(given), "mode": "subscription",
        "origin_context": null, "payment_intent": null, "payment_link": null,
        "payment_method_collection": given["payment_method_collection"].as_str().unwrap_or("always"),
        "payment_method_configuration_details": null, "payment_method_options": {}, "payment_method_types": types,
        "payment_status": "unpaid", "permissions": null,
        "phone_number_collection": { "enabled": is(&given["phone_number_collection"]["enabled"]) },
        "recovered_from": null,
        "saved_payment_method_options": null, "setup_intent": null, "shipping_address_collection": null,
        "shipping_cost": null, "shipping_options": [], "status": "open", "submit_type": given["submit_type"],
        "subscription": null, "success_url": given["success_url"],
        "tax_id_collection": {
            "enabled": is(&given["tax_id_collection"]["enabled"]),
            "required": given["tax_id_collection"]["required"].as_str().unwrap_or("never")
        },
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": tax },
        "ui_mode": given["ui_mode"].as_str().unwrap_or("hosted_page"), "url": url, "wallet_options": null,
        "_lines": shown_lines, "_asked": asked, "_customer_update": given["customer_update"],
    });
    if !hosted {
        session["redirect_on_completion"] =
            given["redirect_on_completion"].as_str().unwrap_or("always").into();
        session["return_url"] = given["return_url"].clone();
    }
    Ok(turn.make_as("checkout.session", &id, session))
}

/// The subscription that a session asks for, as `POST /v1/subscriptions` would.
fn asked(turn: &Turn<'_>, given: &Value, customer: &Value) -> Value {
    let items: Value = list(&given["line_items"])
        .iter()
        .map(|line| {
            let mut item = json!({ "price": line["price"] });
            if !catalog::is_metered(&turn.of("price", &line["price"])) {
                item["quantity"] = line["quantity"].as_i64().unwrap_or(1).into();
            }
            item
        })
        .collect();
    let data = &given["subscription_data"];
    let mut asked = json!({
        "customer": customer, "items": items, "metadata": metadata(data), "payment_behavior": "default_incomplete",
        "payment_settings": { "save_default_payment_method": "on_subscription" },
    });
    for name in [
        "description",
        "trial_end",
        "trial_period_days",
        "billing_cycle_anchor",
        "proration_behavior",
        "trial_settings",
    ] {
        if let Some(value) = data.get(name) {
            asked[name] = value.clone();
        }
    }
    if let Some(automatic) = given.get("automatic_tax") {
        asked["automatic_tax"] = automatic.clone();
    }
    asked
}

fn shown_line(turn: &Turn<'_>, line: &Value) -> Value {
    let price = turn.of("price", &line["price"]);
    let quantity = line["quantity"].as_i64().unwrap_or(1);
    let metered = catalog::is_metered(&price);
    let amount = if metered { 0 } else { catalog::amount(&price, quantity) };
    json!({
        "id": new_id("li_1"), "object": "item", "adjustable_quantity": null, "amount_discount": 0,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "currency": price["currency"],
        "description": catalog::product_name(turn, &price), "metadata": {}, "price": public(&price),
        "quantity": if metered { Value::Null } else { quantity.into() },
    })
}

/// A person pays on the hosted page.
///
/// # Errors
/// What the page shows: a decline, or a session that is no longer open.
pub(super) fn pay(turn: &mut Turn<'_>, id: &str, paid: &PaidBy) -> Outcome<Value> {
    let session = turn.must("checkout.session", id, "id")?;
    if session["status"] != "open" {
        return Err(StripeError::refused(format!("This session is {}.", text(&session["status"]))));
    }
    let method = paid.method()?;
    if !list(&session["payment_method_types"]).contains(&method["type"]) {
        return Err(invalid("payment_method_types", "This way to pay is not offered for this purchase."));
    }
    let customer = buyer(turn, &session, paid)?;
    let method = methods::save(turn, method);
    let begun = turn.of("subscription", &session["_subscription"]);
    let subscription = match some(&begun["id"]).filter(|_| begun["status"] == "incomplete") {
        // They tried before and their bank said no.
        Some(subscription) => subscription.to_owned(),
        None => {
            let mut asked = session["_asked"].clone();
            asked["customer"] = customer.as_str().into();
            subscriptions::begin(turn, &asked).map_err(StripeError::undone)?
        }
    };
    turn.edit("checkout.session", id, |session| session["_subscription"] = subscription.as_str().into());
    let sold = turn.of("subscription", &subscription.as_str().into());
    let invoice = turn.of("invoice", &sold["latest_invoice"]);
    if invoice["status"] == "paid" {
        let saved = methods::reusable(turn, &method)?;
        let saved = methods::attach(turn, text(&saved["id"]), &customer)?;
        turn.edit("subscription", &subscription, |subscription| {
            subscription["default_payment_method"] = saved["id"].clone();
            subscription["pending_setup_intent"] = Value::Null;
        });
        turn.event("customer.subscription.updated", &subscription);
        complete(turn, id, "no_payment_required");
        return turn.must("checkout.session", id, "id");
    }
    let payment = invoices::payment_of(turn, text(&invoice["id"])).unwrap_or_default();
    let intent = text(&payment["payment"]["payment_intent"]).to_owned();
    match intents::attempt(turn, &intent, &method, false) {
        attempt @ Attempt::Declined(..) => {
            let error = payments::declined(&attempt);
            Err(StripeError { status: 402, keeps: begun["status"] == "incomplete", error })
        }
        Attempt::Confirm => {
            turn.edit("checkout.session", id, |session| session["_intent"] = intent.as_str().into());
            turn.must("checkout.session", id, "id")
        }
        Attempt::Paid | Attempt::Coming { .. } => turn.must("checkout.session", id, "id"),
    }
}

/// The customer of a session, with what they typed.
fn buyer(turn: &mut Turn<'_>, session: &Value, paid: &PaidBy) -> Outcome<String> {
    let fresh = session["customer"].is_null();
    if let Some(country) = paid.country_given() {
        tax::check_country(country, "country")?;
    }
    let id = if fresh {
        let mut customer = customers::blank();
        let email =
            paid.email_given().or_else(|| some(&session["customer_email"])).unwrap_or("payer@example.com");
        customer["email"] = email.into();
        let customer = turn.make("customer", "cus_", customer);
        text(&customer["id"]).to_owned()
    } else {
        text(&session["customer"]).to_owned()
    };
    let update = &session["_customer_update"];
    let keeps = |name: &str| fresh || update[name] == "auto";
    let (address, name) = (keeps("address"), keeps("name"));
    turn.edit("customer", &id, |customer| {
        if let Some(country) = paid.country_given().filter(|_| address) {
            customer["address"] = json!({
                "city": null, "country": country, "line1": null, "line2": null,
                "postal_code": paid.postal_code_given(), "state": null
            });
        }
        if let Some(typed) = paid.name_given().filter(|_| name) {
            customer["name"] = typed.into();
        }
    });
    turn.event(if fresh { "customer.created" } else { "customer.updated" }, &id);
    if let Some(vat_id) = paid.vat_id_given() {
        if !is(&session["tax_id_collection"]["enabled"]) {
            return Err(invalid("tax_id", "This session does not ask for a tax id."));
        }
        let known = turn
            .all("tax_id")
            .iter()
            .any(|known| known["customer"] == id.as_str() && known["value"] == vat_id);
        if !known {
            customers::add_tax_id(turn, &id, "eu_vat", vat_id)?;
        }
    }
    turn.edit("checkout.session", text(&session["id"]), |session| session["customer"] = id.as_str().into());
    Ok(id)
}

/// The purchase is done.
fn complete(turn: &mut Turn<'_>, id: &str, payment_status: &str) {
    let session = turn.of("checkout.session", &id.into());
    let subscription = turn.of("subscription", &session["_subscription"]);
    let invoice = turn.of("invoice", &subscription["latest_invoice"]);
    let customer = turn.of("customer", &session["customer"]);
    let tax: i64 = list(&invoice["total_taxes"]).iter().map(|tax| int(&tax["amount"])).sum();
    turn.edit("checkout.session", id, |session| {
        session["status"] = "complete".into();
        session["payment_status"] = payment_status.into();
        session["subscription"] = subscription["id"].clone();
        session["invoice"] = invoice["id"].clone();
        session["url"] = Value::Null;
        session["amount_subtotal"] = invoice["subtotal"].clone();
        session["amount_total"] = invoice["total"].clone();
        session["total_details"]["amount_tax"] = tax.into();
        session["automatic_tax"]["status"] = invoice["automatic_tax"]["status"].clone();
        session["customer_details"] = json!({
            "address": customer["address"], "business_name": null, "email": customer["email"], "individual_name": null,
            "name": customer["name"], "phone": customer["phone"], "tax_exempt": customer["tax_exempt"],
            "tax_ids": invoice["customer_tax_ids"],
        });
    });
    turn.event("checkout.session.completed", id);
}

/// The session that sold a subscription.
fn session_of(turn: &Turn<'_>, subscription: &str) -> Option<Value> {
    if subscription.is_empty() {
        return None;
    }
    turn.all("checkout.session").into_iter().find(|session| session["_subscription"] == subscription).cloned()
}

/// The first invoice has been paid.
pub(super) fn invoice_paid(turn: &mut Turn<'_>, invoice: &Value) {
    let Some(session) = session_of(turn, subscription_of(invoice)) else { return };
    let id = text(&session["id"]).to_owned();
    if invoice["billing_reason"] != "subscription_create" {
        return;
    }
    match text(&session["status"]) {
        // Nothing was to pay, and the page still asks for a method.
        "open" if int(&invoice["total"]) == 0 => {}
        "open" => complete(turn, &id, "paid"),
        "complete" if session["payment_status"] == "unpaid" => {
            turn.edit("checkout.session", &id, |session| session["payment_status"] = "paid".into());
            turn.event("checkout.session.async_payment_succeeded", &id);
        }
        _ => {}
    }
}

/// A debit has been ordered.
pub(super) fn payment_comes(turn: &mut Turn<'_>, invoice: &str) {
    let invoice = turn.of("invoice", &invoice.into());
    let Some(session) = session_of(turn, subscription_of(&invoice)) else { return };
    if session["status"] == "open" {
        complete(turn, text(&session["id"]), "unpaid");
    }
}

/// A debit has come back.
pub(super) fn payment_failed(turn: &mut Turn<'_>, invoice: &str) {
    let invoice = turn.of("invoice", &invoice.into());
    let Some(session) = session_of(turn, subscription_of(&invoice)) else { return };
    if session["status"] == "complete"
        && session["payment_status"] == "unpaid"
        && invoice["billing_reason"] == "subscription_create"
    {
        turn.event("checkout.session.async_payment_failed", text(&session["id"]));
    }
}

/// The payment of a session that waits for its payer's bank.
pub(super) fn pending_action(turn: &Turn<'_>, id: &str) -> Option<String> {
    let session = turn.get("checkout.session", id)?;
    let intent = some(&session["_intent"])?;
    let waits =
        turn.get("payment_intent", intent).is_some_and(|intent| intent["status"] == "requires_action");
    waits.then(|| intent.to_owned())
}

/// What a session costs, for the page.
pub(super) fn total(session: &Value) -> String {
    lines::money(int(&session["amount_total"]), text(&session["currency"]))
}

pub(super) fn due(session: &Value) -> Option<i64> {
    (session["status"] == "open").then(|| int(&session["expires_at"]))
}

pub(super) fn fall_due(turn: &mut Turn<'_>, id: &str) {
    let session = turn.of("checkout.session", &id.into());
    turn.edit("checkout.session", id, |session| {
        session["status"] = "expired".into();
        session["url"] = Value::Null;
    });
    // What its payer began will not be finished.
    let begun = turn.of("subscription", &session["_subscription"]);
    if begun["status"] == "incomplete" {
        let now = turn.now;
        invoices::void(turn, text(&begun["latest_invoice"]));
        turn.edit("subscription", text(&begun["id"]), |subscription| {
            subscription["status"] = "incomplete_expired".into();
            subscription["ended_at"] = now.into();
        });
        turn.event("customer.subscription.updated", text(&begun["id"]));
    }
    turn.event("checkout.session.expired", id);
}
