//! Subscriptions that begin without Stripe's page: with a payment method that is there, or with one that is given now.

use domain::Refusal;
use domain::billing::{Product, SlotState, Subscription, catalog};
use platform::store::Stored;
use platform::stripe::Enabled;
use platform::stripe::subscription::{
    ItemParams, NewSubscription, PaymentBehavior, PaymentSettings, SubscriptionStatus,
};
use platform::{Error, Result};

use crate::again::again;
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
/// 422 `/price`; 409 `already_subscribed`, `currency_fixed`; `declined` (402); what Stripe refuses.
pub async fn begin(calls: &Calls<'_>, price: &str, quantity: u64, method: Option<&str>) -> Result<Begun> {
    let unknown = || Refusal::invalid("/price", "expected the lookup key of a price; see GET /v1/plans");
    let wanted = catalog().price(price).ok_or_else(unknown)?;
    let product = wanted.product;
    calls.billing.account().await?.ensure_pays_in(wanted.price.currency)?;
    let before = calls.billing.standings(product).await?.subscription;
    let generation = match &before {
        Some(live) if live.is_live() => {
            let is_same = live.observed.price == price && live.first_paid_at.is_none();
            if is_same {
                // Whoever asked before may have died before it was paid.
                if let Some(method) = method {
                    pay_first(calls, &live.observed.stripe_id, method).await?;
                }
                return gone_on(calls, product, &live.observed.stripe_id).await;
            }
            let message = format!("The organisation has a subscription of {product}; change that one.");
            return Err(Error::refused("already_subscribed", message));
        }
        Some(ended) => ended.generation + 1,
        None => 1,
    };
    // Whoever buys here does not buy on Stripe's page at the same time.
    if let Some(slot) = calls.billing.slot(product).await?.filter(|slot| slot.state == SlotState::Open) {
        checkout::close(calls, &slot).await?;
    }
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
    let call = Wanted {
        action: Action::Subscribe,
        entity: format!("{product}:{generation}"),
        path: "/v1/subscriptions".to_owned(),
        form: serde_json::to_value(new).map_err(Error::caused)?,
    };
    let made = again(async || calls.make(call.clone(), Vec::new()).await).await?;
    let id = made["id"].as_str().ok_or_else(|| Error::internal("a subscription without an id"))?;
    if let Some(method) = method {
        pay_first(calls, id, method).await?;
    }
    gone_on(calls, product, id).await
}

/// Pays the first invoice with a method that is there.
async fn pay_first(calls: &Calls<'_>, id: &str, method: &str) -> Result<()> {
    let fetched = calls.stripe.subscriptions().get(id, &[]).await?;
    if fetched.status != SubscriptionStatus::Incomplete {
        return Ok(());
    }
    let Some(invoice) = &fetched.latest_invoice else { return Ok(()) };
    let call = Wanted {
        action: Action::Pay,
        entity: format!("{}:{method}", invoice.id()),
        path: format!("/v1/invoices/{}/pay", invoice.id()),
        form: serde_json::json!({"payment_method": method}),
    };
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
