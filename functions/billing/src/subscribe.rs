//! Subscriptions that begin without Stripe's page: with a payment method that is there, or with one that is given now.

use domain::Refusal;
use domain::billing::{OpState, Product, SlotState, Subscription, catalog};
use platform::store::{Stored, again};
use platform::stripe::Enabled;
use platform::stripe::subscription::{
    ItemParams, NewSubscription, PaymentBehavior, PaymentSettings, SubscriptionStatus,
};
use platform::{Error, Result};

use crate::calls::{Action, Calls, Wanted, metadata};
use crate::{checkout, customer, meters, prices, project};

/// A subscription that begins, and what pays its first invoice.
#[derive(Debug)]
pub struct Begun {
    /// The subscription.
    pub subscription: Stored<Subscription>,
    /// What the customer's browser confirms the first payment with; absent when it is paid.
    pub client_secret: Option<String>,
}

/// Begins a subscription; one of the same price whose first payment is awaited is gone on with.
///
/// # Errors
/// 422 `/price`; 409 `already_subscribed`, `currency_fixed`, `checkout_opening`, `checkout_completing`,
/// `subscription_opening` while another price is being subscribed to; `declined` (402); what Stripe refuses.
pub async fn begin(calls: &Calls<'_>, price: &str, quantity: u64, method: Option<&str>) -> Result<Begun> {
    let unknown = || Refusal::invalid("/price", "expected the lookup key of a price; see GET /v1/plans");
    let wanted = catalog().price(price).ok_or_else(unknown)?;
    let product = wanted.product;
    calls.billing.account().await?.ensure_pays_in(wanted.price.currency)?;
    let generation = match place(calls, price, quantity, product).await? {
        Place::Begun(id) => {
            if let Some(method) = method {
                pay_first(calls, &id, method).await?;
            }
            return gone_on(calls, product, &id).await;
        }
        Place::Free { generation } => generation,
    };
    let customer = customer::customer(calls).await?;
    let stripe_price = prices::price(calls.app, &calls.stripe, wanted).await?;
    let metered = meters::prices(calls.app, &calls.stripe, wanted).await?;
    let new = NewSubscription {
        customer,
        items: std::iter::once(ItemParams {
            price: Some(stripe_price),
            quantity: i64::try_from(quantity).ok(),
            ..ItemParams::default()
        })
        .chain(
            metered.into_iter().map(|(_, price)| ItemParams { price: Some(price), ..ItemParams::default() }),
        )
        .collect(),
        default_payment_method: method.map(str::to_owned),
        payment_behavior: Some(PaymentBehavior::DefaultIncomplete),
        payment_settings: Some(PaymentSettings {
            save_default_payment_method: Some("on_subscription".to_owned()),
        }),
        automatic_tax: Some(Enabled::YES),
        metadata: metadata(&[("org", calls.billing.org().to_string()), ("product", product.to_string())]),
        ..NewSubscription::default()
    };
    let call = Wanted::new(Action::Subscribe, format!("{product}:{generation}"), "/v1/subscriptions", &new)?;
    let made = again(async || {
        ensure_wanted(calls, &call).await?;
        let made = calls.make(call.clone(), Vec::new()).await?;
        // What was joined may have been stored since.
        ensure_wanted(calls, &call).await.map(|()| made)
    })
    .await?;
    let id = made["id"].as_str().ok_or_else(|| Error::internal("a subscription without an id"))?;
    if let Some(method) = method {
        pay_first(calls, id, method).await?;
    }
    let begun = gone_on(calls, product, id).await?;
    // A page that was opened in this moment did not know of it.
    let closed = again(async || match calls.billing.slot(product).await? {
        Some(slot) if slot.state == SlotState::Open => checkout::close(calls, &slot).await,
        _ => Ok(()),
    });
    // The subscription is there all the same; whoever pays on the page is given that back.
    if let Err(error) = closed.await {
        calls.app.report(calls.origin, &error);
    }
    Ok(begun)
}

/// Whether what is being subscribed to, if anything, is what is wanted.
async fn ensure_wanted(calls: &Calls<'_>, wanted: &Wanted) -> Result<()> {
    let known = calls.billing.op(wanted.action.as_str(), &wanted.entity).await?;
    let other = known.filter(|known| known.state != OpState::Failed);
    if other.is_some_and(|other| other.params["form"]["items"] != wanted.form["items"]) {
        let message = "Another price or quantity is being subscribed to; try again in a moment.";
        return Err(Error::refused("subscription_opening", message));
    }
    Ok(())
}

/// Where a subscription stands that is to begin.
enum Place {
    /// It has begun, and its first payment is awaited.
    Begun(String),
    /// There is none that lives.
    Free { generation: u32 },
}

/// Looks whether a subscription may begin. Whoever buys here does not buy on Stripe's page at the same time.
async fn place(calls: &Calls<'_>, price: &str, quantity: u64, product: Product) -> Result<Place> {
    again(async || {
        // First the checkout: one that is done by now has its subscription in what is read next.
        let slot = calls.billing.slot(product).await?;
        let before = calls.billing.standings(product).await?.subscription;
        let generation = match &before {
            Some(live) if live.is_live() => {
                let is_same = live.observed.price == price && live.observed.quantity == quantity;
                if is_same && live.first_paid_at.is_none() {
                    return Ok(Place::Begun(live.observed.stripe_id.clone()));
                }
                let message = format!("The organisation has a subscription of {product}; change that one.");
                return Err(Error::refused("already_subscribed", message));
            }
            Some(ended) => ended.generation + 1,
            None => 1,
        };
        let Some(slot) = slot else { return Ok(Place::Free { generation }) };
        match slot.state {
            SlotState::Open => {
                checkout::close(calls, &slot).await?;
                // Whoever was paying in that moment has bought.
                Err(Error::Conflict)
            }
            SlotState::Opening => {
                let message = "A checkout is being opened; try again in a moment.";
                Err(Error::refused("checkout_opening", message))
            }
            SlotState::Completing => {
                let message = "A checkout of the product was finished and is being settled.";
                Err(Error::refused("checkout_completing", message))
            }
            SlotState::Free | SlotState::Done | SlotState::Expired | SlotState::Superseded => {
                Ok(Place::Free { generation })
            }
        }
    })
    .await
}

/// Pays the first invoice with a method that is there.
async fn pay_first(calls: &Calls<'_>, id: &str, method: &str) -> Result<()> {
    let fetched = calls.stripe.subscriptions().get(id, &[]).await?;
    if fetched.status != SubscriptionStatus::Incomplete {
        return Ok(());
    }
    let Some(invoice) = &fetched.latest_invoice else { return Ok(()) };
    let path = format!("/v1/invoices/{}/pay", invoice.id());
    let form = serde_json::json!({"payment_method": method});
    let call = Wanted::new(Action::Pay, format!("{}:{method}", invoice.id()), path, &form)?;
    calls.make(call, Vec::new()).await.map(drop)
}

async fn gone_on(calls: &Calls<'_>, product: Product, id: &str) -> Result<Begun> {
    project::subscription::look(calls, product, id).await?;
    let fetched = calls.stripe.subscriptions().get(id, &["latest_invoice.confirmation_secret"]).await?;
    let is_open = fetched.status == SubscriptionStatus::Incomplete;
    let invoice = fetched.latest_invoice.as_ref().and_then(|invoice| invoice.object());
    let secret = invoice.and_then(|invoice| invoice.confirmation_secret.as_ref());
    Ok(Begun {
        subscription: calls.billing.subscription(product).await?,
        client_secret: secret.filter(|_| is_open).map(|secret| secret.client_secret.clone()),
    })
}
