//! The inbox: what Stripe tells is taken in once, and looked into until it is done with.

use domain::OrgId;
use domain::billing::inbox::{InboxTrigger, PATIENCE};
use domain::billing::{Disposition, InboxEvent, InboxState, Topic};
use platform::event::Origin;
use platform::stripe::{Event, Stripe};
use platform::{App, Error, Result, config};
use serde_json::{Map, Value, json};

use crate::BillingOfAll;
use crate::calls::Calls;
use crate::project;
use crate::refunds::{Reason, give_back};

/// The most bytes of an object that are kept whole: an item holds 400 KB, and the truth is what Stripe says when asked.
const LARGEST: usize = 200_000;
/// By these fields of an event's object it is told whose it is, and what is to be fetched.
const NAMES: [&str; 6] = ["id", "object", "customer", "subscription", "invoice", "charge"];
/// What is good for whoever has it: an intent can be confirmed with its secret.
const SECRET: &str = "client_secret";

/// Takes an event in. Answers whether it is new and is to be looked into.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn take_in(
    app: &App,
    all: &BillingOfAll,
    event: &Event,
    live: bool,
    origin: &Origin,
) -> Result<bool> {
    let disposition = Disposition::of(&event.kind, event.livemode, live, event.account.as_deref(), false);
    let (state, error) = match disposition {
        Disposition::Accept(_) => (InboxState::Received, None),
        Disposition::Skip { reason, alert } => {
            app.count("StripeEventsForeign", u64::from(alert));
            (InboxState::Skipped, Some(reason.to_owned()))
        }
    };
    let is_small = event.object.to_string().len() <= LARGEST;
    let item = InboxEvent {
        id: event.id.clone(),
        event_type: event.kind.clone(),
        created: event.created,
        received_at: origin.now,
        account: event.account.clone(),
        livemode: event.livemode,
        object_id: event.object_id().unwrap_or_default().to_owned(),
        object: Some(if is_small { without_nothing(&event.object) } else { outline(&event.object) }),
        state,
        attempts: 0,
        error,
        done_at: None,
        overdue_at: (state == InboxState::Received).then(|| origin.now + PATIENCE),
    };
    let is_new = all.take_in(&item, origin).await?;
    app.count("StripeEventsReceived", u64::from(is_new));
    Ok(is_new && state == InboxState::Received)
}

/// Looks into an event that was taken in.
///
/// # Errors
/// `not_found` for one that was not; what Stripe refuses.
pub async fn deal_with(
    app: &App,
    all: &BillingOfAll,
    stripe: Stripe,
    event: &str,
    origin: &Origin,
) -> Result<()> {
    let stored = all.inbox(event).await?;
    if matches!(stored.state, InboxState::Done | InboxState::Skipped) {
        return Ok(());
    }
    let done = look(app, all, stripe, &stored, origin).await;
    let trigger = match &done {
        Ok(()) => InboxTrigger::Processed,
        Err(error) => InboxTrigger::Tried { error: causes(error) },
    };
    app.count("StripeEventsProjected", u64::from(done.is_ok()));
    match all.dealt_with(&stored, &stored.step(&trigger, origin.now)).await {
        // Another worker had it too: what both stored came from Stripe.
        Err(Error::Conflict) => done,
        written => done.and(written),
    }
}

async fn look(
    app: &App,
    all: &BillingOfAll,
    stripe: Stripe,
    event: &InboxEvent,
    origin: &Origin,
) -> Result<()> {
    let object = event.object.clone().unwrap_or_default();
    match Topic::of(&event.event_type) {
        Some(Topic::Checkout) => {
            let session = match stripe.checkout().get(&event.object_id, &[]).await {
                Err(error) if error.is_not_found() => return Ok(()),
                other => other?,
            };
            let Some((org, product)) = project::owner(&session.metadata) else { return Ok(()) };
            let calls = Calls { app, stripe, billing: all.one(org), origin };
            project::checkout::told(&calls, product, &session).await
        }
        Some(Topic::Subscription) => subscription(app, all, stripe, &event.object_id, &object, origin).await,
        Some(Topic::Schedule) => match object["subscription"].as_str() {
            Some(id) => subscription(app, all, stripe, id, &object, origin).await,
            None => Ok(()),
        },
        Some(Topic::Invoice) => invoice(app, all, stripe, &event.object_id, &object, origin).await,
        Some(Topic::InvoicePayment) => match object["invoice"].as_str() {
            Some(id) => {
                let fetched = stripe.invoices().get(id, &[]).await?;
                invoice_of(app, all, stripe, &fetched, origin).await
            }
            None => Ok(()),
        },
        Some(Topic::PaymentIntent) => {
            let payments = stripe.invoices().payments_of_intent(&event.object_id).await?;
            for payment in payments {
                let fetched = stripe.invoices().get(payment.invoice.id(), &[]).await?;
                invoice_of(app, all, stripe.clone(), &fetched, origin).await?;
            }
            Ok(())
        }
        Some(Topic::Customer) => customer(app, all, stripe, &event.object_id, origin).await,
        Some(Topic::TaxId | Topic::PaymentMethod | Topic::SetupIntent) => match object["customer"].as_str() {
            Some(id) => customer(app, all, stripe, id, origin).await,
            // A method that was taken away is no customer's any more.
            None => match all.holder(&event.object_id).await? {
                Some(org) => {
                    project::methods::look(&Calls { app, stripe, billing: all.one(org), origin }).await
                }
                None => Ok(()),
            },
        },
        Some(Topic::Charge) => match payer(app, all, &stripe, &event.object_id, origin).await? {
            Some(org) => {
                let calls = Calls { app, stripe, billing: all.one(org), origin };
                project::charges::look(&calls, &event.object_id).await
            }
            None => Ok(()),
        },
        Some(topic @ (Topic::Refund | Topic::Dispute | Topic::FraudWarning)) => {
            let charge = object["charge"].as_str().unwrap_or_default();
            let Some(org) = payer(app, all, &stripe, charge, origin).await? else { return Ok(()) };
            let calls = Calls { app, stripe, billing: all.one(org), origin };
            match topic {
                Topic::Refund => project::charges::refund(&calls, &event.object_id).await.map(drop),
                Topic::Dispute => project::charges::dispute(&calls, &event.object_id).await,
                _ => warned(&calls, charge).await,
            }
        }
        // Kept for what is built on it: nothing of ours follows from these yet.
        Some(_) | None => Ok(()),
    }
}

async fn subscription(
    app: &App,
    all: &BillingOfAll,
    stripe: Stripe,
    id: &str,
    object: &Value,
    origin: &Origin,
) -> Result<()> {
    let owner = match all.subscriber(id).await? {
        Some(owner) => Some(owner),
        None => match project::owner_in(object) {
            Some(owner) => Some(owner),
            None => match stripe.subscriptions().get(id, &[]).await {
                Err(error) if error.is_not_found() => None,
                fetched => project::owner(&fetched?.metadata),
            },
        },
    };
    // A subscription that somebody made in the dashboard is nobody's here.
    let Some((org, product)) = owner else { return Ok(()) };
    let calls = Calls { app, stripe, billing: all.one(org), origin };
    project::subscription::look(&calls, product, id).await
}

/// An invoice, and the subscription that it is of: paying the one changes the other.
async fn invoice(
    app: &App,
    all: &BillingOfAll,
    stripe: Stripe,
    id: &str,
    object: &Value,
    origin: &Origin,
) -> Result<()> {
    // What Stripe merely announces has no id to fetch.
    if id.is_empty() {
        return Ok(());
    }
    let details = &object["parent"]["subscription_details"];
    let Some((org, product)) = project::owner_in(details) else { return Ok(()) };
    let calls = Calls { app, stripe, billing: all.one(org), origin };
    if let Some(subscription) = details["subscription"].as_str() {
        project::subscription::look(&calls, product, subscription).await?;
    }
    project::invoice::look(&calls, id).await
}

async fn invoice_of(
    app: &App,
    all: &BillingOfAll,
    stripe: Stripe,
    fetched: &platform::stripe::invoice::Invoice,
    origin: &Origin,
) -> Result<()> {
    let details = fetched.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
    let Some(details) = details else { return Ok(()) };
    let Some((org, product)) = project::owner(&details.metadata) else { return Ok(()) };
    let calls = Calls { app, stripe, billing: all.one(org), origin };
    project::subscription::look(&calls, product, details.subscription.id()).await?;
    project::invoice::look(&calls, &fetched.id).await
}

/// Whose charge this is. One that is not known yet is of an invoice that is looked at first.
pub(crate) async fn payer(
    app: &App,
    all: &BillingOfAll,
    stripe: &Stripe,
    charge: &str,
    origin: &Origin,
) -> Result<Option<OrgId>> {
    if let Some(org) = all.payer_of(charge).await? {
        return Ok(Some(org));
    }
    let fetched = match stripe.charges().get(charge, &[]).await {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    let Some(intent) = &fetched.payment_intent else { return Ok(None) };
    for payment in stripe.invoices().payments_of_intent(intent.id()).await? {
        let invoice = stripe.invoices().get(payment.invoice.id(), &[]).await?;
        invoice_of(app, all, stripe.clone(), &invoice, origin).await?;
        let details = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        let owner = details.and_then(|details| project::owner(&details.metadata));
        if let Some((org, _)) = owner
            && all.one(org).charge(charge).await?.is_some()
        {
            return Ok(Some(org));
        }
    }
    Ok(None)
}

/// A bank says that a payment was fraud: a small one goes back by itself, before it becomes a dispute.
async fn warned(calls: &Calls<'_>, charge: &str) -> Result<()> {
    calls.app.count("FraudWarnings", 1);
    let most = config::required("FRAUD_REFUND_UP_TO")?.parse().map_err(Error::caused)?;
    let Some(stored) = calls.billing.charge(charge).await? else { return Ok(()) };
    let is_whole = stored.left() == stored.amount.minor;
    if !is_whole || stored.amount.minor > most {
        return Ok(());
    }
    give_back(calls, &stored, Some(stored.amount.minor), Reason::Fraudulent, "fraud_warning").await.map(drop)
}

async fn customer(app: &App, all: &BillingOfAll, stripe: Stripe, id: &str, origin: &Origin) -> Result<()> {
    // A customer that somebody made in the dashboard is nobody's here.
    let Some(org) = all.customer(id).await? else { return Ok(()) };
    let calls = Calls { app, stripe, billing: all.one(org), origin };
    project::methods::look(&calls).await
}

fn causes(error: &Error) -> String {
    let mut causes = error.causes();
    causes.insert(0, error.to_string());
    causes.join(": ")
}

/// What is read of an object here, without all that makes it large.
fn outline(object: &Value) -> Value {
    let texts = |of: &Value, names: &[&str]| -> Map<String, Value> {
        let text =
            |name: &&str| Some(((*name).to_owned(), of.get(*name).filter(|text| text.is_string())?.clone()));
        names.iter().filter_map(text).collect()
    };
    let owner = |of: &Value| Value::from(texts(&of["metadata"], &["org", "product"]));
    let mut outline = texts(object, &NAMES);
    outline.insert("metadata".to_owned(), owner(object));
    let details = &object["parent"]["subscription_details"];
    if details.is_object() {
        let mut kept = texts(details, &["subscription"]);
        kept.insert("metadata".to_owned(), owner(details));
        outline.insert("parent".to_owned(), json!({ "subscription_details": kept }));
    }
    outline.into()
}

/// DynamoDB keeps an empty field as dear as a full one; secrets are not kept at all.
fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, value)| !value.is_null() && name.as_str() != SECRET)
            .map(|(name, value)| (name.clone(), without_nothing(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nothing).collect(),
        other => other.clone(),
    }
}
