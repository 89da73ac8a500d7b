//! Money that goes back: asked for by staff, or because a bank warned of fraud.

use domain::Refusal;
use domain::billing::{Charge, OpState, Refund, StripeOp};
use platform::store::Stored;
use platform::{Error, Result};
use serde_json::json;

use crate::calls::{Action, Calls, Wanted, metadata};
use crate::project;

/// Why money goes back, in Stripe's words for credit notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was paid twice.
    Duplicate,
    /// The payer was not who they said.
    Fraudulent,
    /// What was ordered changed.
    OrderChange,
    /// It was not what was promised.
    ProductUnsatisfactory,
}

/// Gives a part of a charge back, or all that is left of it, with a credit note for its invoice. The same `reference` again is
/// the same refund.
///
/// # Errors
/// `over_refund`, `disputed`; `reference_used` (409) for another amount under a known reference; what Stripe refuses.
pub async fn give_back(
    calls: &Calls<'_>,
    charge: &Stored<Charge>,
    minor: Option<i64>,
    reason: Reason,
    reference: &str,
) -> Result<Stored<Refund>> {
    let entity = format!("{}:{reference}", charge.id);
    let known = calls.billing.op(Action::Refund.as_str(), &entity).await?;
    let known = known.filter(|known| known.state != OpState::Failed);
    let differs =
        |known: &Stored<StripeOp>| minor.is_some_and(|minor| known.params["form"]["amount"] != minor);
    if known.as_ref().is_some_and(differs) {
        let message = "This reference stands for a refund of another amount.";
        return Err(Refusal::conflict("reference_used", message).into());
    }
    let note = match calls.join(Action::Refund, &entity).await? {
        Some(note) => note,
        None => {
            // Where nothing is left, even the least is too much.
            let minor = minor.unwrap_or_else(|| charge.left().max(1));
            let reserved = charge.refund(reference, minor)?;
            let pairs = [("org", charge.org.to_string()), ("reference", reference.to_owned())];
            let form = json!({
                "invoice": charge.invoice, "amount": minor, "refund_amount": minor, "reason": reason,
                "metadata": metadata(&pairs),
            });
            let wanted = Wanted::new(Action::Refund, entity, "/v1/credit_notes", &form)?;
            calls.make(wanted, vec![calls.billing.charged(Some(charge), &reserved)]).await?
        }
    };
    let id = note["id"].as_str().unwrap_or_default();
    let note = calls.stripe.credit_notes().get(id).await?;
    let refund = note.refunds.iter().find_map(|refund| refund.refund.as_ref());
    let refund = refund.ok_or_else(|| Error::internal(format!("credit note {id} gave nothing back")))?;
    project::charges::refund(calls, refund.id()).await
}
