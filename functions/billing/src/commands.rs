//! What people decide about a subscription, said to Stripe.
//!
//! What a repeat cannot make worse is said straight away, under a key made of the subscription's version. What costs money is
//! a stored call ([`crate::calls`]). Afterwards the subscription is looked at: what is stored here comes from Stripe alone.

use domain::QuoteId;
use domain::billing::{Command, PlannedChange, Product, Quote, Subscription};
use platform::store::Stored;
use platform::stripe::schedule::{PhaseItemParams, PhaseParams, ReleaseSchedule, ScheduleUpdate};
use platform::stripe::subscription::{
    CancelSubscription, ItemParams, PauseSubscription, PaymentBehavior, ProrationBehavior,
    ResumeSubscription, SubscriptionUpdate,
};
use platform::stripe::{Enabled, StripeError};
use platform::{Error, Result};

use crate::calls::{Action, Calls, Wanted};
use crate::{meters, prices, project};

/// Says a command about a subscription, and looks what became of it.
///
/// # Errors
/// What Stripe refuses.
pub async fn say(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    command: Command,
) -> Result<Stored<Subscription>> {
    let (stripe, id) = (&calls.stripe, stored.observed.stripe_id.as_str());
    let key = format!("{}:{id}:{}", name(command), stored.version);
    let said: Result<(), StripeError> = match command {
        Command::Nothing => return again(calls, stored.product).await,
        Command::CancelNow => {
            let params = CancelSubscription { prorate: Some(false), ..CancelSubscription::default() };
            match stripe.subscriptions().cancel(id, &params).await {
                // It has ended meanwhile.
                Err(error) if error.is_not_found() => Ok(()),
                done => done.map(drop),
            }
        }
        Command::CancelAtPeriodEnd | Command::UndoCancel => {
            let ends = command == Command::CancelAtPeriodEnd;
            let update =
                SubscriptionUpdate { cancel_at_period_end: Some(ends), ..SubscriptionUpdate::default() };
            stripe.subscriptions().update(id, &update, &key).await.map(drop)
        }
        Command::ReleaseSchedule => match &stored.observed.schedule {
            Some(schedule) => {
                stripe.schedules().release(schedule, &ReleaseSchedule::default(), &key).await.map(drop)
            }
            None => Ok(()),
        },
        Command::Pause => {
            stripe.subscriptions().pause(id, &PauseSubscription::default(), &key).await.map(drop)
        }
        Command::Unpause => {
            stripe.subscriptions().resume(id, &ResumeSubscription::default(), &key).await.map(drop)
        }
        Command::UpdateNow | Command::Schedule => {
            return Err(Error::internal("a change of price takes a quote"));
        }
    };
    said?;
    again(calls, stored.product).await
}

/// Makes the change of a quote that was taken.
///
/// # Errors
/// `declined` (402); what Stripe refuses.
pub async fn change(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    quote: &Quote,
) -> Result<Stored<Subscription>> {
    let PlannedChange { command, to, quantity, .. } = &quote.change;
    match command {
        Command::UpdateNow => update(calls, stored, quote, to, *quantity).await?,
        Command::Schedule => schedule(calls, stored, quote, to, *quantity).await?,
        other => return say(calls, stored, *other).await,
    }
    again(calls, stored.product).await
}

async fn update(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    quote: &Quote,
    to: &str,
    quantity: u64,
) -> Result<()> {
    let update = SubscriptionUpdate {
        items: items(calls, stored, to, quantity).await?,
        proration_behavior: Some(ProrationBehavior::AlwaysInvoice),
        proration_date: Some(quote.preview.proration_date),
        // What is not paid does not take place; it waits for the payment, and is dropped after 23 hours.
        payment_behavior: Some(PaymentBehavior::PendingIfIncomplete),
        ..SubscriptionUpdate::default()
    };
    let path = format!("/v1/subscriptions/{}", stored.observed.stripe_id);
    call(calls, Action::Change, quote.id, path, serde_json::to_value(update)).await.map(drop)
}

async fn schedule(
    calls: &Calls<'_>,
    stored: &Stored<Subscription>,
    quote: &Quote,
    to: &str,
    quantity: u64,
) -> Result<()> {
    let from = serde_json::json!({"from_subscription": stored.observed.stripe_id});
    let path = "/v1/subscription_schedules".to_owned();
    let made = call(calls, Action::Schedule, quote.id, path, Ok(from)).await?;
    let id = made["id"].as_str().ok_or_else(|| Error::internal("a schedule without an id"))?;
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
    let path = format!("/v1/subscription_schedules/{id}");
    call(calls, Action::SchedulePhases, quote.id, path, serde_json::to_value(update)).await.map(drop)
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

async fn call(
    calls: &Calls<'_>,
    action: Action,
    quote: QuoteId,
    path: String,
    form: serde_json::Result<serde_json::Value>,
) -> Result<serde_json::Value> {
    let form = form.map_err(Error::caused)?;
    calls.make(Wanted { action, entity: quote.to_string(), path, form }, Vec::new()).await
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
