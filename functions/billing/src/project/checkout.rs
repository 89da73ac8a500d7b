//! Checkout sessions: what became of the one that a slot holds.

use domain::billing::{CheckoutSlot, Product, SlotState, SlotTrigger};
use platform::store::{Stored, again};
use platform::stripe::checkout::{Session, SessionStatus};
use platform::{Error, Result};

use super::subscription;
use crate::calls::Calls;

/// Asks Stripe what became of a slot's session, and stores that; a subscription that was bought is stored too.
///
/// # Errors
/// `not_found` if there is no slot; what Stripe refuses.
pub async fn look(calls: &Calls<'_>, product: Product) -> Result<Stored<CheckoutSlot>> {
    let mut bought = None;
    again(async || {
        let stored = calls.billing.slot(product).await?.ok_or(Error::NotFound)?;
        let Some(id) = stored.session.clone() else { return Ok(()) };
        let session = calls.stripe.checkout().get(&id, &[]).await?;
        bought = paid_for(&session);
        step(calls, &stored, &session).await
    })
    .await?;
    if let Some(stripe_id) = bought {
        subscription::look(calls, product, &stripe_id).await?;
    }
    calls.billing.slot(product).await?.ok_or(Error::NotFound)
}

/// Stores what an event told of a session that its slot may not know yet.
///
/// # Errors
/// What Stripe refuses.
pub async fn told(calls: &Calls<'_>, product: Product, session: &Session) -> Result<()> {
    again(async || match calls.billing.slot(product).await? {
        Some(stored) => step(calls, &stored, session).await,
        None => Ok(()),
    })
    .await?;
    match paid_for(session) {
        Some(stripe_id) => subscription::look(calls, product, &stripe_id).await,
        None => Ok(()),
    }
}

async fn step(calls: &Calls<'_>, stored: &Stored<CheckoutSlot>, session: &Session) -> Result<()> {
    let id = session.id.clone();
    let trigger = match session.status {
        Some(SessionStatus::Complete) => SlotTrigger::Completed { session: id },
        // The next wish opens another one; until then the slot shows why this one is gone.
        Some(SessionStatus::Expired) if stored.state == SlotState::Open => {
            SlotTrigger::Expired { session: id }
        }
        _ => SlotTrigger::Unchanged,
    };
    let transition = stored.step(&trigger, calls.origin.now);
    calls.billing.write(calls.billing.stepped(stored, &transition, calls.origin)).await
}

/// The subscription that a finished session began.
fn paid_for(session: &Session) -> Option<String> {
    let is_complete = session.status == Some(SessionStatus::Complete);
    session.subscription.as_ref().filter(|_| is_complete).map(|subscription| subscription.id().to_owned())
}
