//! Checkouts: a session at Stripe for a product, one at a time.

use domain::Refusal;
use domain::StripeOpId;
use domain::billing::checkout::SESSION_LASTS;
use domain::billing::{CheckoutSlot, PriceRef, SlotState, SlotTrigger, Wanted as Purchase, Wish, catalog};
use platform::store::{Stored, again};
use platform::stripe::checkout::{CustomerUpdate, LineItem, Mode, NewSession, SubscriptionData};
use platform::stripe::{Enabled, StripeErrorKind};
use platform::{Error, Result};

use crate::calls::{Action, Calls, Wanted, metadata};
use crate::effects::checkout_entity;
use crate::{customer, meters, prices, project};

/// Opens a checkout, or finds the one that is open.
///
/// # Errors
/// 422 `/price`; 409 `already_subscribed`, `checkout_completing`, `checkout_opening`, `account_not_ready`, `currency_fixed`; what Stripe refuses.
pub async fn open(
    calls: &Calls<'_>,
    price: &str,
    quantity: u64,
    app_url: &str,
) -> Result<Stored<CheckoutSlot>> {
    let unknown = || Refusal::invalid("/price", "expected the lookup key of a price; see GET /v1/plans");
    let wanted = catalog().price(price).ok_or_else(unknown)?;
    calls.billing.account().await?.ensure_pays_in(wanted.price.currency)?;
    let customer = customer::customer(calls).await?;
    let mut lines = vec![prices::price(calls.app, &calls.stripe, wanted).await?];
    lines.extend(meters::prices(calls.app, &calls.stripe, wanted).await?.into_iter().map(|(_, price)| price));
    let (billing, now) = (&calls.billing, calls.origin.now);

    again(async || {
        // First the slot: one that is done by now has its subscription in what is read next.
        let stored = billing.slot(wanted.product).await?;
        let subscription = billing.standings(wanted.product).await?.subscription;
        let subscribed = subscription.is_some_and(|subscription| subscription.is_live());
        let slot = stored.as_ref().map_or_else(
            || CheckoutSlot::free(billing.org(), wanted.product, now),
            |stored| stored.value.clone(),
        );
        let purchase = Purchase { price: price.to_owned(), quantity, subscribed };
        match slot.want(&purchase, now)? {
            Wish::Open(opening) => {
                let session = session(calls, wanted, &opening, &customer, &lines, app_url);
                let entity = checkout_entity(wanted.product, opening.attempt);
                let call = Wanted::new(Action::Checkout, entity, "/v1/checkout/sessions", &session)?;
                calls.make(call, vec![billing.opened(stored.as_ref(), &opening)]).await?;
            }
            Wish::Join => {
                let entity = checkout_entity(wanted.product, slot.attempt);
                calls.join(Action::Checkout, &entity).await?;
            }
            Wish::Reuse => {}
            Wish::Supersede => {
                let stored = stored.ok_or(Error::Conflict)?;
                close(calls, &stored).await?;
                return Err(Error::Conflict);
            }
        }
        // What became of it, whoever of those who wanted it was the one to store that.
        let slot = billing.slot(wanted.product).await?.ok_or(Error::Conflict)?;
        let is_wanted = slot.price.as_deref() == Some(price) && slot.quantity == quantity;
        if slot.state != SlotState::Open || !is_wanted {
            return Err(Error::Conflict);
        }
        // A subscription that was begun in this moment did not know of the page.
        let begun = billing.standings(wanted.product).await?.subscription;
        if !subscribed && begun.is_some_and(|begun| begun.is_live()) {
            close(calls, &slot).await?;
            return Err(Error::Conflict);
        }
        Ok(slot)
    })
    .await
}

/// Closes an open session, and stores what came of that: whoever was paying in this moment has bought.
///
/// # Errors
/// What Stripe refuses; `version_conflict` when another write came between.
pub async fn close(calls: &Calls<'_>, stored: &Stored<CheckoutSlot>) -> Result<()> {
    let Some(session) = stored.session.clone() else { return Ok(()) };
    // A key for each try: Stripe keeps a failure of its own under a key, and said twice it says the same.
    let key = format!("expire:{session}:{}", calls.origin.id::<StripeOpId>());
    match calls.stripe.checkout().expire(&session, &key).await {
        Ok(_) => {
            let trigger = SlotTrigger::Superseded { session };
            let transition = stored.step(&trigger, calls.origin.now);
            calls.billing.write(calls.billing.stepped(stored, &transition, calls.origin)).await
        }
        // It is no longer open: Stripe tells what it is.
        Err(error) if matches!(error.kind, StripeErrorKind::Invalid { .. }) => {
            project::checkout::look(calls, stored.product).await.map(drop)
        }
        Err(error) => Err(error.into()),
    }
}

fn session(
    calls: &Calls<'_>,
    wanted: PriceRef<'_>,
    slot: &CheckoutSlot,
    customer: &str,
    lines: &[String],
    app_url: &str,
) -> NewSession {
    let owner = metadata(&[("org", slot.org.to_string()), ("product", slot.product.to_string())]);
    NewSession {
        mode: Some(Mode::Subscription),
        customer: Some(customer.to_owned()),
        client_reference_id: Some(slot.org.to_string()),
        line_items: (0..)
            .zip(lines)
            .map(|(at, price)| LineItem {
                price: Some(price.clone()),
                // The plan's price is the first; what is used of all others shows later.
                quantity: i64::try_from(slot.quantity).ok().filter(|_| at == 0),
            })
            .collect(),
        // Stripe puts the session's id into the braces.
        success_url: Some(format!("{app_url}/billing/return?checkout={{CHECKOUT_SESSION_ID}}")),
        cancel_url: Some(format!("{app_url}/billing?canceled={}", wanted.product)),
        // Stripe counts whole seconds, from a clock of its own.
        expires_at: Some(calls.origin.now + SESSION_LASTS),
        subscription_data: Some(SubscriptionData { metadata: owner.clone(), ..SubscriptionData::default() }),
        automatic_tax: Some(Enabled::YES),
        tax_id_collection: Some(Enabled::YES),
        customer_update: Some(CustomerUpdate {
            address: Some("auto".to_owned()),
            name: Some("auto".to_owned()),
        }),
        metadata: owner,
        ..NewSession::default()
    }
}
