//! Subscriptions: fetched, stored, and what follows for the trial, the checkout and what may be used.

use domain::billing::subscription::{Observed, Pending, SubscriptionItem, SubscriptionStatus};
use domain::billing::{
    CheckoutSlot, Currency, DunningTrigger, Interval, Product, SlotState, SlotTrigger, Subscription,
    TrialTrigger,
};
use platform::store::{Stored, Write, again};
use platform::stripe::invoice::Invoice;
use platform::stripe::payment::IntentStatus;
use platform::stripe::schedule::ScheduleStatus;
use platform::stripe::subscription::{self as stripe, CancelSubscription};
use platform::{Error, Result};
use serde_json::json;

use crate::calls::{Action, Calls, Wanted};
use crate::prices;
use crate::store::standing::Standings;

/// How the newest invoice of a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payment {
    /// Paid, or nothing to pay.
    Made,
    /// On its way, for days.
    Processing,
    /// It failed, or nobody has tried.
    Open,
}

/// Fetches a subscription and stores it, with what follows from it.
///
/// # Errors
/// What Stripe refuses.
pub async fn look(calls: &Calls<'_>, product: Product, stripe_id: &str) -> Result<()> {
    let converted = again(async || {
        let standings = calls.billing.standings(product).await?;
        let slot = calls.billing.slot(product).await?;
        let fetched = match calls.stripe.subscriptions().get(stripe_id, &["latest_invoice", "schedule"]).await
        {
            Err(error) if error.is_not_found() => return Ok(false),
            other => other?,
        };
        let previous = standings.subscription.as_ref();
        let org = calls.billing.org();
        let planned = planned(calls, &fetched).await?;
        let observed = observed(&fetched, planned)?;
        let projected = Subscription::project(previous.map(|stored| &stored.value), org, product, observed);
        let projection = match projected {
            Err(refusal) if refusal.code == "second_subscription" => {
                // The first may have ended with no word of it: then this one follows it.
                if ended(calls, previous.map(|first| &first.value)).await? {
                    return Err(Error::Conflict);
                }
                // Whoever leaves and comes back in one second has two that are of the same age.
                if calls.billing.had(previous.map(|first| &first.value), &fetched.id).await? {
                    return Ok(false);
                }
                undo_double(calls, &fetched).await?;
                calls.billing.write(settled(calls, slot.as_ref())).await?;
                return Ok(false);
            }
            other => other?,
        };
        let next = projection.next.clone();
        let mut writes = calls.billing.projected(previous, &projection, calls.origin);
        let mut values = standings.values();
        values.subscription = Some(next.clone());

        let trigger = trial_trigger(calls, &standings, &next, &fetched).await?;
        let mut converted = false;
        if let (Some(trial), Some(trigger)) = (&standings.trial, trigger) {
            let transition = trial.step(&trigger, calls.origin.now)?;
            if transition.changes(&trial.value) {
                converted = matches!(trigger, TrialTrigger::Paid { .. });
                writes.push(crate::store::trials::changed(trial, &transition, calls.origin));
                values = values.with_trial(transition.next);
            }
        }
        if !next.is_live() {
            writes.extend(end_dunning(calls, &standings, &mut values));
        }
        writes.extend(settled(calls, slot.as_ref()));
        let writes = calls.billing.entitled(writes, &standings, product, &values, calls.origin);
        calls.billing.write(writes).await.map(|()| converted)
    })
    .await?;
    calls.app.count("TrialsConverted", u64::from(converted));
    Ok(())
}

/// What a subscription that was seen means for its checkout. One that is not known to be finished is asked for itself, so that
/// its end is told.
fn settled(calls: &Calls<'_>, slot: Option<&Stored<CheckoutSlot>>) -> Vec<Write> {
    let Some(slot) = slot.filter(|slot| slot.state == SlotState::Completing) else { return Vec::new() };
    let transition = slot.step(&SlotTrigger::Projected, calls.origin.now);
    calls.billing.stepped(slot, &transition, calls.origin).into_iter().collect()
}

fn end_dunning(
    calls: &Calls<'_>,
    standings: &Standings,
    values: &mut crate::store::standing::Values,
) -> Vec<Write> {
    let mut writes = Vec::new();
    for (stored, value) in standings.dunning.iter().zip(&mut values.dunning) {
        let transition = stored.step(&DunningTrigger::SubscriptionEnded, calls.origin.now);
        if transition.changes(&stored.value) {
            writes.push(calls.billing.dunned(Some(stored), &transition, calls.origin));
            *value = transition.next;
        }
    }
    writes
}

/// What a subscription means for the trial before it.
async fn trial_trigger(
    calls: &Calls<'_>,
    standings: &Standings,
    subscription: &Subscription,
    fetched: &stripe::Subscription,
) -> Result<Option<TrialTrigger>> {
    let Some(trial) = &standings.trial else { return Ok(None) };
    match subscription.first_paid_at {
        Some(paid_at) if subscription.is_live() || paid_at >= trial.started_at => {
            return Ok(Some(TrialTrigger::Paid { plan: subscription.plan.clone() }));
        }
        // What was paid and left before the trial began says nothing of it.
        Some(_) => return Ok(None),
        None => {}
    }
    let invoice = fetched.latest_invoice.as_ref().and_then(|invoice| invoice.object());
    Ok(match (invoice, subscription.is_live()) {
        (_, false) => Some(TrialTrigger::PaymentFailed),
        (Some(invoice), true) => match payment(calls, invoice).await? {
            Payment::Processing => Some(TrialTrigger::CheckoutUnpaid),
            Payment::Open => Some(TrialTrigger::PaymentFailed),
            Payment::Made => None,
        },
        (None, true) => None,
    })
}

async fn payment(calls: &Calls<'_>, invoice: &Invoice) -> Result<Payment> {
    if invoice.status_transitions.paid_at.is_some() {
        return Ok(Payment::Made);
    }
    for payment in calls.stripe.invoices().payments(&invoice.id).await? {
        let Some(intent) = &payment.payment.payment_intent else { continue };
        let intent = calls.stripe.payment_intents().get(intent.id(), &[]).await?;
        if intent.status == IntentStatus::Processing {
            return Ok(Payment::Processing);
        }
    }
    Ok(Payment::Open)
}

/// Whether a subscription that is kept as living has ended at Stripe; its end is stored then.
async fn ended(calls: &Calls<'_>, kept: Option<&Subscription>) -> Result<bool> {
    let Some(kept) = kept else { return Ok(false) };
    let id = &kept.observed.stripe_id;
    let is_over = match calls.stripe.subscriptions().get(id, &[]).await {
        Err(error) if error.is_not_found() => false,
        fetched => status(&fetched?.status).is_final(),
    };
    if is_over {
        Box::pin(look(calls, kept.product, id)).await?;
    }
    Ok(is_over)
}

/// Somebody bought a product twice, past the slot: the second subscription ends at once and its money goes back.
async fn undo_double(calls: &Calls<'_>, second: &stripe::Subscription) -> Result<()> {
    let cancel = CancelSubscription {
        invoice_now: Some(false),
        prorate: Some(false),
        ..CancelSubscription::default()
    };
    match calls.stripe.subscriptions().cancel(&second.id, &cancel).await {
        Ok(_) => calls.app.count("DoublePurchases", 1),
        // It has ended.
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let Some(invoice) = &second.latest_invoice else { return Ok(()) };
    for payment in calls.stripe.invoices().payments(invoice.id()).await? {
        let paid = payment.amount_paid.unwrap_or(0) > 0;
        let Some(intent) = payment.payment.payment_intent.as_ref().filter(|_| paid) else { continue };
        let form = json!({"payment_intent": intent.id(), "reason": "duplicate"});
        // One that was paid in parts goes back in parts.
        let entity = format!("{}:{}", second.id, intent.id());
        let call = Wanted::new(Action::RefundDouble, entity, "/v1/refunds", &form)?;
        calls.make(call, Vec::new()).await?;
    }
    Ok(())
}

/// A subscription as the domain sees it.
fn observed(fetched: &stripe::Subscription, planned: Option<Pending>) -> Result<Observed> {
    let strange = |what: &str| Error::internal(format!("subscription {} has {what}", fetched.id));
    let plan = fetched.items.data.iter().find(|item| item.quantity.is_some());
    let plan = plan.or_else(|| fetched.items.data.first()).ok_or_else(|| strange("no items"))?;
    let period = fetched.period().ok_or_else(|| strange("no period"))?;
    let price = plan.price.lookup_key.clone().unwrap_or_else(|| plan.price.id.clone());
    let interval = plan.price.recurring.as_ref().map(|recurring| recurring.interval.as_str() == "year");
    let invoice = fetched.latest_invoice.as_ref();
    Ok(Observed {
        stripe_id: fetched.id.clone(),
        status: status(&fetched.status),
        quantity: quantity(plan.quantity),
        items: fetched.items.data.iter().map(item).collect(),
        currency: fetched.currency.parse::<Currency>().map_err(|_| strange("a strange currency"))?,
        interval: if interval == Some(true) { Interval::Year } else { Interval::Month },
        started_at: fetched.start_date,
        period_start: period.start,
        period_end: period.end,
        cancel_at_period_end: fetched.cancel_at_period_end,
        cancel_at: fetched.cancel_at,
        canceled_at: fetched.canceled_at,
        ended_at: fetched.ended_at,
        pending: pending(fetched).or(planned),
        schedule: fetched.schedule.as_ref().map(|schedule| schedule.id().to_owned()),
        latest_invoice: invoice.map(|invoice| invoice.id().to_owned()),
        paid_at: invoice.and_then(|invoice| invoice.object()?.status_transitions.paid_at),
        default_payment_method: fetched.default_payment_method.as_ref().map(|method| method.id().to_owned()),
        price,
    })
}

fn item(item: &stripe::SubscriptionItem) -> SubscriptionItem {
    SubscriptionItem {
        id: item.id.clone(),
        price: item.price.id.clone(),
        lookup_key: item.price.lookup_key.clone(),
        quantity: item.quantity.map(|count| quantity(Some(count))),
    }
}

/// What was asked for and waits for a payment.
fn pending(fetched: &stripe::Subscription) -> Option<Pending> {
    let update = fetched.pending_update.as_ref()?;
    let item = update.subscription_items.first()?;
    let price = item.price.lookup_key.clone().unwrap_or_else(|| item.price.id.clone());
    Some(Pending::Payment { price, quantity: quantity(item.quantity), valid_until: update.expires_at })
}

/// What a schedule makes of it when the period ends.
async fn planned(calls: &Calls<'_>, fetched: &stripe::Subscription) -> Result<Option<Pending>> {
    let Some(schedule) = fetched.schedule.as_ref().and_then(|schedule| schedule.object()) else {
        return Ok(None);
    };
    let leads = matches!(schedule.status, ScheduleStatus::Active | ScheduleStatus::NotStarted);
    let Some(current) = schedule.current_phase.as_ref().filter(|_| leads) else { return Ok(None) };
    let next = schedule.phases.iter().find(|phase| phase.start_date >= current.end_date);
    let Some((next, item)) = next.and_then(|next| Some((next, next.items.first()?))) else { return Ok(None) };
    // A phase names its price by Stripe's id alone.
    let price = prices::lookup_key(calls.app, item.price.id()).await?;
    let price = price.unwrap_or_else(|| item.price.id().to_owned());
    Ok(Some(Pending::Time { price, quantity: quantity(item.quantity), at: next.start_date }))
}

fn quantity(count: Option<i64>) -> u64 {
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1)
}

fn status(status: &stripe::SubscriptionStatus) -> SubscriptionStatus {
    match status {
        stripe::SubscriptionStatus::Incomplete => SubscriptionStatus::Incomplete,
        stripe::SubscriptionStatus::IncompleteExpired => SubscriptionStatus::IncompleteExpired,
        stripe::SubscriptionStatus::Trialing => SubscriptionStatus::Trialing,
        stripe::SubscriptionStatus::Active => SubscriptionStatus::Active,
        stripe::SubscriptionStatus::PastDue => SubscriptionStatus::PastDue,
        stripe::SubscriptionStatus::Canceled => SubscriptionStatus::Canceled,
        stripe::SubscriptionStatus::Unpaid => SubscriptionStatus::Unpaid,
        stripe::SubscriptionStatus::Paused => SubscriptionStatus::Paused,
        stripe::SubscriptionStatus::Other(other) => SubscriptionStatus::Other(other.clone()),
    }
}
