//! What people decide about a subscription, said to Stripe.
//!
//! What a repeat cannot make worse is said straight away, under a key made of the subscription's version. What costs money is
//! a stored call ([`crate::calls`]). Afterwards the subscription is looked at: what is stored here comes from Stripe alone.

use domain::StripeOpId;
use domain::billing::{Command, PlannedChange, Product, Quote, Subscription};
use platform::store::{Stored, Write};
use platform::stripe::schedule::{PhaseItemParams, PhaseParams, ReleaseSchedule, ScheduleUpdate};
use platform::stripe::subscription::{
    CancelSubscription, ItemParams, PauseSubscription, PaymentBehavior, ProrationBehavior,
    ResumeSubscription, SubscriptionUpdate,
};
use platform::stripe::{Enabled, Stripe, StripeError};
use platform::{Error, Result};

use crate::calls::{Action, Calls, Next, Wanted};
use crate::{meters, prices, project, send_usage};

/// Says a command about a subscription, and looks what became of it.
///
/// # Errors
/// What Stripe refuses.
pub async fn say(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    command: Command,
) -> Result<Stored<Subscription>> {
    let id = stored.observed.stripe_id.as_str();
    match command {
        Command::Nothing => {}
        Command::CancelNow => end(calls, stored.product, id, stored.first_paid_at.is_some()).await?,
        Command::UpdateNow | Command::Schedule => {
            return Err(Error::internal("a change of price takes a quote"));
        }
        command => {
            let key = format!("{}:{id}:{}", name(command), stored.version);
            let said = match put(&calls.stripe, stored, command, &key).await {
                // Stripe keeps a failure under its key for a day, and what was decided may have been mended since.
                Err(error) if error.was_replayed => {
                    let key = format!("{key}:{}", calls.origin.id::<StripeOpId>());
                    put(&calls.stripe, stored, command, &key).await
                }
                said => said,
            };
            said?;
        }
    }
    again(calls, stored.product).await
}

/// Says a command under a key; those that take a call of their own are none of these.
async fn put(stripe: &Stripe, stored: &Subscription, command: Command, key: &str) -> Result<(), StripeError> {
    let id = stored.observed.stripe_id.as_str();
    match command {
        Command::CancelAtPeriodEnd | Command::UndoCancel => {
            let ends = command == Command::CancelAtPeriodEnd;
            let update =
                SubscriptionUpdate { cancel_at_period_end: Some(ends), ..SubscriptionUpdate::default() };
            stripe.subscriptions().update(id, &update, key).await.map(drop)
        }
        Command::ReleaseSchedule => match &stored.observed.schedule {
            Some(schedule) => {
                stripe.schedules().release(schedule, &ReleaseSchedule::default(), key).await.map(drop)
            }
            None => Ok(()),
        },
        Command::Pause => {
            stripe.subscriptions().pause(id, &PauseSubscription::default(), key).await.map(drop)
        }
        Command::Unpause => {
            stripe.subscriptions().resume(id, &ResumeSubscription::default(), key).await.map(drop)
        }
        Command::Nothing | Command::CancelNow | Command::UpdateNow | Command::Schedule => Ok(()),
    }
}

/// Ends a subscription at once. What was used of one that was ever paid is on its last invoice; what was paid ahead does not
/// come back.
///
/// # Errors
/// What Stripe refuses.
pub async fn end(calls: &Calls<'_>, product: Product, stripe_id: &str, was_paid: bool) -> Result<()> {
    if was_paid {
        send_usage::settle(calls, product).await?;
    }
    cancel_now(calls, stripe_id, was_paid).await
}

/// Ends a subscription at once whose use is settled.
///
/// # Errors
/// What Stripe refuses.
pub async fn cancel_now(calls: &Calls<'_>, stripe_id: &str, was_paid: bool) -> Result<()> {
    let params = CancelSubscription {
        invoice_now: Some(was_paid),
        prorate: Some(false),
        ..CancelSubscription::default()
    };
    match calls.stripe.subscriptions().cancel(stripe_id, &params).await {
        // It has ended meanwhile.
        Err(error) if error.is_not_found() => Ok(()),
        done => done.map(drop).map_err(Error::from),
    }
}

/// Makes the change of a quote. What `taken` writes is stored with the call, or before it.
///
/// # Errors
/// `declined` (402); what `taken` and Stripe refuse.
pub async fn change(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    quote: &Quote,
    taken: Vec<Write>,
) -> Result<Stored<Subscription>> {
    let PlannedChange { command, to, quantity, .. } = &quote.change;
    let entity = quote.id.to_string();
    match command {
        Command::UpdateNow => {
            let wanted = update(calls, stored, quote, to, *quantity).await?;
            calls.make(wanted, taken).await?;
        }
        Command::Schedule => {
            let wanted = schedule(calls, stored, entity.clone(), to, *quantity).await?;
            calls.make(wanted, taken).await?;
            calls.join(Action::SchedulePhases, &entity).await?;
        }
        other => {
            calls.billing.write(taken).await?;
            return say(calls, stored, *other).await;
        }
    }
    again(calls, stored.product).await
}

async fn update(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    quote: &Quote,
    to: &str,
    quantity: u64,
) -> Result<Wanted> {
    let update = SubscriptionUpdate {
        items: items(calls, stored, to, quantity).await?,
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        proration_date: Some(quote.preview.proration_date),
        // What is not paid does not take place; it waits for the payment, and is dropped after 23 hours.
        payment_behavior: Some(PaymentBehavior::PendingIfIncomplete),
        ..SubscriptionUpdate::default()
    };
    let path = format!("/v1/subscriptions/{}", stored.observed.stripe_id);
    Wanted::new(Action::Change, quote.id.to_string(), path, &update)
}

/// Stripe makes a schedule of a subscription as it is, and takes what is to change in a second call.
async fn schedule(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    entity: String,
    to: &str,
    quantity: u64,
) -> Result<Wanted> {
    let old = item(calls, stored, &stored.observed.price, stored.observed.quantity).await?;
    let new = item(calls, stored, to, quantity).await?;
    let by_use = stored.observed.items.iter().filter(|item| item.quantity.is_none());
    let (old, new) = (
        (old, by_use.map(|item| item.price.clone()).collect::<Vec<_>>()),
        (new, metered(calls, to).await?.into_iter().map(|(_, price)| price).collect()),
    );
    let phase = |(item, by_use): (ItemParams, Vec<String>)| PhaseParams {
        items: std::iter::once(PhaseItemParams { price: item.price, quantity: item.quantity })
            .chain(by_use.into_iter().map(|price| PhaseItemParams { price: Some(price), quantity: None }))
            .collect(),
        automatic_tax: Some(Enabled::YES),
        proration_behavior: Some(ProrationBehavior::None),
        ..PhaseParams::default()
    };
    let (start, end) = (stored.observed.period_start, stored.observed.period_end);
    let update = ScheduleUpdate {
        phases: vec![
            PhaseParams { start_date: Some(start), end_date: Some(end), ..phase(old) },
            PhaseParams { start_date: Some(end), ..phase(new) },
        ],
        ..ScheduleUpdate::default()
    };
    let phases = Next {
        action: Action::SchedulePhases,
        path: "/v1/subscription_schedules/{id}".to_owned(),
        form: serde_json::to_value(update).map_err(Error::caused)?,
    };
    let form = serde_json::json!({"from_subscription": stored.observed.stripe_id});
    let made = Wanted::new(Action::Schedule, entity, "/v1/subscription_schedules", &form)?;
    Ok(Wanted { then: Some(phases), ..made })
}

/// The prices by use that come with a plan's price.
async fn metered(calls: &Calls<'_>, to: &str) -> Result<Vec<(String, String)>> {
    match domain::billing::catalog().price(to) {
        Some(price) => meters::prices(calls.app, &calls.stripe, price).await,
        None => Ok(Vec::new()),
    }
}

/// The subscription's lines with another price or quantity of the plan, and with its prices by use.
///
/// # Errors
/// What Stripe refuses.
pub async fn items(
    calls: &Calls<'_>,
    stored: &Subscription,
    to: &str,
    quantity: u64,
) -> Result<Vec<ItemParams>> {
    let mut items = vec![item(calls, stored, to, quantity).await?];
    if domain::billing::catalog().price(to).is_none() {
        return Ok(items);
    }
    let mut wanted = metered(calls, to).await?;
    for old in stored.observed.items.iter().filter(|item| item.quantity.is_none()) {
        let meter = old.lookup_key.as_deref().and_then(meters::meter_of);
        let same = wanted.iter().position(|(wanted, _)| Some(wanted.as_str()) == meter);
        match same.map(|at| wanted.swap_remove(at)) {
            Some((_, price)) if price == old.price => {}
            new => items.push(ItemParams {
                id: Some(old.id.clone()),
                deleted: new.is_none().then_some(true),
                price: new.map(|(_, price)| price),
                ..ItemParams::default()
            }),
        }
    }
    let new = wanted.into_iter().map(|(_, price)| ItemParams { price: Some(price), ..ItemParams::default() });
    items.extend(new);
    Ok(items)
}

/// The subscription's line with another price or quantity.
///
/// # Errors
/// What Stripe refuses.
async fn item(calls: &Calls<'_>, stored: &Subscription, to: &str, quantity: u64) -> Result<ItemParams> {
    let known = domain::billing::catalog().price(to);
    let price = match known {
        Some(price) => prices::price(calls.app, &calls.stripe, price).await?,
        // A price that is no longer sold is named as Stripe names it.
        None => stored.plan_item().map(|item| item.price.clone()).unwrap_or_default(),
    };
    Ok(ItemParams {
        id: stored.plan_item().map(|item| item.id.clone()),
        price: Some(price),
        quantity: i64::try_from(quantity).ok(),
        ..ItemParams::default()
    })
}

async fn again(calls: &Calls<'_>, product: Product) -> Result<Stored<Subscription>> {
    let stripe_id = calls.billing.subscription(product).await?.observed.stripe_id.clone();
    project::subscription::look(calls, product, &stripe_id).await?;
    calls.billing.subscription(product).await
}

fn name(command: Command) -> &'static str {
    match command {
        Command::Nothing => "nothing",
        Command::CancelNow => "cancel_now",
        Command::CancelAtPeriodEnd => "cancel_at_period_end",
        Command::UndoCancel => "undo_cancel",
        Command::ReleaseSchedule => "release_schedule",
        Command::Pause => "pause",
        Command::Unpause => "unpause",
        Command::UpdateNow => "update_now",
        Command::Schedule => "schedule",
    }
}
