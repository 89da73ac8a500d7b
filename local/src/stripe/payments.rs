//! Paying invoices: by themselves, by hand, and what follows of each attempt.

use serde_json::{Value, json};

use super::cards::Attempt;
use super::error::{Outcome, StripeError};
use super::invoices::{payment_of, subscription_of};
use super::routes::Call;
use super::turn::Turn;
use super::value::{int, is, public, some, text};
use super::{checkout, intents, methods, renewals};

/// Seconds until a payment that failed is tried again: after the first, the second and the third time.
const RETRIES: [i64; 3] = [3 * 86_400, 5 * 86_400, 7 * 86_400];

/// `POST /v1/invoices/{id}/pay`.
pub(super) fn pay(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let invoice = turn.must("invoice", call.id(), "id")?;
    match text(&invoice["status"]) {
        "paid" => {
            return Err(StripeError::invalid("invoice_already_paid", "", "Invoice is already paid"));
        }
        "draft" => super::invoices::finalize(turn, call.id())?,
        "open" | "uncollectible" => {}
        _ => {
            return Err(StripeError::invalid("invoice_not_editable", "", "Invoice is no longer editable"));
        }
    }
    if is(&call.given["paid_out_of_band"]) {
        paid(turn, call.id(), None);
        return turn.must("invoice", call.id(), "id");
    }
    if turn.of("invoice", &call.id().into())["status"] == "paid" {
        return turn.must("invoice", call.id(), "id");
    }
    let method = match some(&call.given["payment_method"]) {
        Some(method) => {
            let method = methods::resolve(turn, method, "payment_method")?;
            if method["customer"].is_null() {
                Some(methods::attach(turn, text(&method["id"]), text(&invoice["customer"]))?)
            } else {
                Some(method)
            }
        }
        None => None,
    };
    let attempt = collect(turn, call.id(), method);
    told(turn, call.id(), attempt)
}

/// The invoice after an attempt; a decline is an error, as the API tells it.
fn told(turn: &Turn<'_>, id: &str, attempt: Option<Attempt>) -> Outcome<Value> {
    let intent =
        payment_of(turn, id).map(|payment| turn.of("payment_intent", &payment["payment"]["payment_intent"]));
    let with_intent = |error: StripeError| match &intent {
        Some(intent) => error.with("payment_intent", public(intent)),
        None => error,
    };
    match attempt {
        None => Err(no_method()),
        Some(Attempt::Declined(code, decline_code, message)) => {
            Err(with_intent(StripeError::declined(code, decline_code, message)))
        }
        Some(Attempt::Confirm) => {
            let message = "Payment for this invoice requires additional user action before it can be completed successfully. Payment can be completed using the PaymentIntent associated with the invoice. For more details see: https://stripe.com/docs/billing/subscriptions/overview#requires-action";
            let error = StripeError::declined("invoice_payment_intent_requires_action", "", message);
            Err(with_intent(error))
        }
        Some(Attempt::Paid | Attempt::Coming { .. }) => turn.must("invoice", id, "id"),
    }
}

/// Refuses to charge somebody who left nothing to charge.
pub(super) fn no_method() -> StripeError {
    let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.";
    let mut error = StripeError::invalid("resource_missing", "", message);
    error.keeps = true;
    error
}

/// Charges an open invoice without the payer; none when there is nothing to charge.
pub(super) fn collect(turn: &mut Turn<'_>, id: &str, method: Option<Value>) -> Option<Attempt> {
    let invoice = turn.of("invoice", &id.into());
    let payment = payment_of(turn, id)?;
    let intent_id = text(&payment["payment"]["payment_intent"]).to_owned();
    let intent = turn.of("payment_intent", &payment["payment"]["payment_intent"]);
    if intent["status"] == "processing" {
        turn.edit("invoice", id, |invoice| invoice["next_payment_attempt"] = Value::Null);
        return Some(Attempt::Coming { fails: false });
    }
    let subscription = turn.of("subscription", &subscription_of(&invoice).into());
    let customer = turn.of("customer", &invoice["customer"]);
    let own = some(&invoice["default_payment_method"]).and_then(|id| turn.get("payment_method", id).cloned());
    let method = method.or(own).or_else(|| methods::default_of(turn, &customer, &subscription));
    let Some(method) = method else {
        failed(turn, id, true);
        return None;
    };
    turn.edit("payment_intent", &intent_id, |intent| intent["_automatic"] = true.into());
    let attempt = intents::attempt(turn, &intent_id, &method, false);
    turn.edit("payment_intent", &intent_id, |intent| intent["_automatic"] = false.into());
    Some(attempt)
}

/// What an attempt to pay means for the invoice it was for.
pub(super) fn follow(turn: &mut Turn<'_>, intent_id: &str, attempt: &Attempt) {
    let intent = turn.of("payment_intent", &intent_id.into());
    let Some(id) = some(&intent["_invoice"]).map(str::to_owned) else { return };
    let invoice = turn.of("invoice", &id.as_str().into());
    if !matches!(text(&invoice["status"]), "open" | "uncollectible") {
        return;
    }
    let automatic = is(&intent["_automatic"]);
    match attempt {
        Attempt::Paid => paid(turn, &id, Some(&intent)),
        Attempt::Coming { .. } => {
            turn.edit("invoice", &id, |invoice| {
                invoice["attempted"] = true.into();
                invoice["attempt_count"] = (int(&invoice["attempt_count"]) + 1).into();
                invoice["next_payment_attempt"] = Value::Null;
            });
            renewals::payment_comes(turn, &id, &intent);
            checkout::payment_comes(turn, &id);
        }
        Attempt::Confirm => {
            if automatic {
                failed(turn, &id, true);
            }
            turn.event("invoice.payment_action_required", &id);
        }
        Attempt::Declined(..) => {
            // A debit that comes back was once taken for good, so it is tried again by itself.
            let came_back = intent["_settles_at"].is_i64();
            failed(turn, &id, automatic || came_back);
            if came_back {
                checkout::payment_failed(turn, &id);
            }
        }
    }
}

/// An attempt has failed: when the next one is, and what that means for the subscription.
fn failed(turn: &mut Turn<'_>, id: &str, automatic: bool) {
    let invoice = turn.of("invoice", &id.into());
    let first = invoice["billing_reason"] == "subscription_create"
        && turn.of("subscription", &subscription_of(&invoice).into())["status"] == "incomplete";
    let pending = renewals::is_pending(turn, &invoice);
    let mut last = false;
    let now = turn.now;
    turn.edit("invoice", id, |invoice| {
        let count = int(&invoice["attempt_count"]);
        if automatic || count == 0 {
            invoice["attempt_count"] = (count + 1).into();
        }
        invoice["attempted"] = true.into();
        if automatic && !first && !pending && invoice["collection_method"] == "charge_automatically" {
            let pause = usize::try_from(count).ok().and_then(|count| RETRIES.get(count));
            invoice["next_payment_attempt"] = pause.map(|pause| now + pause).into();
            last = pause.is_none();
        }
    });
    turn.event("invoice.payment_failed", id);
    let customer = text(&invoice["customer"]).to_owned();
    if !pending && !first && !is(&turn.of("customer", &invoice["customer"])["delinquent"]) {
        turn.edit("customer", &customer, |customer| customer["delinquent"] = true.into());
        turn.event("customer.updated", &customer);
    }
    renewals::payment_failed(turn, id, last);
}

/// An invoice is paid: by a payment, from the balance, or as somebody says.
pub(super) fn paid(turn: &mut Turn<'_>, id: &str, intent: Option<&Value>) {
    let now = turn.now;
    let due = int(&turn.of("invoice", &id.into())["amount_due"]);
    turn.edit("invoice", id, |invoice| {
        invoice["status"] = "paid".into();
        invoice["amount_paid"] = if intent.is_some() { due } else { 0 }.into();
        invoice["amount_remaining"] = 0.into();
        invoice["attempted"] = true.into();
        if intent.is_some() && int(&invoice["attempt_count"]) == 0 {
            invoice["attempt_count"] = 1.into();
        }
        invoice["auto_advance"] = false.into();
        invoice["next_payment_attempt"] = Value::Null;
        invoice["status_transitions"]["paid_at"] = now.into();
    });
    if let Some(payment) = payment_of(turn, id) {
        let payment_id = text(&payment["id"]).to_owned();
        match intent {
            Some(_) => {
                turn.edit("invoice_payment", &payment_id, |payment| {
                    payment["status"] = "paid".into();
                    payment["amount_paid"] = due.into();
                    payment["status_transitions"]["paid_at"] = now.into();
                });
                turn.event("invoice_payment.paid", &payment_id);
            }
            None => {
                let open = text(&payment["payment"]["payment_intent"]).to_owned();
                intents::cancel(turn, &open, "automatic".into());
                turn.edit("invoice_payment", &payment_id, |payment| payment["status"] = "canceled".into());
            }
        }
    }
    turn.event("invoice.paid", id);
    turn.event("invoice.payment_succeeded", id);
    let invoice = turn.of("invoice", &id.into());
    let customer = text(&invoice["customer"]).to_owned();
    let owes = turn.all("invoice").into_iter().any(|other| {
        other["customer"] == customer.as_str() && other["status"] == "open" && is(&other["attempted"])
    });
    if !owes && is(&turn.of("customer", &invoice["customer"])["delinquent"]) {
        turn.edit("customer", &customer, |customer| customer["delinquent"] = false.into());
        turn.event("customer.updated", &customer);
    }
    renewals::invoice_paid(turn, &invoice, intent);
    checkout::invoice_paid(turn, &invoice);
}

/// What an error of paying an invoice is when the whole call shall not have happened.
pub(super) fn as_refusal(turn: &Turn<'_>, id: &str, attempt: Option<Attempt>) -> Option<StripeError> {
    told(turn, id, attempt).err().map(StripeError::undone)
}

/// Tells a person at a page why a payment did not go through.
pub(super) fn declined(attempt: &Attempt) -> Value {
    match attempt {
        Attempt::Declined(code, decline_code, message) => {
            StripeError::declined(code, decline_code, message).error
        }
        _ => json!(null),
    }
}
