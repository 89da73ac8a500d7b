//! The inbox of Stripe's events: which ones are acted on, and how far each has come.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Refusal, Timestamp};

/// The tries after which an event is left to people.
pub const MOST_TRIES: u32 = 5;
/// How long an event may wait to be acted on. A worker that ends before it could count a try leaves it waiting.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// An event of Stripe's, kept so that it is acted on once and can be acted on again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InboxEvent {
    /// Stripe's id of it.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// When Stripe made it.
    pub created: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// The connected account it is about, if it is not about ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether it is about real money.
    pub livemode: bool,
    /// Stripe's id of the object it is about.
    pub object_id: String,
    /// The object as the event has it; the truth is what Stripe says when asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// Where it stands.
    pub state: InboxState,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Why it was skipped, or failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// When people must look at it; absent once it is done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_at: Option<Timestamp>,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    /// It is to be acted on.
    Received,
    /// It was acted on.
    Done,
    /// It is none of ours.
    Skipped,
    /// It was tried in vain too often; people look.
    Failed,
}

/// What happens to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxTrigger {
    /// It was acted on.
    Processed,
    /// That failed.
    Tried {
        /// Why.
        error: String,
    },
}

/// What an event is about, and so what is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A checkout session.
    Checkout,
    /// A subscription.
    Subscription,
    /// A subscription's schedule.
    Schedule,
    /// An invoice.
    Invoice,
    /// A payment of an invoice.
    InvoicePayment,
    /// The set-up of a payment method.
    SetupIntent,
    /// A payment method.
    PaymentMethod,
    /// The permission to debit a bank account.
    Mandate,
    /// A customer.
    Customer,
    /// A customer's tax id.
    TaxId,
    /// A payment.
    PaymentIntent,
    /// A charge.
    Charge,
    /// A refund.
    Refund,
    /// A dispute.
    Dispute,
    /// A warning of fraud.
    FraudWarning,
    /// A connected account.
    ConnectedAccount,
    /// A payout.
    Payout,
    /// A transfer.
    Transfer,
    /// An alert on use.
    UsageAlert,
    /// Use that a meter refused.
    MeterError,
}

/// What is to be done with an event that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is acted on.
    Accept(Topic),
    /// It is kept and left alone.
    Skip {
        /// Why.
        reason: &'static str,
        /// Whether people must hear of it.
        alert: bool,
    },
}

impl Topic {
    /// What a type of event is about; `None` for the types that are not acted on.
    #[must_use]
    pub fn of(event_type: &str) -> Option<Self> {
        let (object, what) = event_type.rsplit_once('.')?;
        let acted_on = |whats: &[&str], topic| whats.contains(&what).then_some(topic);
        match object {
            "checkout.session" => acted_on(
                &["completed", "async_payment_succeeded", "async_payment_failed", "expired"],
                Self::Checkout,
            ),
            "customer.subscription" => acted_on(
                &[
                    "created",
                    "updated",
                    "deleted",
                    "paused",
                    "resumed",
                    "trial_will_end",
                    "pending_update_applied",
                    "pending_update_expired",
                ],
                Self::Subscription,
            ),
            "subscription_schedule" => {
                acted_on(&["updated", "released", "aborted", "completed"], Self::Schedule)
            }
            "invoice" => acted_on(
                &[
                    "created",
                    "finalized",
                    "finalization_failed",
                    "paid",
                    "payment_succeeded",
                    "payment_failed",
                    "payment_action_required",
                    "upcoming",
                    "overdue",
                    "voided",
                    "marked_uncollectible",
                ],
                Self::Invoice,
            ),
            "invoice_payment" => acted_on(&["paid"], Self::InvoicePayment),
            "setup_intent" => acted_on(&["succeeded", "setup_failed"], Self::SetupIntent),
            "payment_method" => {
                acted_on(&["attached", "detached", "updated", "automatically_updated"], Self::PaymentMethod)
            }
            "mandate" => acted_on(&["updated"], Self::Mandate),
            "customer" => acted_on(&["updated", "deleted"], Self::Customer),
            "customer.tax_id" => acted_on(&["updated"], Self::TaxId),
            "payment_intent" => acted_on(
                &[
                    "succeeded",
                    "payment_failed",
                    "canceled",
                    "requires_action",
                    "amount_capturable_updated",
                    "processing",
                ],
                Self::PaymentIntent,
            ),
            "charge" => acted_on(&["captured", "refunded", "expired"], Self::Charge),
            "refund" => acted_on(&["created", "updated", "failed"], Self::Refund),
            "charge.dispute" => acted_on(
                &["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"],
                Self::Dispute,
            ),
            "radar.early_fraud_warning" => acted_on(&["created"], Self::FraudWarning),
            "account" => acted_on(&["updated"], Self::ConnectedAccount),
            "account.application" => acted_on(&["deauthorized"], Self::ConnectedAccount),
            "payout" => acted_on(&["created", "paid", "failed", "canceled"], Self::Payout),
            "transfer" => acted_on(&["reversed"], Self::Transfer),
            "billing.alert" => acted_on(&["triggered"], Self::UsageAlert),
            "v1.billing.meter" => acted_on(&["error_report_triggered", "no_meter_found"], Self::MeterError),
            _ => None,
        }
    }
}

impl Disposition {
    /// What is to be done with an event. `live` is whether this deployment is about real money, `known` whether the
    /// connected account is one of ours.
    #[must_use]
    pub fn of(event_type: &str, livemode: bool, live: bool, account: Option<&str>, known: bool) -> Self {
        if livemode != live {
            return Self::Skip { reason: "wrong_mode", alert: true };
        }
        if account.is_some() && !known {
            return Self::Skip { reason: "unknown_account", alert: true };
        }
        Topic::of(event_type).map_or(Self::Skip { reason: "unknown_type", alert: false }, Self::Accept)
    }
}

impl InboxEvent {
    /// What a trigger makes of it. What is done with stays so.
    #[must_use]
    pub fn step(&self, trigger: &InboxTrigger, now: Timestamp) -> Self {
        let next = self.clone();
        match (self.state, trigger) {
            (InboxState::Received | InboxState::Failed, InboxTrigger::Processed) => {
                Self { state: InboxState::Done, error: None, done_at: Some(now), overdue_at: None, ..next }
            }
            (InboxState::Received, InboxTrigger::Tried { error }) => {
                let attempts = self.attempts + 1;
                let error = Some(error.clone());
                if attempts >= MOST_TRIES {
                    Self { state: InboxState::Failed, attempts, error, overdue_at: Some(now), ..next }
                } else {
                    Self { attempts, error, ..next }
                }
            }
            _ => next,
        }
    }

    /// Staff want it acted on once more.
    ///
    /// # Errors
    /// 409 `in_progress` while it is to be acted on anyway.
    pub fn replay(&self, now: Timestamp) -> Result<Self, Refusal> {
        if self.state == InboxState::Received && self.overdue_at.is_some_and(|at| now < at) {
            return Err(Refusal::conflict("in_progress", "The event is to be acted on already."));
        }
        Ok(Self {
            state: InboxState::Received,
            attempts: 0,
            error: None,
            done_at: None,
            overdue_at: Some(now + PATIENCE),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn event() -> InboxEvent {
        InboxEvent {
            id: "evt_1".to_owned(),
            event_type: "invoice.paid".to_owned(),
            created: NOW,
            received_at: NOW,
            account: None,
            livemode: false,
            object_id: "in_1".to_owned(),
            object: None,
            state: InboxState::Received,
            attempts: 0,
            error: None,
            done_at: None,
            overdue_at: Some(NOW + PATIENCE),
        }
    }

    #[test]
    fn e10_what_is_none_of_ours_is_skipped() {
        let of = |kind: &str, livemode, account| Disposition::of(kind, livemode, false, account, false);
        assert_eq!(of("invoice.paid", false, None), Disposition::Accept(Topic::Invoice));
        assert_eq!(of("invoice.paid", true, None), Disposition::Skip { reason: "wrong_mode", alert: true });
        assert_eq!(
            of("payout.paid", false, Some("acct_1")),
            Disposition::Skip { reason: "unknown_account", alert: true }
        );
        assert_eq!(
            of("invoice.danced", false, None),
            Disposition::Skip { reason: "unknown_type", alert: false }
        );
        let known = Disposition::of("payout.paid", false, false, Some("acct_1"), true);
        assert_eq!(known, Disposition::Accept(Topic::Payout));
    }

    #[test]
    fn types_with_several_dots_are_told_apart() {
        for (kind, topic) in [
            ("customer.updated", Some(Topic::Customer)),
            ("customer.subscription.updated", Some(Topic::Subscription)),
            ("customer.tax_id.updated", Some(Topic::TaxId)),
            ("charge.dispute.closed", Some(Topic::Dispute)),
            ("charge.refunded", Some(Topic::Charge)),
            ("v1.billing.meter.no_meter_found", Some(Topic::MeterError)),
            ("customer.created", None),
            ("ping", None),
        ] {
            assert_eq!(Topic::of(kind), topic, "{kind}");
        }
    }

    #[test]
    fn an_event_is_done_once_and_failed_after_five_tries() {
        let tried = InboxTrigger::Tried { error: "503".to_owned() };
        let mut event = event();
        for _ in 1..MOST_TRIES {
            event = event.step(&tried, NOW);
            assert_eq!(event.state, InboxState::Received, "E7: it is picked up again");
        }
        let failed = event.step(&tried, NOW);
        assert_eq!(failed.state, InboxState::Failed);
        assert_eq!(failed.step(&tried, NOW), failed);
        let done = failed.step(&InboxTrigger::Processed, NOW);
        assert_eq!((done.state, done.done_at), (InboxState::Done, Some(NOW)));
        assert_eq!(done.step(&tried, NOW), done);
        let again = done.replay(NOW).expect("done");
        assert_eq!(again.state, InboxState::Received);
        assert_eq!(again.replay(NOW).map_err(|no| no.code), Err("in_progress"));
        let forgotten = again.replay(NOW + PATIENCE).expect("nobody acted on it");
        assert_eq!(forgotten.overdue_at, Some(NOW + PATIENCE + PATIENCE));
    }
}
