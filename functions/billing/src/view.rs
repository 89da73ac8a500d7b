//! What clients see: the stored state in their words.

use std::collections::BTreeMap;

use domain::accounts::{Access, Entitlements, Limit, ProductEntitlement};
use domain::billing::account::TaxId;
use domain::billing::entitlements::subscription_access;
use domain::billing::{
    Account, Address, CheckoutSlot, Currency, Dunning, DunningState, InboxEvent, InboxState, Interval, Money,
    PaymentMethod, Pending, Product, SlotState, Subscription, SubscriptionStatus, Trial, TrialState, catalog,
};
use domain::{Email, Locale, Timestamp};
use platform::store::Stored;
use schemars::JsonSchema;
use serde::Serialize;

/// A trial, as its organisation sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TrialView {
    /// Of which product.
    pub product: Product,
    /// Where it stands.
    pub state: TrialState,
    /// What may be done now.
    pub access: Access,
    /// The plan that is tried.
    pub plan: String,
    /// Days until it ends, rounded up; 0 when it is over.
    pub days_left: u8,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Until when what was made is kept running.
    pub grace_ends_at: Timestamp,
    /// When staff prolonged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_at: Option<Timestamp>,
    /// When what was made is deleted, once the trial is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge_at: Option<Timestamp>,
    /// What the plan holds, by limit.
    pub limits: BTreeMap<String, Limit>,
    /// What of it is in use, as far as that is counted here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub usage: BTreeMap<String, u64>,
    /// The plan that comes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<String>,
}

impl TrialView {
    /// A trial as it is at a moment.
    #[must_use]
    pub fn of(trial: &Trial, now: Timestamp) -> Self {
        let plan = catalog().plan(trial.product, &trial.plan);
        let is_kept = matches!(trial.state, TrialState::Expired | TrialState::Canceled);
        let upgrade = catalog().upgrade_of(trial.product, &trial.plan);
        Self {
            product: trial.product,
            state: trial.state,
            access: trial.access(now),
            plan: trial.plan.clone(),
            days_left: trial.days_left(now),
            started_at: trial.started_at,
            ends_at: trial.ends_at,
            grace_ends_at: trial.grace_ends_at,
            extended_at: trial.extended_at,
            purge_at: trial.next_at.filter(|_| is_kept),
            limits: plan.map(|plan| plan.limits.clone()).unwrap_or_default(),
            usage: BTreeMap::new(),
            upgrade: upgrade.map(|plan| plan.name.clone()),
        }
    }

    /// The same with what is in use.
    #[must_use]
    pub fn using(self, usage: BTreeMap<String, u64>) -> Self {
        Self { usage, ..self }
    }
}

/// A checkout, as its organisation sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckoutView {
    /// Its id: Stripe's session.
    pub id: String,
    /// Of which product.
    pub product: Product,
    /// The lookup key of what is bought.
    pub price: String,
    /// How many.
    pub quantity: u64,
    /// Where it stands.
    pub state: SlotState,
    /// Where to pay; absent when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Until when it can be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

impl From<&CheckoutSlot> for CheckoutView {
    fn from(slot: &CheckoutSlot) -> Self {
        let is_open = slot.state == SlotState::Open;
        Self {
            id: slot.session.clone().unwrap_or_default(),
            product: slot.product,
            price: slot.price.clone().unwrap_or_default(),
            quantity: slot.quantity,
            state: slot.state,
            url: slot.url.clone().filter(|_| is_open),
            valid_until: slot.session_valid_until.filter(|_| is_open),
        }
    }
}

/// A subscription, as its organisation sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SubscriptionView {
    /// Of which product.
    pub product: Product,
    /// The plan.
    pub plan: String,
    /// The lookup key of its price.
    pub price: String,
    /// How many.
    pub quantity: u64,
    /// Stripe's word for where it stands.
    pub status: SubscriptionStatus,
    /// What may be done now.
    pub access: Access,
    /// In which currency it is paid.
    pub currency: Currency,
    /// How often it is paid.
    pub interval: Interval,
    /// When the present period began.
    pub period_start: Timestamp,
    /// When the present period ends.
    pub period_end: Timestamp,
    /// When it is to end, if that is decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it is to become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Invoices that were not paid, and what follows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unpaid: Vec<UnpaidView>,
}

/// An invoice that was not paid, and what follows.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UnpaidView {
    /// The invoice.
    pub invoice: String,
    /// How far it has come.
    pub state: DunningState,
    /// What is to be paid.
    pub amount: Money,
    /// Why it was not paid, as the bank says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the payment is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// When the next step follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// Where the payer must confirm the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_url: Option<String>,
    /// Where it can be paid by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_url: Option<String>,
}

impl SubscriptionView {
    /// A subscription with the invoices of it that are open.
    #[must_use]
    pub fn of(subscription: &Subscription, dunning: &[Dunning]) -> Self {
        let observed = &subscription.observed;
        let own = dunning.iter().filter(|ladder| ladder.subscription == observed.stripe_id);
        let is_paid = subscription.first_paid_at.is_some() && subscription.is_live();
        Self {
            product: subscription.product,
            plan: subscription.plan.clone(),
            price: observed.price.clone(),
            quantity: observed.quantity,
            status: observed.status.clone(),
            access: if is_paid { subscription_access(subscription, dunning) } else { Access::None },
            currency: observed.currency,
            interval: observed.interval,
            period_start: observed.period_start,
            period_end: observed.period_end,
            ends_at: subscription.ends_at().filter(|_| subscription.is_live()),
            ended_at: observed.ended_at,
            pending: observed.pending.clone(),
            unpaid: own.filter(|ladder| ladder.state.is_open()).map(UnpaidView::from).collect(),
        }
    }
}

impl From<&Dunning> for UnpaidView {
    fn from(ladder: &Dunning) -> Self {
        Self {
            invoice: ladder.invoice.clone(),
            state: ladder.state,
            amount: ladder.amount,
            reason: ladder.reason.clone(),
            next_attempt_at: ladder.next_attempt_at,
            next_at: ladder.next_at,
            action_url: ladder.action_url.clone(),
            pay_url: ladder.pay_url.clone(),
        }
    }
}

/// An organisation's account, as its people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AccountView {
    /// Where invoices go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// The name on invoices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address on invoices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The language of invoices.
    pub locale: Locale,
    /// The currency that is paid in, once something was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Tax ids, with what was found out about them.
    pub tax_ids: Vec<TaxId>,
    /// What renewals are paid with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_payment_method: Option<String>,
    /// Whether an invoice is past due.
    pub delinquent: bool,
    /// What is owed beyond invoices; negative what is to the customer's good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<Money>,
    /// What may be used, product by product.
    pub products: BTreeMap<String, ProductEntitlement>,
    /// What is subscribed to, or was.
    pub subscriptions: Vec<SubscriptionView>,
}

impl AccountView {
    /// An account with what it pays for.
    #[must_use]
    pub fn of(account: &Account, entitlements: Entitlements, subscriptions: Vec<SubscriptionView>) -> Self {
        let account = account.clone();
        Self {
            email: account.email,
            name: account.name,
            address: account.address,
            locale: account.locale,
            currency: account.currency,
            tax_ids: account.tax_ids,
            default_payment_method: account.default_payment_method,
            delinquent: account.delinquent,
            balance: account.balance,
            products: entitlements.products,
            subscriptions,
        }
    }
}

/// A subscription that begins.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BegunView {
    /// The subscription.
    #[serde(flatten)]
    pub subscription: SubscriptionView,
    /// What the browser confirms the first payment with; absent when it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

/// A way to pay, as its organisation sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MethodView {
    /// Stripe's id.
    pub id: String,
    /// Stripe's type, such as `card` or `sepa_debit`.
    pub method: String,
    /// The card's brand, or the bank's country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Its last digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last4: Option<String>,
    /// The last month a card is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp_month: Option<u32>,
    /// That month's year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp_year: Option<u32>,
    /// Whether renewals are paid with it.
    pub is_default: bool,
}

/// An organisation's ways to pay.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MethodsView {
    /// All of them: there are few.
    pub items: Vec<MethodView>,
}

impl From<&PaymentMethod> for MethodView {
    fn from(method: &PaymentMethod) -> Self {
        Self {
            id: method.id.clone(),
            method: method.method.clone(),
            brand: method.brand.clone(),
            last4: method.last4.clone(),
            exp_month: method.exp_month,
            exp_year: method.exp_year,
            is_default: method.is_default,
        }
    }
}

impl MethodsView {
    /// Ways to pay, the one that renewals take first.
    #[must_use]
    pub fn of(methods: &[Stored<PaymentMethod>]) -> Self {
        let mut items: Vec<MethodView> = methods.iter().map(|method| MethodView::from(&**method)).collect();
        items.sort_by_key(|method| !method.is_default);
        Self { items }
    }
}

/// An event of Stripe's that staff look at.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailedEvent {
    /// Stripe's id of it.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// Stripe's id of what it is about.
    pub object_id: String,
    /// Where it stands.
    pub state: InboxState,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
}

/// Events that could not be worked on.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailedEvents {
    /// The oldest of them, a few hundred at most.
    pub items: Vec<FailedEvent>,
}

impl From<&InboxEvent> for FailedEvent {
    fn from(event: &InboxEvent) -> Self {
        Self {
            id: event.id.clone(),
            event_type: event.event_type.clone(),
            object_id: event.object_id.clone(),
            state: event.state,
            attempts: event.attempts,
            error: event.error.clone(),
            received_at: event.received_at,
        }
    }
}

impl FailedEvents {
    /// These events.
    #[must_use]
    pub fn of(events: &[Stored<InboxEvent>]) -> Self {
        Self { items: events.iter().map(|event| FailedEvent::from(&**event)).collect() }
    }
}
