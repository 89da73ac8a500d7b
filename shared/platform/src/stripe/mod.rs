//! A thin client of Stripe's API: the calls that billing needs, of one pinned version.
//!
//! Every call that writes names an idempotency key, so that it may be sent again; what Stripe calls passing is sent again
//! with the same key, within the retry budget of [`crate::partner`]. Objects hold the fields that are used, and words that
//! Stripe may add to are kept ([`SubscriptionStatus::Other`](subscription::SubscriptionStatus::Other)): a new one must
//! never stop a webhook. Why no SDK crate: its types alone take minutes to compile and add 18 MB to each function.
//!
//! ```ignore
//! let stripe = Stripe::of(&app).await?;
//! let customer = stripe.customers().create(&CustomerParams { email: Some(email), ..Default::default() }, key).await?;
//! ```

pub mod balance;
pub mod catalog;
pub mod checkout;
pub mod customer;
pub mod dispute;
pub mod error;
pub mod event;
pub mod form;
pub mod invoice;
pub mod meter;
pub mod payment;
pub mod payment_method;
pub mod portal;
pub mod refund;
pub mod schedule;
pub mod setup_intent;
pub mod subscription;
#[cfg(test)]
mod tests;
pub mod value;
pub mod webhook;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use error::{ErrorIntent, StripeError, StripeErrorKind};
pub use event::Event;
pub use value::{
    Address, Created, Deleted, Enabled, Expand, Identified, List, Metadata, Moment, Page, Period,
};

use crate::partner::Answer;
use crate::{App, Error, Result, config};

/// The version of the API that requests and webhook endpoints are pinned to.
pub const VERSION: &str = "2026-10-28.endive";

/// Stripe's own address; `STRIPE_URL` names another in the local stack.
const API: &str = "https://api.stripe.com";
/// Stripe takes its time over subscriptions that it charges at once.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The most that Stripe lists at once.
const PAGE: u32 = 100;

/// What billing keeps secret: the JSON of `tenantry/<stage>/billing`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct BillingSecret {
    /// The API's key: `sk_live_…`, or restricted `rk_live_…`; `…_test_…` outside production.
    pub stripe_key: String,
    /// The secrets of the webhook endpoints, `whsec_…`; two of one endpoint while it is being rotated.
    pub webhook_secrets: Vec<String>,
}

impl BillingSecret {
    /// Whether the key moves real money; nothing if it is no secret key of Stripe's.
    #[must_use]
    pub fn livemode(&self) -> Option<bool> {
        let mode = self.stripe_key.strip_prefix("sk_").or_else(|| self.stripe_key.strip_prefix("rk_"))?;
        let (live, test) = (mode.starts_with("live_"), mode.starts_with("test_"));
        (live || test).then_some(live)
    }
}

impl fmt::Debug for BillingSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BillingSecret").finish_non_exhaustive()
    }
}

/// The client, for one invocation.
#[derive(Clone)]
pub struct Stripe {
    app: App,
    secret: Arc<BillingSecret>,
    url: String,
    livemode: bool,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stripe").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Stripe {
    /// The client with the secret that `BILLING_SECRET` names.
    ///
    /// # Errors
    /// `internal`, `unavailable`.
    pub async fn of(app: &App) -> Result<Self> {
        let secret = app.secret::<BillingSecret>("BILLING_SECRET").await?;
        Self::with(app, secret)
    }

    /// The client with this secret.
    ///
    /// # Errors
    /// `internal` if the key is none, or a live one outside production, or a test one in it.
    pub fn new(app: &App, secret: &BillingSecret) -> Result<Self> {
        Self::with(app, Arc::new(secret.clone()))
    }

    fn with(app: &App, secret: Arc<BillingSecret>) -> Result<Self> {
        let livemode = key_of_stage(&secret, app.stage())?;
        let url = config::optional("STRIPE_URL").unwrap_or_else(|| API.to_owned());
        Ok(Self { app: app.clone(), secret, url: url.trim_end_matches('/').to_owned(), livemode })
    }

    /// Whether real money is moved; an event of the other mode is not ours.
    #[must_use]
    pub fn livemode(&self) -> bool {
        self.livemode
    }

    /// A GET of a path such as `/v1/customers/cus_1`.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &impl Serialize,
    ) -> Result<T, StripeError> {
        self.send(Method::GET, path, params, None).await
    }

    /// A POST. The same key has the effect of one call for a day at least; with other parameters it is refused.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &impl Serialize,
        key: &str,
    ) -> Result<T, StripeError> {
        self.send(Method::POST, path, params, Some(key)).await
    }

    /// A DELETE. Stripe knows no keys here: one that is repeated may find nothing.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &impl Serialize,
    ) -> Result<T, StripeError> {
        self.send(Method::DELETE, path, params, None).await
    }

    /// All pages of a list.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all<T: DeserializeOwned + Identified>(
        &self,
        path: &str,
        params: &impl Serialize,
    ) -> Result<Vec<T>, StripeError> {
        let mut pages = self.pages(path, params);
        let mut all: Vec<T> = Vec::new();
        while let Some(page) = pages.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// The pages of a list, for one that may be too long to hold.
    pub fn pages<T: DeserializeOwned + Identified>(&self, path: &str, params: &impl Serialize) -> Pages<T> {
        Pages {
            stripe: self.clone(),
            path: path.to_owned(),
            params: serde_json::to_value(params).unwrap_or_default(),
            is_over: false,
            of: PhantomData,
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        params: &impl Serialize,
        key: Option<&str>,
    ) -> Result<T, StripeError> {
        if !is_clean(path) {
            return Err(StripeError::no_such_id());
        }
        let params = form::encode(params).map_err(|error| StripeError::unsendable(error.to_string()))?;
        let mut url = format!("{}{path}", self.url);
        if method != Method::POST && !params.is_empty() {
            url = format!("{url}?{params}");
        }
        let mut request = self
            .app
            .partner()
            .request(method.clone(), &url)
            .named("stripe")
            .bearer(&self.secret.stripe_key)
            .header("stripe-version", VERSION)
            .header("x-stripe-client-user-agent", &self.caller())
            .timeout(TIMEOUT)
            // A POST without a key is a preview, which changes nothing.
            .idempotent(true)
            .again_if(is_passing);
        if method == Method::POST {
            request = request.body("application/x-www-form-urlencoded", params);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.map_err(StripeError::unsent)?;
        if !answer.status.is_success() {
            return Err(StripeError::read(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| StripeError::unreadable(&answer, &error))
    }

    /// Who calls, as Stripe's dashboard shows it: which function, in which sandbox.
    fn caller(&self) -> String {
        let instance = config::optional("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_default();
        let caller = json!({
            "application": { "name": "tenantry" },
            "function": self.app.function(),
            "instance": instance,
        });
        caller.to_string()
    }

    /// Customers and their tax ids.
    #[must_use]
    pub fn customers(&self) -> customer::Customers<'_> {
        customer::Customers(self)
    }

    /// Checkout sessions.
    #[must_use]
    pub fn checkout(&self) -> checkout::Checkout<'_> {
        checkout::Checkout(self)
    }

    /// Sessions of the customer portal.
    #[must_use]
    pub fn portal(&self) -> portal::Portal<'_> {
        portal::Portal(self)
    }

    /// Payment methods.
    #[must_use]
    pub fn payment_methods(&self) -> payment_method::PaymentMethods<'_> {
        payment_method::PaymentMethods(self)
    }

    /// Setup intents.
    #[must_use]
    pub fn setup_intents(&self) -> setup_intent::SetupIntents<'_> {
        setup_intent::SetupIntents(self)
    }

    /// Payment intents.
    #[must_use]
    pub fn payment_intents(&self) -> payment::PaymentIntents<'_> {
        payment::PaymentIntents(self)
    }

    /// Charges.
    #[must_use]
    pub fn charges(&self) -> payment::Charges<'_> {
        payment::Charges(self)
    }

    /// Subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> subscription::Subscriptions<'_> {
        subscription::Subscriptions(self)
    }

    /// Subscription schedules.
    #[must_use]
    pub fn schedules(&self) -> schedule::Schedules<'_> {
        schedule::Schedules(self)
    }

    /// Invoices and their payments.
    #[must_use]
    pub fn invoices(&self) -> invoice::Invoices<'_> {
        invoice::Invoices(self)
    }

    /// Refunds.
    #[must_use]
    pub fn refunds(&self) -> refund::Refunds<'_> {
        refund::Refunds(self)
    }

    /// Credit notes.
    #[must_use]
    pub fn credit_notes(&self) -> refund::CreditNotes<'_> {
        refund::CreditNotes(self)
    }

    /// Disputes.
    #[must_use]
    pub fn disputes(&self) -> dispute::Disputes<'_> {
        dispute::Disputes(self)
    }

    /// Billing meters, their events and summaries.
    #[must_use]
    pub fn meters(&self) -> meter::Meters<'_> {
        meter::Meters(self)
    }

    /// Products.
    #[must_use]
    pub fn products(&self) -> catalog::Products<'_> {
        catalog::Products(self)
    }

    /// Prices.
    #[must_use]
    pub fn prices(&self) -> catalog::Prices<'_> {
        catalog::Prices(self)
    }

    /// Events of the last thirty days.
    #[must_use]
    pub fn events(&self) -> event::Events<'_> {
        event::Events(self)
    }

    /// Where Stripe sends events.
    #[must_use]
    pub fn webhook_endpoints(&self) -> event::WebhookEndpoints<'_> {
        event::WebhookEndpoints(self)
    }

    /// What moved the balance.
    #[must_use]
    pub fn balance_transactions(&self) -> balance::BalanceTransactions<'_> {
        balance::BalanceTransactions(self)
    }
}

/// The mode of the key, if it is the one that the stage must have.
fn key_of_stage(secret: &BillingSecret, stage: &str) -> Result<bool> {
    let livemode = secret.livemode();
    let livemode = livemode.ok_or_else(|| Error::internal("stripe_key is no secret key of Stripe's"))?;
    if livemode == (stage == "production") {
        return Ok(livemode);
    }
    let mode = if livemode { "live" } else { "test" };
    Err(Error::internal(format!("stripe_key is a {mode} key, which stage {stage} may not use")))
}

/// An id as a part of a path. One that could lead the call elsewhere spoils the path, and [`Stripe::send`] refuses it.
fn part(id: &str) -> &str {
    if id.contains('/') { "%" } else { id }
}

fn is_clean(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte);
    path.bytes().all(is_plain) && !path.contains("//") && !path.ends_with('/')
}

/// The parameters of a call that has none but what is to be expanded.
fn expanding(fields: &[&str]) -> Map<String, Value> {
    Map::from_iter([("expand".to_owned(), fields.into())])
}

/// No parameters.
fn nothing() -> Map<String, Value> {
    Map::new()
}

/// Whether Stripe may answer otherwise when asked again. What it stored under the key stays as it is.
fn is_passing(answer: &Answer) -> bool {
    let status = answer.status.as_u16();
    if status >= 500 && answer.header("idempotent-replayed") == Some("true") {
        return false;
    }
    match answer.header("stripe-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => status >= 500 || [409, 424, 429].contains(&status),
    }
}

/// A list of Stripe's that is read page by page.
#[derive(Debug)]
pub struct Pages<T> {
    stripe: Stripe,
    path: String,
    params: Value,
    is_over: bool,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned + Identified> Pages<T> {
    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, StripeError> {
        if self.is_over {
            return Ok(None);
        }
        let Value::Object(params) = &mut self.params else {
            return Err(StripeError::unsendable("a list is filtered by named parameters"));
        };
        params.insert("limit".to_owned(), PAGE.into());
        let List { data, has_more } = self.stripe.get::<List<T>>(&self.path, &*params).await?;
        match data.last() {
            Some(last) if has_more => drop(params.insert("starting_after".to_owned(), last.id().into())),
            _ => self.is_over = true,
        }
        Ok(Some(data))
    }
}
