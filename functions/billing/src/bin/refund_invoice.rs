//! `POST /v1/admin/invoices/{invoice}/refunds`: staff give back what was paid for an invoice, or a part of it, with a credit note.

use billing::calls::Calls;
use billing::refunds::{Reason, give_back};
use billing::{BillingOfAll, project};
use domain::Refusal;
use domain::billing::Refund;
use platform::auth::Operator;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// What goes back, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// How much, in the currency's smallest unit; all that is left of the payment unless told.
    #[serde(default)]
    #[schemars(range(min = 1))]
    amount: Option<i64>,
    /// Why.
    reason: Reason,
    /// Chosen by who asks, such as a ticket's number: the same one again is the same refund.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    reference: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(30, MINUTE)]).serve(refund_invoice)
}

async fn refund_invoice(app: App, call: Call<Operator, Wanted>) -> Result<Reply<Refund, 201>> {
    let Wanted { amount, reason, reference } = &call.body;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if !(1..=64).contains(&reference.len()) || !reference.chars().all(plain) {
        let message = "expected 1 to 64 letters, digits, dots, hyphens or underscores";
        return Err(Refusal::invalid("/reference", message).into());
    }
    let all = BillingOfAll::of(&app);
    let id = call.path("invoice");
    let billing = all.one(all.invoiced_to(id).await?);
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    project::invoice::look(&calls, id).await?;
    let charges = calls.billing.charges_of(id).await?;
    let charge = charges.iter().max_by_key(|charge| charge.amount.minor).ok_or_else(nothing_paid)?;
    project::charges::look(&calls, &charge.id).await?;
    let charge = calls.billing.charge(&charge.id).await?.ok_or(Error::NotFound)?;
    let refund = give_back(&calls, &charge, *amount, *reason, reference).await?;
    Ok(Reply::created(refund.value))
}

fn nothing_paid() -> Refusal {
    Refusal::conflict("nothing_paid", "Nothing was paid for this invoice that could go back.")
}
