//! Invoices: drafts, finalized, paid, voided; paying them is in `payments`.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, get, page, page_of, post, search};
use super::turn::{Turn, new_id};
use super::value::{copy, int, is, list, merge_metadata, some, text, whole_list};
use super::{intents, invoice_items, lines, methods, payments, previews, tax};

pub(super) const ROUTES: &[Route] = &[
    post("/v1/invoices/create_preview", previews::TAKES, previews::create),
    post(
        "/v1/invoices",
        "customer! auto_advance:bool automatic_tax{enabled!:bool} collection_method:charge_automatically|send_invoice
         currency days_until_due:int default_payment_method description due_date:time footer metadata:map
         pending_invoice_items_behavior:exclude|include subscription",
        create,
    ),
    get(
        "/v1/invoices",
        "customer subscription status:draft|open|paid|uncollectible|void created:range due_date:range
         collection_method:charge_automatically|send_invoice",
        |turn, call| {
            page(turn, call, "invoice", |invoice| {
                let given = &call.given;
                some(&given["customer"]).is_none_or(|wanted| invoice["customer"] == wanted)
                    && some(&given["status"]).is_none_or(|wanted| invoice["status"] == wanted)
                    && some(&given["subscription"]).is_none_or(|wanted| subscription_of(invoice) == wanted)
            })
        },
    ),
    get("/v1/invoices/search", "query!", |turn, call| search(turn, call, "invoice")),
    get("/v1/invoices/{id}", "", |turn, call| turn.must("invoice", call.id(), "id")),
    get("/v1/invoices/{id}/lines", "", |turn, call| {
        let invoice = turn.must("invoice", call.id(), "id")?;
        page_of(call, list(&invoice["lines"]).to_vec())
    }),
    post(
        "/v1/invoices/{id}",
        "auto_advance:bool collection_method:charge_automatically|send_invoice days_until_due:int
         default_payment_method description due_date:time footer metadata:map",
        |turn, call| {
            let mut invoice = turn.must("invoice", call.id(), "id")?;
            copy(
                &mut invoice,
                &call.given,
                &["auto_advance", "default_payment_method", "description", "due_date", "footer"],
            );
            merge_metadata(&mut invoice, &call.given);
            turn.put(&invoice);
            turn.event("invoice.updated", call.id());
            Ok(invoice)
        },
    ),
    post("/v1/invoices/{id}/finalize", "auto_advance:bool", |turn, call| {
        let invoice = turn.must("invoice", call.id(), "id")?;
        if invoice["status"] != "draft" {
            return Err(StripeError::refused(
                "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            ));
        }
        finalize(turn, call.id())?;
        turn.must("invoice", call.id(), "id")
    }),
    post(
        "/v1/invoices/{id}/pay",
        "forgive:bool off_session:bool paid_out_of_band:bool payment_method mandate source",
        payments::pay,
    ),
    post("/v1/invoices/{id}/void", "", |turn, call| {
        let invoice = turn.must("invoice", call.id(), "id")?;
        if !matches!(text(&invoice["status"]), "open" | "uncollectible") {
            return Err(StripeError::refused(format!(
                "You can only pass in open or uncollectible invoices. This invoice isn't open or uncollectible (status: {}).",
                text(&invoice["status"])
            )));
        }
        void(turn, call.id());
        turn.must("invoice", call.id(), "id")
    }),
    post("/v1/invoices/{id}/mark_uncollectible", "", |turn, call| {
        let invoice = turn.must("invoice", call.id(), "id")?;
        if invoice["status"] != "open" {
            return Err(StripeError::refused("You can only mark open invoices as uncollectible."));
        }
        let now = turn.now;
        turn.edit("invoice", call.id(), |invoice| {
            invoice["status"] = "uncollectible".into();
            invoice["next_payment_attempt"] = Value::Null;
            invoice["status_transitions"]["marked_uncollectible_at"] = now.into();
        });
        turn.event("invoice.marked_uncollectible", call.id());
        turn.must("invoice", call.id(), "id")
    }),
    get(
        "/v1/invoice_payments",
        "invoice status:canceled|open|paid created:range payment{type!:payment_intent|charge|payment_record payment_intent}",
        |turn, call| {
            let given = &call.given;
            page(turn, call, "invoice_payment", |payment| {
                let intent = some(&given["payment"]["payment_intent"]);
                some(&given["invoice"]).is_none_or(|wanted| payment["invoice"] == wanted)
                    && some(&given["status"]).is_none_or(|wanted| payment["status"] == wanted)
                    && intent.is_none_or(|wanted| payment["payment"]["payment_intent"] == wanted)
            })
        },
    ),
    get("/v1/invoice_payments/{id}", "", |turn, call| turn.must("invoice_payment", call.id(), "id")),
];

/// An invoice to be.
pub(super) struct Draft<'draft> {
    pub(super) customer: &'draft Value,
    /// Null for an invoice of none.
    pub(super) subscription: &'draft Value,
    pub(super) lines: Vec<Value>,
    pub(super) reason: &'draft str,
    pub(super) period: (i64, i64),
}

/// The subscription of an invoice; empty if it has none.
pub(super) fn subscription_of(invoice: &Value) -> &str {
    text(&invoice["parent"]["subscription_details"]["subscription"])
}

/// Writes an invoice without making it.
pub(super) fn compose(turn: &Turn<'_>, draft: Draft<'_>) -> Value {
    let Draft { customer, subscription, lines, reason, period } = draft;
    let currency = lines.first().map_or(&customer["currency"], |line| &line["currency"]).clone();
    let automatic = is(&subscription["automatic_tax"]["enabled"]);
    let parent = if subscription.is_null() {
        Value::Null
    } else {
        json!({
            "quote_details": null,
            "subscription_details": { "metadata": subscription["metadata"], "subscription": subscription["id"] },
            "type": "subscription_details",
        })
    };
    let liability = if automatic { json!({ "type": "self" }) } else { Value::Null };
    let mut invoice = json!({
        "object": "invoice", "account_country": "FR", "account_name": "Tenantry", "account_tax_ids": null,
        "amount_due": 0, "amount_overpaid": 0, "amount_paid": 0, "amount_paid_off_stripe": 0, "amount_remaining": 0, "amount_shipping": 0,
        "application": null, "attempt_count": 0, "attempted": false, "auto_advance": true,
        "automatic_tax": {
            "disabled_reason": null, "enabled": automatic, "liability": liability,
            "provider": if automatic { json!("stripe") } else { Value::Null }, "status": null
        },
        "automatically_finalizes_at": null, "billing_reason": reason,
        "collection_method": subscription["collection_method"].as_str().unwrap_or("charge_automatically"),
        "created": turn.now, "currency": currency, "custom_fields": null, "customer": customer["id"],
        "customer_account": null,
        "default_payment_method": null, "default_source": null, "default_tax_rates": [], "description": null,
        "discounts": [], "due_date": null, "effective_at": null, "footer": null, "from_invoice": null,
        "hosted_invoice_url": null, "invoice_pdf": null, "issuer": { "type": "self" },
        "last_finalization_error": null, "latest_revision": null, "livemode": false, "metadata": {},
        "next_payment_attempt": null, "number": null, "on_behalf_of": null, "parent": parent,
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "period_end": period.1, "period_start": period.0, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null, "shipping_cost": null,
        "shipping_details": null, "statement_descriptor": null, "status": "draft",
        "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "test_clock": null, "total_discount_amounts": [], "total_pretax_credit_amounts": [],
        "webhooks_delivered_at": null,
    });
    invoice["lines"] = whole_list("", lines);
    lines::sum_up(turn, &mut invoice, customer);
    invoice
}

/// Makes a draft; the subscription's latest invoice is it.
pub(super) fn make(turn: &mut Turn<'_>, draft: Draft<'_>) -> String {
    let subscription = text(&draft.subscription["id"]).to_owned();
    let customer = draft.customer.clone();
    let mut invoice = compose(turn, draft);
    let id = new_id("in_1");
    invoice["id"] = id.as_str().into();
    invoice["lines"]["url"] = format!("/v1/invoices/{id}/lines").into();
    lines::sum_up(turn, &mut invoice, &customer);
    turn.make_as("invoice", &id, invoice);
    invoice_items::settle(turn, &id);
    if !subscription.is_empty() {
        turn.edit("subscription", &subscription, |subscription| {
            subscription["latest_invoice"] = id.as_str().into();
        });
    }
    turn.event("invoice.created", &id);
    id
}

fn create(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let customer = turn.must("customer", call.text("customer"), "customer")?;
    let lines = match text(&given["pending_invoice_items_behavior"]) {
        "include" => invoice_items::take(turn, &customer["id"], None),
        _ => Vec::new(),
    };
    let subscription = match some(&given["subscription"]) {
        Some(subscription) => turn.must("subscription", subscription, "subscription")?,
        None => Value::Null,
    };
    let period = (turn.now, turn.now);
    let draft = Draft { customer: &customer, subscription: &subscription, lines, reason: "manual", period };
    let id = make(turn, draft);
    let finalizes = is(&given["auto_advance"]).then_some(turn.now + 3_600);
    turn.edit("invoice", &id, |invoice| {
        invoice["auto_advance"] = is(&given["auto_advance"]).into();
        invoice["automatically_finalizes_at"] = finalizes.into();
        if let Some(currency) = some(&given["currency"]) {
            invoice["currency"] = currency.into();
        }
        copy(
            invoice,
            given,
            &["collection_method", "default_payment_method", "description", "due_date", "footer"],
        );
        merge_metadata(invoice, given);
    });
    turn.must("invoice", &id, "id")
}

/// Gives an invoice its number and opens it; one of nothing is paid at once.
///
/// # Errors
/// When the tax cannot be told; the invoice remembers.
pub(super) fn finalize(turn: &mut Turn<'_>, id: &str) -> Outcome<()> {
    let mut invoice = turn.of("invoice", &id.into());
    let customer = turn.of("customer", &invoice["customer"]);
    lines::sum_up(turn, &mut invoice, &customer);
    if is(&invoice["automatic_tax"]["enabled"]) && !tax::is_located(&customer) {
        let mut error = tax::no_location();
        error.keeps = true;
        invoice["last_finalization_error"] = error.error.clone();
        invoice["automatically_finalizes_at"] = Value::Null;
        turn.put(&invoice);
        turn.event("invoice.finalization_failed", id);
        return Err(error);
    }
    let number = int(&customer["next_invoice_sequence"]);
    let ending = int(&invoice["_ending_balance"]);
    invoice["number"] = format!("{}-{number:04}", text(&customer["invoice_prefix"])).into();
    invoice["status"] = "open".into();
    invoice["ending_balance"] = ending.into();
    invoice["effective_at"] = turn.now.into();
    invoice["automatically_finalizes_at"] = Value::Null;
    invoice["last_finalization_error"] = Value::Null;
    invoice["status_transitions"]["finalized_at"] = turn.now.into();
    invoice["hosted_invoice_url"] = turn.account.page(&format!("/invoice/{id}")).into();
    invoice["invoice_pdf"] = turn.account.page(&format!("/invoice/{id}/pdf")).into();
    if invoice["collection_method"] == "send_invoice" && invoice["due_date"].is_null() {
        let subscription = turn.of("subscription", &subscription_of(&invoice).into());
        let days = subscription["days_until_due"].as_i64().unwrap_or(30);
        invoice["due_date"] = (turn.now + days * 86_400).into();
    }
    turn.put(&invoice);
    let customer_id = text(&customer["id"]).to_owned();
    let balance_changes = int(&customer["balance"]) != ending;
    turn.edit("customer", &customer_id, |customer| {
        customer["next_invoice_sequence"] = (number + 1).into();
        customer["balance"] = ending.into();
    });
    if balance_changes {
        turn.event("customer.updated", &customer_id);
    }
    let due = int(&invoice["amount_due"]);
    if due > 0 {
        open_payment(turn, id, &invoice, due);
    }
    turn.event("invoice.finalized", id);
    if due == 0 {
        payments::paid(turn, id, None);
    }
    Ok(())
}

/// Every open invoice has a payment that waits for somebody to confirm it.
fn open_payment(turn: &mut Turn<'_>, id: &str, invoice: &Value, due: i64) {
    let subscription = turn.of("subscription", &subscription_of(invoice).into());
    let save = !subscription.is_null();
    let customer = turn.of("customer", &invoice["customer"]);
    let method = methods::default_of(turn, &customer, &subscription);
    let what = if invoice["billing_reason"] == "subscription_create" {
        "Subscription creation"
    } else if save {
        "Subscription update"
    } else {
        "Payment for Invoice"
    };
    let intent = intents::make(
        turn,
        &json!({
            "amount": due, "currency": invoice["currency"], "customer": invoice["customer"], "description": what,
            "automatic_payment_methods": null, "payment_method": method.as_ref().map(|method| method["id"].clone()),
            "setup_future_usage": if save { json!("off_session") } else { Value::Null },
            "status": if method.is_some() { "requires_confirmation" } else { "requires_payment_method" },
            "payment_method_types": ["card", "sepa_debit", "ideal", "bancontact"], "_invoice": id,
        }),
    );
    turn.make(
        "invoice_payment",
        "inpay_1",
        json!({
            "amount_paid": null, "amount_requested": due, "currency": invoice["currency"], "invoice": id,
            "is_default": true, "payment": { "payment_intent": intent["id"], "type": "payment_intent" },
            "status": "open", "status_transitions": { "canceled_at": null, "paid_at": null },
        }),
    );
}

/// The open payment of an invoice.
pub(super) fn payment_of(turn: &Turn<'_>, id: &str) -> Option<Value> {
    turn.all("invoice_payment").into_iter().rev().find(|payment| payment["invoice"] == id).cloned()
}

/// Takes an invoice back.
pub(super) fn void(turn: &mut Turn<'_>, id: &str) {
    let invoice = turn.of("invoice", &id.into());
    let now = turn.now;
    turn.edit("invoice", id, |invoice| {
        invoice["status"] = "void".into();
        invoice["auto_advance"] = false.into();
        invoice["next_payment_attempt"] = Value::Null;
        invoice["status_transitions"]["voided_at"] = now.into();
    });
    let given_back = int(&invoice["starting_balance"]) - int(&invoice["ending_balance"]);
    if given_back != 0 {
        let customer = text(&invoice["customer"]);
        turn.edit("customer", customer, |customer| {
            customer["balance"] = (int(&customer["balance"]) + given_back).into();
        });
        turn.event("customer.updated", customer);
    }
    if let Some(payment) = payment_of(turn, id) {
        let intent = text(&payment["payment"]["payment_intent"]).to_owned();
        let status =
            text(&turn.of("payment_intent", &payment["payment"]["payment_intent"])["status"]).to_owned();
        if !matches!(status.as_str(), "succeeded" | "canceled" | "processing") {
            intents::cancel(turn, &intent, "void_invoice".into());
        }
        turn.edit("invoice_payment", text(&payment["id"]), |payment| {
            payment["status"] = "canceled".into();
            payment["status_transitions"]["canceled_at"] = now.into();
        });
    }
    turn.event("invoice.voided", id);
}

/// When a draft opens itself, a payment is tried again, or somebody is late to pay.
pub(super) fn due(invoice: &Value) -> Option<i64> {
    match text(&invoice["status"]) {
        "draft" => invoice["automatically_finalizes_at"].as_i64(),
        "open" => {
            let late = invoice["due_date"].as_i64().filter(|_| !is(&invoice["_overdue"]));
            [invoice["next_payment_attempt"].as_i64(), late].into_iter().flatten().min()
        }
        _ => None,
    }
}

pub(super) fn fall_due(turn: &mut Turn<'_>, id: &str) {
    let invoice = turn.of("invoice", &id.into());
    if invoice["status"] == "draft" {
        let open = finalize(turn, id).is_ok() && turn.of("invoice", &id.into())["status"] == "open";
        if open && invoice["collection_method"] == "charge_automatically" && is(&invoice["auto_advance"]) {
            payments::collect(turn, id, None);
        }
        return;
    }
    if invoice["next_payment_attempt"].as_i64() == Some(turn.now) {
        payments::collect(turn, id, None);
        return;
    }
    turn.edit("invoice", id, |invoice| invoice["_overdue"] = true.into());
    turn.event("invoice.overdue", id);
}
