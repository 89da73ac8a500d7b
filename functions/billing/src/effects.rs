//! What follows from a call of Stripe, for the things it was made for; and how its object is found when the answer was lost.

use domain::billing::{Account, Product, SlotTrigger, StripeOp, Subscription};
use domain::{QuoteId, StripeOpId};
use platform::store::{Index, Stored, Write};
use platform::stripe::checkout::{Session, SessionFilter};
use platform::stripe::customer::CustomerFilter;
use platform::stripe::refund::{CreditNoteFilter, RefundFilter};
use platform::stripe::subscription::SubscriptionFilter;
use platform::{Error, Result};
use serde_json::{Value, json};

use crate::calls::{Action, Calls, MARK, Next, Recorded};
use crate::customer;
use crate::store::keys;

/// The writes that follow from a call that succeeded.
///
/// # Errors
/// `unavailable`, `internal`.
pub(crate) async fn follow(calls: &Calls<'_>, op: &StripeOp, object: &Value) -> Result<Vec<Write>> {
    match Action::named(&op.action) {
        Some(Action::Customer) => {
            let customer =
                object["id"].as_str().ok_or_else(|| Error::internal("a customer without an id"))?;
            let account = calls.billing.account().await?;
            let mut changed = account.value.clone();
            changed.stripe_customer = Some(customer.to_owned());
            let write = Write::replace(&account, &changed);
            let mut writes = vec![write.index(Index::Gsi1, keys::by_stripe(customer), "ACCOUNT")];
            // Whoever changed the account while its customer was being made found no customer to change.
            writes.extend(corrected(calls, op, &account, customer)?);
            Ok(writes)
        }
        Some(Action::CustomerUpdate) => {
            // Of two updates at once, the older may have come last.
            let account = calls.billing.account().await?;
            let Some(customer) = &account.stripe_customer else { return Ok(Vec::new()) };
            Ok(corrected(calls, op, &account, customer)?.into_iter().collect())
        }
        Some(Action::Change | Action::SchedulePhases) => changed(calls, op).await,
        Some(Action::Checkout) => {
            let session: Session = serde_json::from_value(object.clone()).map_err(Error::caused)?;
            let trigger = SlotTrigger::Opened {
                url: session.url.clone().unwrap_or_default(),
                valid_until: session.expires_at,
                session: session.id,
            };
            slot(calls, op, &trigger).await
        }
        Some(Action::Refund) => released(calls, op).await,
        Some(Action::Schedule) => {
            let Some(next) = recorded(op)?.then else { return changed(calls, op).await };
            let id = object["id"].as_str().ok_or_else(|| Error::internal("a schedule without an id"))?;
            let next = Next { path: next.path.replace("{id}", id), ..next };
            Ok(vec![calls.planned(&op.entity, next)?])
        }
        // What became of the subscription or the invoice is looked at.
        Some(_) | None => Ok(Vec::new()),
    }
}

/// The writes that follow from a call that failed for good.
///
/// # Errors
/// `unavailable`, `internal`.
pub(crate) async fn give_up(calls: &Calls<'_>, op: &StripeOp) -> Result<Vec<Write>> {
    match Action::named(&op.action) {
        Some(Action::Checkout) => slot(calls, op, &SlotTrigger::OpenFailed).await,
        Some(Action::Refund) => released(calls, op).await,
        Some(Action::Change | Action::Schedule | Action::SchedulePhases) => changed(calls, op).await,
        _ => Ok(Vec::new()),
    }
}

/// The call that brings a customer up to date once more, if its account is not what the last one said.
fn corrected(
    calls: &Calls<'_>,
    op: &StripeOp,
    account: &Stored<Account>,
    customer: &str,
) -> Result<Option<Write>> {
    let Some(next) = customer::differing(account, &recorded(op)?.form, customer)? else { return Ok(None) };
    let entity = format!("{}:{}", account.version, calls.origin.id::<StripeOpId>());
    calls.planned(&entity, next).map(Some)
}

/// A quote's change is made, or given up: others can be decided.
async fn changed(calls: &Calls<'_>, op: &StripeOp) -> Result<Vec<Write>> {
    let Ok(id) = op.entity.parse::<QuoteId>() else { return Ok(Vec::new()) };
    let all = calls.billing.subscriptions().await?;
    let over = all.iter().filter(|stored| stored.changing == Some(id)).map(|stored| {
        let over = Subscription { changing: None, ..stored.value.clone() };
        Write::replace(stored, &over)
    });
    Ok(over.collect())
}

/// What was kept for a refund is free again: it has gone back, or does not.
async fn released(calls: &Calls<'_>, op: &StripeOp) -> Result<Vec<Write>> {
    let Some((charge, reference)) = op.entity.split_once(':') else { return Ok(Vec::new()) };
    let Some(stored) = calls.billing.charge(charge).await? else { return Ok(Vec::new()) };
    let fetched = calls.stripe.charges().get(charge, &[]).await?;
    let next = stored.release(reference).refunded(fetched.amount_refunded);
    Ok(vec![calls.billing.charged(Some(&stored), &next)])
}

async fn slot(calls: &Calls<'_>, op: &StripeOp, trigger: &SlotTrigger) -> Result<Vec<Write>> {
    let Some((product, attempt)) = checkout_of(&op.entity) else { return Ok(Vec::new()) };
    let Some(stored) = calls.billing.slot(product).await?.filter(|slot| slot.attempt == attempt) else {
        return Ok(Vec::new());
    };
    let transition = stored.step(trigger, calls.origin.now);
    Ok(calls.billing.stepped(&stored, &transition, calls.origin).into_iter().collect())
}

/// The entity of the call that opens a checkout.
#[must_use]
pub(crate) fn checkout_entity(product: Product, attempt: u32) -> String {
    format!("{product}:{attempt}")
}

fn checkout_of(entity: &str) -> Option<(Product, u32)> {
    let (product, attempt) = entity.split_once(':')?;
    Some((product.parse().ok()?, attempt.parse().ok()?))
}

/// The object that an earlier try of a call made, if it did.
///
/// # Errors
/// What Stripe refuses.
pub(crate) async fn look_up(calls: &Calls<'_>, op: &StripeOp) -> Result<Option<Value>> {
    let Recorded { path, form, .. } = recorded(op)?;
    let mark = form["metadata"][MARK].as_str().unwrap_or_default();
    let text = |name: &str| form[name].as_str().map(str::to_owned);
    let found = match Action::named(&op.action) {
        Some(Action::Customer) => {
            let filter = CustomerFilter { email: text("email"), ..CustomerFilter::default() };
            calls.stripe.all::<Marked>(&path, &filter).await?
        }
        Some(Action::Checkout) => {
            let filter = SessionFilter { customer: text("customer"), ..SessionFilter::default() };
            calls.stripe.all::<Marked>(&path, &filter).await?
        }
        Some(Action::RefundDouble) => {
            let filter = RefundFilter { payment_intent: text("payment_intent"), ..RefundFilter::default() };
            calls.stripe.all::<Marked>(&path, &filter).await?
        }
        Some(Action::Refund) => {
            let filter = CreditNoteFilter { invoice: text("invoice"), ..CreditNoteFilter::default() };
            calls.stripe.all::<Marked>(&path, &filter).await?
        }
        Some(Action::Subscribe) => {
            let filter = SubscriptionFilter { customer: text("customer"), ..SubscriptionFilter::default() };
            calls.stripe.all::<Marked>(&path, &filter).await?
        }
        // A subscription has one, and a second is refused.
        Some(Action::Schedule) => {
            let subscription = form["from_subscription"].as_str().unwrap_or_default();
            let fetched = calls.stripe.subscriptions().get(subscription, &[]).await?;
            return Ok(fetched.schedule.map(|schedule| json!({"id": schedule.id()})));
        }
        // Said twice, these say the same.
        Some(_) | None => return Ok(None),
    };
    Ok(found.into_iter().find(|object| object.0["metadata"][MARK] == mark).map(|object| object.0))
}

/// Whether a call that was stored says what is no longer so: whoever made it so has said that too.
///
/// # Errors
/// `unavailable`, `internal`.
pub(crate) async fn is_overtaken(calls: &Calls<'_>, op: &StripeOp) -> Result<bool> {
    if Action::named(&op.action) != Some(Action::CustomerUpdate) {
        return Ok(false);
    }
    let account = calls.billing.account().await?;
    let customer = account.stripe_customer.clone().unwrap_or_default();
    Ok(customer::differing(&account, &recorded(op)?.form, &customer)?.is_some())
}

fn recorded(op: &StripeOp) -> Result<Recorded> {
    serde_json::from_value(op.params.clone()).map_err(Error::caused)
}

/// Any object of Stripe's that carries our mark.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Marked(Value);

impl platform::stripe::Identified for Marked {
    fn id(&self) -> &str {
        self.0["id"].as_str().unwrap_or_default()
    }
}
