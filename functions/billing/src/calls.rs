//! Calls that change something at Stripe: stored before they are made, and finished whatever happens to their maker.
//!
//! 1. The call, with all it says and its key, is stored together with what it is made for.
//! 2. It is made. Whoever wants the same at the same time makes the same call with the same key, which Stripe takes for one.
//! 3. What came of it is stored together with what follows from it.
//!
//! A maker who dies leaves a call that is due; `finish_stripe_ops` makes it again. When Stripe may have forgotten the key, or
//! keeps a failure under it, the object is looked for first.

use std::collections::BTreeMap;

use domain::billing::stripe_op::OpError;
use domain::billing::{Call, OpState, OpTrigger, StripeOp};
use platform::event::Origin;
use platform::store::{Stored, Write, again};
use platform::stripe::{Stripe, StripeError};
use platform::{App, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Billing;
use crate::effects;

/// The metadata by which an object is found that was made by a call whose answer was lost.
pub const MARK: &str = "tenantry_call";

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Makes the organisation's customer.
    Customer,
    /// Brings the customer's name and address up to date.
    CustomerUpdate,
    /// Opens a checkout.
    Checkout,
    /// Gives the money of a second purchase back.
    RefundDouble,
    /// Begins a subscription without a checkout.
    Subscribe,
    /// Changes a subscription at once.
    Change,
    /// Makes the schedule of a later change.
    Schedule,
    /// Says what the schedule changes.
    SchedulePhases,
    /// Pays an invoice now.
    Pay,
    /// Gives a part of an invoice back, with a credit note.
    Refund,
}

/// A call to be made.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it does.
    pub action: Action,
    /// To what: the same twice is one call.
    pub entity: String,
    /// Where to.
    pub path: String,
    /// What it says.
    pub form: Value,
    /// What is to be said of what it makes, whatever happens to its maker: the path takes its id in the place of `{id}`.
    pub then: Option<Next>,
}

impl Wanted {
    /// A call that nothing follows.
    ///
    /// # Errors
    /// `internal` for a form that is none.
    pub fn new(
        action: Action,
        entity: impl Into<String>,
        path: impl Into<String>,
        form: &impl Serialize,
    ) -> Result<Self> {
        let form = serde_json::to_value(form).map_err(Error::caused)?;
        Ok(Self { action, entity: entity.into(), path: path.into(), form, then: None })
    }
}

/// What is stored of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) path: String,
    pub(crate) form: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) then: Option<Next>,
}

/// A call that follows another one, to the same entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Next {
    /// What it does.
    pub action: Action,
    /// Where to.
    pub path: String,
    /// What it says.
    pub form: Value,
}

/// One organisation's calls.
pub struct Calls<'a> {
    /// The function.
    pub app: &'a App,
    /// The client.
    pub stripe: Stripe,
    /// The organisation.
    pub billing: Billing,
    /// What causes the calls.
    pub origin: &'a Origin,
}

impl Action {
    const ALL: [Self; 10] = [
        Self::Customer,
        Self::CustomerUpdate,
        Self::Checkout,
        Self::RefundDouble,
        Self::Subscribe,
        Self::Change,
        Self::Schedule,
        Self::SchedulePhases,
        Self::Pay,
        Self::Refund,
    ];

    /// Its name in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::CustomerUpdate => "customer_update",
            Self::Checkout => "checkout",
            Self::RefundDouble => "refund_double",
            Self::Subscribe => "subscribe",
            Self::Change => "change",
            Self::Schedule => "schedule",
            Self::SchedulePhases => "schedule_phases",
            Self::Pay => "pay",
            Self::Refund => "refund",
        }
    }

    /// The action with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

impl Calls<'_> {
    /// Stores a call together with what it is made for, and makes it. One that was stored before is joined; then the writes
    /// are left out.
    ///
    /// # Errors
    /// What Stripe refuses; `version_conflict` if the writes' conditions fail.
    pub async fn make(&self, wanted: Wanted, with: Vec<Write>) -> Result<Value> {
        let Wanted { action, entity, path, mut form, then } = wanted;
        let before = self.billing.op(action.as_str(), &entity).await?;
        if let Some(stored) = before.as_ref().filter(|stored| stored.state != OpState::Failed) {
            return self.go_on(stored).await?.ok_or(Error::Conflict);
        }
        let org = self.billing.org();
        if takes_metadata(action) {
            form["metadata"][MARK] = format!("{org}:{}:{entity}", action.as_str()).into();
        }
        let params = serde_json::to_value(Recorded { path, form, then }).map_err(Error::caused)?;
        let op = StripeOp::new(self.origin.id(), org, action.as_str(), &entity, params, self.origin.now);
        // One that failed for good is made anew, under a key of its own.
        let op = StripeOp { generation: before.as_ref().map_or(1, |before| before.generation + 1), ..op };
        let op = op.step(&OpTrigger::Sending, self.origin.now);
        match self.billing.begin_op(before.as_ref(), &op, with).await {
            Ok(()) => self.send(&op).await,
            Err(Error::Conflict) => self.join(action, &entity).await?.ok_or(Error::Conflict),
            Err(error) => Err(error),
        }
    }

    /// The write of a call that is to be made once that is stored; made by [`Calls::join`], or by whoever finds it due.
    ///
    /// # Errors
    /// `internal`.
    pub(crate) fn planned(&self, entity: &str, next: Next) -> Result<Write> {
        let Next { action, path, form } = next;
        let params = serde_json::to_value(Recorded { path, form, then: None }).map_err(Error::caused)?;
        let op = StripeOp::new(
            self.origin.id(),
            self.billing.org(),
            action.as_str(),
            entity,
            params,
            self.origin.now,
        );
        Ok(self.billing.planned_op(&op))
    }

    /// Makes a call again that was stored before. `None` if there is none, or it failed for good.
    ///
    /// # Errors
    /// What Stripe refuses.
    pub async fn join(&self, action: Action, entity: &str) -> Result<Option<Value>> {
        match self.billing.op(action.as_str(), entity).await? {
            Some(stored) => self.go_on(&stored).await,
            None => Ok(None),
        }
    }

    /// Takes a stored call one try further.
    ///
    /// # Errors
    /// What Stripe refuses.
    pub async fn go_on(&self, stored: &Stored<StripeOp>) -> Result<Option<Value>> {
        match (stored.state, stored.next_call(self.origin.now)) {
            (OpState::Done, _) => Ok(Some(json!({ "id": stored.result }))),
            (_, Call::Nothing) => Ok(None),
            (_, Call::Send) if effects::is_overtaken(self, stored).await? => {
                let sent = stored.step(&OpTrigger::Sending, self.origin.now);
                let done = sent.step(&OpTrigger::Succeeded { result: String::new() }, self.origin.now);
                self.billing.end_op(stored, &done, Vec::new()).await?;
                Ok(Some(json!({ "id": "" })))
            }
            (_, Call::Send) => self.again(stored).await.map(Some),
            (_, Call::LookUp) => match effects::look_up(self, stored).await? {
                Some(object) => self
                    .finished(stored, OpTrigger::Found { result: id_of(&object) }, &object)
                    .await
                    .map(Some),
                None => {
                    let op = stored.step(&OpTrigger::NotFound, self.origin.now);
                    self.billing.end_op(stored, &op, Vec::new()).await?;
                    self.again(&op).await.map(Some)
                }
            },
        }
    }

    /// Counts a further try, and makes it.
    async fn again(&self, op: &StripeOp) -> Result<Value> {
        let Some(stored) = self.billing.op(&op.action, &op.entity).await? else {
            return Err(Error::internal("a call that is to be made is not stored"));
        };
        let sent = stored.step(&OpTrigger::Sending, self.origin.now);
        self.billing.end_op(&stored, &sent, Vec::new()).await?;
        self.send(&sent).await
    }

    async fn send(&self, op: &StripeOp) -> Result<Value> {
        let Recorded { path, form, .. } = serde_json::from_value(op.params.clone()).map_err(Error::caused)?;
        match self.stripe.post::<Value>(&path, &form, &op.key()).await {
            Ok(object) => self.finished(op, OpTrigger::Succeeded { result: id_of(&object) }, &object).await,
            Err(error) => {
                self.failed(op, &error).await?;
                Err(error.into())
            }
        }
    }

    async fn finished(&self, op: &StripeOp, trigger: OpTrigger, object: &Value) -> Result<Value> {
        again(async || {
            let Some(stored) = self.billing.op(&op.action, &op.entity).await? else {
                return Err(Error::internal("a call that was made is not stored"));
            };
            if stored.state == OpState::Done {
                return Ok(());
            }
            let effects = effects::follow(self, &stored, object).await?;
            let done = stored.step(&trigger, self.origin.now);
            self.billing.end_op(&stored, &done, effects).await
        })
        .await?;
        self.app.count("StripeOpsFinished", 1);
        Ok(object.clone())
    }

    async fn failed(&self, op: &StripeOp, error: &StripeError) -> Result<()> {
        let trigger = if error.may_have_happened() {
            OpTrigger::Unavailable { replayed: error.was_replayed }
        } else {
            OpTrigger::Refused(OpError { code: error.code().to_owned(), message: error.message.clone() })
        };
        // A key that was used for something else is our own fault, and no customer's card.
        if !error.may_have_happened() && !error.is_the_customers() {
            self.app.count("StripeOpsFailed", 1);
        }
        again(async || {
            let Some(stored) = self.billing.op(&op.action, &op.entity).await? else { return Ok(()) };
            if matches!(stored.state, OpState::Done | OpState::Failed) {
                return Ok(());
            }
            let next = stored.step(&trigger, self.origin.now);
            let effects = if next.state == OpState::Failed {
                effects::give_up(self, &stored).await?
            } else {
                Vec::new()
            };
            self.billing.end_op(&stored, &next, effects).await
        })
        .await
    }
}

fn takes_metadata(action: Action) -> bool {
    matches!(
        action,
        Action::Customer | Action::Checkout | Action::RefundDouble | Action::Subscribe | Action::Refund
    )
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_default().to_owned()
}

/// Metadata that tells whose an object is.
#[must_use]
pub fn metadata(pairs: &[(&str, String)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
