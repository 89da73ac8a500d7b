//! What goes back to a payer: refunds that are made, and disputes that are lost. Never more than was paid.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::events::{DisputeClosed, DisputeOpened, RefundFailed, RefundMade};
use super::money::round_half_up;
use super::{Money, Product, Transition};
use crate::{OrgId, Refusal, Timestamp};

/// How long before evidence is due staff are called.
const CALLED: Duration = Duration::from_secs(24 * 3_600);

/// A payment, as far as what goes back of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Charge {
    /// Stripe's id.
    pub id: String,
    /// Whose.
    pub org: OrgId,
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The invoice that it paid.
    pub invoice: String,
    /// What was paid.
    pub amount: Money,
    /// The tax in it.
    pub tax: i64,
    /// What went back, or is on its way.
    pub refunded: i64,
    /// What the payer disputes.
    pub disputed: i64,
    /// What is about to go back, by who asked for it: Stripe does not know of it yet.
    #[serde(default)]
    pub reserved: BTreeMap<String, i64>,
}

/// A refund, as Stripe has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refund {
    /// Stripe's id.
    pub id: String,
    /// Whose.
    pub org: OrgId,
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// Of which invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
    /// Of which charge.
    pub charge: String,
    /// How much.
    pub amount: Money,
    /// What of the charge is left after it.
    pub left: Money,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A refund's status, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// The payer must do something.
    RequiresAction,
    /// Arrived.
    Succeeded,
    /// Came back.
    Failed,
    /// Taken back.
    Canceled,
    /// One that came after us.
    #[serde(untagged)]
    Other(String),
}

/// A dispute, as Stripe has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dispute {
    /// Stripe's id.
    pub id: String,
    /// Whose.
    pub org: OrgId,
    /// Of which charge.
    pub charge: String,
    /// How much.
    pub amount: Money,
    /// Why, as the bank says.
    pub reason: String,
    /// Its status, in Stripe's words.
    pub status: String,
    /// Until when evidence is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_by: Option<Timestamp>,
    /// When evidence was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_at: Option<Timestamp>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it must be looked at: a day before evidence is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

impl RefundStatus {
    /// Whether the money is the payer's, or on its way to them.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }
}

impl Charge {
    /// What can still go back.
    #[must_use]
    pub fn left(&self) -> i64 {
        (self.amount.minor - self.refunded - self.disputed - self.reserved.values().sum::<i64>()).max(0)
    }

    /// So much is to go back, as somebody asked. The write is conditional on what went back before, so that two at once are
    /// one after the other.
    ///
    /// # Errors
    /// 409 `disputed` while or after the payer disputes it, `over_refund`; 422 at `/amount`.
    pub fn refund(&self, by: &str, minor: i64) -> Result<Self, Refusal> {
        if minor <= 0 {
            return Err(Refusal::invalid("/amount", "expected an amount above nothing"));
        }
        if self.disputed > 0 {
            let message = "The payer disputes the payment; the dispute decides what goes back.";
            return Err(Refusal::conflict("disputed", message));
        }
        if minor > self.left() {
            let left = Money::new(self.left(), self.amount.currency);
            let message = format!("Only {left} of the payment is left.");
            return Err(Refusal::conflict("over_refund", message).with("left_minor", self.left()));
        }
        let mut next = self.clone();
        next.reserved.insert(by.to_owned(), minor);
        Ok(next)
    }

    /// What was asked for has gone back, or will not.
    #[must_use]
    pub fn release(&self, by: &str) -> Self {
        let mut next = self.clone();
        next.reserved.remove(by);
        next
    }

    /// What Stripe says went back.
    #[must_use]
    pub fn refunded(&self, minor: i64) -> Self {
        Self { refunded: minor.clamp(0, self.amount.minor), ..self.clone() }
    }

    /// What the payer disputes now; what went back already cannot be had again.
    #[must_use]
    pub fn disputed(&self, minor: i64) -> Self {
        let most = self.amount.minor - self.refunded;
        Self { disputed: minor.clamp(0, most.max(0)), ..self.clone() }
    }

    /// The tax in a part of it.
    #[must_use]
    pub fn tax_in(&self, minor: i64) -> i64 {
        if self.amount.minor == 0 {
            return 0;
        }
        round_half_up(i128::from(self.tax) * i128::from(minor), i128::from(self.amount.minor))
    }
}

impl Refund {
    /// What was fetched takes the place of what is here; that money goes back is told once, and that it came back.
    #[must_use]
    pub fn project(previous: Option<&Self>, fetched: Self) -> Transition<Self> {
        let counted = previous.is_some_and(|previous| previous.status.counts());
        if fetched.status.counts() && previous.is_none() {
            let event = RefundMade {
                product: fetched.product,
                refund: fetched.id.clone(),
                invoice: fetched.invoice.clone(),
                amount: fetched.amount,
                left: fetched.left,
                reason: fetched.reason.clone(),
            };
            return Transition::told(fetched, event);
        }
        if !fetched.status.counts() && counted {
            let event = RefundFailed {
                refund: fetched.id.clone(),
                invoice: fetched.invoice.clone(),
                amount: fetched.amount,
                reason: fetched.reason.clone(),
            };
            return Transition::told(fetched, event);
        }
        Transition::quiet(fetched)
    }
}

impl Dispute {
    /// How much of the charge it keeps from us. An inquiry takes nothing yet, and a refund ends it.
    #[must_use]
    pub fn held(&self) -> i64 {
        let asks = self.status.starts_with("warning_");
        if asks || (self.is_closed() && self.status != "lost") { 0 } else { self.amount.minor }
    }

    /// When staff are called, if nothing happens before.
    #[must_use]
    pub fn call_at(&self) -> Option<Timestamp> {
        let waits = matches!(self.status.as_str(), "needs_response" | "warning_needs_response");
        self.due_by.filter(|_| waits && self.evidence_at.is_none()).map(|due_by| due_by - CALLED)
    }

    /// Staff were called.
    #[must_use]
    pub fn called(&self) -> Self {
        Self { next_at: None, ..self.clone() }
    }

    /// Whether it is decided.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.status.as_str(), "won" | "lost" | "warning_closed" | "prevented")
    }

    /// What was fetched takes the place of what is here; its opening and its end are told once.
    #[must_use]
    pub fn project(previous: Option<&Self>, fetched: Self) -> Transition<Self> {
        let was_closed = previous.is_some_and(Self::is_closed);
        if fetched.is_closed() && !was_closed {
            let event = DisputeClosed {
                dispute: fetched.id.clone(),
                charge: fetched.charge.clone(),
                amount: fetched.amount,
                won: fetched.status != "lost",
            };
            return Transition::told(Self { next_at: None, ..fetched }, event);
        }
        if previous.is_none() {
            let event = DisputeOpened {
                dispute: fetched.id.clone(),
                charge: fetched.charge.clone(),
                amount: fetched.amount,
                reason: fetched.reason.clone(),
                due_by: fetched.due_by,
            };
            return Transition::told(fetched, event);
        }
        Transition::quiet(fetched)
    }

    /// Evidence is given.
    ///
    /// # Errors
    /// 410 `past_due_date`; 409 `dispute_closed`.
    pub fn submit_evidence(&self, now: Timestamp) -> Result<Self, Refusal> {
        if self.is_closed() {
            return Err(Refusal::conflict("dispute_closed", "The dispute is decided."));
        }
        if self.due_by.is_some_and(|due_by| due_by <= now) {
            return Err(Refusal::gone("past_due_date", "The bank takes no more evidence."));
        }
        Ok(Self { evidence_at: Some(now), next_at: None, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::Currency;

    fn charge(minor: i64) -> Charge {
        let amount = Money::new(minor, Currency::USD);
        Charge {
            id: "ch_1".to_owned(),
            org: OrgId::from_ulid(1),
            product: None,
            invoice: "in_1".to_owned(),
            amount,
            tax: minor / 6,
            refunded: 0,
            disputed: 0,
            reserved: BTreeMap::new(),
        }
    }

    #[test]
    fn e35_what_is_disputed_is_not_refunded_besides() {
        let asked = charge(1_000).refund("a", 300).expect("a part");
        assert_eq!((asked.refunded, asked.left()), (0, 700), "it is not gone, and cannot be had twice");
        let disputed = asked.release("a").refunded(300).disputed(1_000);
        assert_eq!((disputed.disputed, disputed.left()), (700, 0));
        assert_eq!(disputed.refund("b", 1).map_err(|no| no.code), Err("disputed"));
        assert_eq!(disputed.disputed(0).left(), 700);
        let refusal = charge(1_000).refund("c", 1_001).expect_err("too much");
        assert_eq!((refusal.code, &refusal.details["left_minor"]), ("over_refund", &1_000.into()));
        assert_eq!(charge(1_000).refund("d", 0).map_err(|no| no.code), Err("invalid"));
        assert_eq!(charge(1_200).tax_in(1_200), 200);
    }

    #[test]
    fn a_refund_is_told_once_however_often_it_is_fetched() {
        let refund = |status| Refund {
            id: "re_1".to_owned(),
            org: OrgId::from_ulid(1),
            product: None,
            invoice: None,
            charge: "ch_1".to_owned(),
            amount: Money::new(100, Currency::USD),
            left: Money::new(900, Currency::USD),
            status,
            reason: None,
            created_at: Timestamp::from_secs(1),
        };
        let told = |previous: Option<&Refund>, status| {
            Refund::project(previous, refund(status)).event.map(|event| event.name())
        };
        let pending = refund(RefundStatus::Pending);
        assert_eq!(told(None, RefundStatus::Pending), Some("billing.refund_made"));
        assert_eq!(told(None, RefundStatus::Succeeded), Some("billing.refund_made"));
        assert_eq!(told(Some(&pending), RefundStatus::Succeeded), None);
        assert_eq!(told(Some(&pending), RefundStatus::Failed), Some("billing.refund_failed"));
        assert_eq!(told(None, RefundStatus::Failed), None);
    }

    #[test]
    fn evidence_is_taken_until_it_is_due() {
        let due_by = Timestamp::from_secs(1_000);
        let dispute = Dispute {
            id: "dp_1".to_owned(),
            org: OrgId::from_ulid(1),
            charge: "ch_1".to_owned(),
            amount: Money::new(100, Currency::USD),
            reason: "fraudulent".to_owned(),
            status: "needs_response".to_owned(),
            due_by: Some(due_by),
            evidence_at: None,
            created_at: Timestamp::from_secs(1),
            next_at: None,
        };
        assert!(dispute.submit_evidence(Timestamp::from_secs(999)).is_ok());
        assert_eq!(dispute.submit_evidence(due_by).map_err(|no| no.code), Err("past_due_date"));
        let opened = Dispute::project(None, dispute.clone());
        assert_eq!(opened.event.map(|event| event.name()), Some("billing.dispute_opened"));
        let lost = Dispute { status: "lost".to_owned(), ..dispute.clone() };
        let closed = Dispute::project(Some(&dispute), lost.clone());
        assert_eq!(closed.event.map(|event| event.name()), Some("billing.dispute_closed"));
        assert_eq!(Dispute::project(Some(&lost), lost.clone()).event, None);
    }

    proptest! {
        /// I9, whatever is asked for in whatever order.
        #[test]
        fn what_goes_back_never_exceeds_what_was_paid(
            minor in 1..1_000_000_i64, asked in prop::collection::vec((0..5_u8, -10..1_000_000_i64), 0..60),
        ) {
            let mut charge = charge(minor);
            for (what, amount) in asked {
                let asked = charge.reserved.get("a").copied().unwrap_or(0);
                charge = match what {
                    0 => charge.refund("a", amount).unwrap_or(charge),
                    1 => charge.release("a").refunded(charge.refunded + asked),
                    2 => charge.release("a"),
                    3 if asked == 0 => charge.disputed(amount),
                    _ => charge.disputed(0),
                };
                let asked: i64 = charge.reserved.values().sum();
                prop_assert!(charge.refunded >= 0 && charge.disputed >= 0 && asked >= 0);
                prop_assert!(charge.refunded + charge.disputed + asked <= minor);
                prop_assert_eq!(charge.left(), minor - charge.refunded - charge.disputed - asked);
            }
        }
    }
}
