//! Trials: fourteen days, three days of grace, and what comes of them. No subscription stands behind one; it is ours.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::catalog;
use super::events::{
    TrialCanceled, TrialConverted, TrialExpired, TrialExtended, TrialGraceBegun, TrialNoticeDue,
    TrialPaymentPending, TrialPurged, TrialResumed, TrialStarted,
};
use super::{Product, Transition};
use crate::accounts::Access;
use crate::{OrgId, Refusal, Timestamp, UserId};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How long a trial lasts.
pub const LASTS: Duration = Duration::from_secs(14 * 24 * 3_600);
/// How long what there is stays after it.
pub const GRACE: Duration = Duration::from_secs(3 * 24 * 3_600);
/// How much of the grace is left at least when its notice goes out, however late that is.
pub const LEAST_GRACE: Duration = DAY;
/// How long a payment on its way is waited for.
pub const CONVERTING: Duration = Duration::from_secs(14 * 24 * 3_600);
/// How long the data are kept after a trial that nobody paid for.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);
/// So many days before the end there is a notice.
pub const NOTICES: [u8; 3] = [7, 3, 1];
/// The most days that staff can give.
pub const MOST_EXTENSION: u32 = 14;

/// An organisation's one trial of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Whose.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// Where it stands.
    pub state: TrialState,
    /// The plan that is tried.
    pub plan: String,
    /// The catalogue that its limits come from.
    pub catalog_version: u32,
    /// Who began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<UserId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When the grace after it ends.
    pub grace_ends_at: Timestamp,
    /// The notices that went out or were overtaken, by days before the end.
    #[serde(default)]
    pub notices: BTreeSet<u8>,
    /// When staff gave it more time, which they do once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_at: Option<Timestamp>,
    /// Until when a payment on its way is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converting_until: Option<Timestamp>,
    /// Whether a failed payment has already brought it a grace of its own, which happens once.
    #[serde(default)]
    pub regraced: bool,
    /// When it was converted, expired or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When time moves it next; absent when time does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// It runs.
    Active,
    /// It is over; what there is stays, and nothing new is made.
    Grace,
    /// A payment is on its way.
    Converting,
    /// It was paid for.
    Converted,
    /// Nobody paid; the data are kept for a while.
    Expired,
    /// Somebody ended it; the data are kept for a while.
    Canceled,
    /// The data are gone.
    Purged,
}

/// A trial is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartTrial {
    /// For whom.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// By whom.
    pub by: Option<UserId>,
    /// Whether the organisation pays for the product already.
    pub subscribed: bool,
}

/// What happens to a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialTrigger {
    /// The sweep came by.
    Due,
    /// A checkout was finished, and its payment takes days.
    CheckoutUnpaid,
    /// That payment failed.
    PaymentFailed,
    /// An invoice for the product was paid.
    Paid {
        /// For which plan.
        plan: String,
    },
    /// Staff give it more time.
    Extend {
        /// How many days.
        days: u32,
        /// Who.
        by: Option<UserId>,
    },
    /// Its owner ends it.
    Cancel {
        /// Who.
        by: Option<UserId>,
    },
}

impl Trial {
    /// Begins a trial. `existing` is the one that the organisation had, at whatever state.
    ///
    /// # Errors
    /// 409 `trial_used` for a second one, `subscribed`, and `no_trial` for a product that has none.
    pub fn start(
        wanted: &StartTrial,
        existing: Option<&Self>,
        now: Timestamp,
    ) -> Result<Transition<Self>, Refusal> {
        let StartTrial { org, product, by, subscribed } = *wanted;
        if existing.is_some() {
            return Err(trial_used(product));
        }
        if subscribed {
            return Err(Refusal::conflict(
                "subscribed",
                format!("The organisation pays for {product} already."),
            ));
        }
        let Some(plan) = catalog().trial_plan(product) else {
            return Err(Refusal::conflict("no_trial", format!("There is no trial of {product}.")));
        };
        let ends_at = now + LASTS;
        let trial = Self {
            org,
            product,
            state: TrialState::Active,
            plan: plan.name.clone(),
            catalog_version: catalog().version,
            started_by: by,
            started_at: now,
            ends_at,
            grace_ends_at: ends_at + GRACE,
            notices: BTreeSet::new(),
            extended_at: None,
            converting_until: None,
            regraced: false,
            ended_at: None,
            next_at: None,
        };
        let trial = Self { next_at: Some(trial.active_until()), ..trial };
        let started = TrialStarted { product, plan: trial.plan.clone(), ends_at, started_by: by };
        Ok(Transition::told(trial, started))
    }

    /// What a trigger makes of it. Each call moves it by one step, so that each step has its own write and its own mail;
    /// a sweep that comes late calls again while `next_at` has passed.
    ///
    /// # Errors
    /// To people alone: 409 `trial_not_running`, `already_extended`; 422 at `/days`.
    pub fn step(&self, trigger: &TrialTrigger, now: Timestamp) -> Result<Transition<Self>, Refusal> {
        Ok(match trigger {
            TrialTrigger::Due => self.due(now),
            TrialTrigger::CheckoutUnpaid => self.checkout_unpaid(now),
            TrialTrigger::PaymentFailed => self.payment_failed(now),
            TrialTrigger::Paid { plan } => self.paid(plan, now),
            TrialTrigger::Extend { days, by } => return self.extend(*days, *by, now),
            TrialTrigger::Cancel { by } => return self.cancel(*by, now),
        })
    }

    /// How far the door stands open at a moment, whatever the sweep has seen of it: lateness gives no free time.
    #[must_use]
    pub fn access(&self, now: Timestamp) -> Access {
        match self.state {
            TrialState::Active if now < self.ends_at => Access::Full,
            TrialState::Active | TrialState::Grace => Access::ReadOnly,
            TrialState::Converting => Access::Full,
            TrialState::Converted | TrialState::Expired | TrialState::Canceled | TrialState::Purged => {
                Access::None
            }
        }
    }

    /// Days until the end, rounded up; 0 when it is over.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> u8 {
        days(self.ends_at, now)
    }

    fn due(&self, now: Timestamp) -> Transition<Self> {
        if self.next_at.is_none_or(|next_at| now < next_at) {
            return Transition::quiet(self.clone());
        }
        match self.state {
            TrialState::Active if now >= self.ends_at => {
                let grace_ends_at = (self.ends_at + GRACE).max(now + LEAST_GRACE);
                self.graced(grace_ends_at, false)
            }
            TrialState::Active => self.notice(now),
            TrialState::Grace => self.expired(now),
            TrialState::Converting => self.payment_failed(now),
            TrialState::Expired | TrialState::Canceled => {
                let purged = Self { state: TrialState::Purged, next_at: None, ..self.clone() };
                let event = TrialPurged { product: self.product, plan: self.plan.clone() };
                Transition::told(purged, event)
            }
            TrialState::Converted | TrialState::Purged => Transition::quiet(self.clone()),
        }
    }

    /// Of several notices that are due the nearest to the end is told; the others would say what is no longer so.
    fn notice(&self, now: Timestamp) -> Transition<Self> {
        let passed = NOTICES.into_iter().filter(|before| self.notice_at(*before) <= now);
        let mut trial = self.clone();
        trial.notices.extend(passed);
        trial.next_at = Some(trial.active_until());
        let event = TrialNoticeDue {
            product: self.product,
            plan: self.plan.clone(),
            days_left: self.days_left(now),
            ends_at: self.ends_at,
            grace_ends_at: self.grace_ends_at,
        };
        Transition::told(trial, event)
    }

    fn graced(&self, grace_ends_at: Timestamp, payment_failed: bool) -> Transition<Self> {
        let trial = Self {
            state: TrialState::Grace,
            grace_ends_at,
            converting_until: None,
            next_at: Some(grace_ends_at),
            ..self.clone()
        };
        let event = TrialGraceBegun {
            product: self.product,
            plan: self.plan.clone(),
            ended_at: self.ends_at,
            grace_ends_at,
            payment_failed,
        };
        Transition::told(trial, event)
    }

    fn expired(&self, now: Timestamp) -> Transition<Self> {
        let purge_at = now + RETENTION;
        let trial = Self {
            state: TrialState::Expired,
            converting_until: None,
            ended_at: Some(now),
            next_at: Some(purge_at),
            ..self.clone()
        };
        let event = TrialExpired { product: self.product, plan: self.plan.clone(), purge_at };
        Transition::told(trial, event)
    }

    fn checkout_unpaid(&self, now: Timestamp) -> Transition<Self> {
        let converting_until = now + CONVERTING;
        match self.state {
            TrialState::Active | TrialState::Grace => {
                let trial = Self {
                    state: TrialState::Converting,
                    converting_until: Some(converting_until),
                    next_at: Some(converting_until),
                    ..self.clone()
                };
                let event =
                    TrialPaymentPending { product: self.product, plan: self.plan.clone(), converting_until };
                Transition::told(trial, event)
            }
            // The data must still be there when the money comes.
            TrialState::Expired | TrialState::Canceled => {
                Transition::quiet(Self { next_at: self.next_at.max(Some(converting_until)), ..self.clone() })
            }
            TrialState::Converting | TrialState::Converted | TrialState::Purged => {
                Transition::quiet(self.clone())
            }
        }
    }

    fn payment_failed(&self, now: Timestamp) -> Transition<Self> {
        if self.state != TrialState::Converting {
            return Transition::quiet(self.clone());
        }
        if now < self.ends_at {
            let trial = Self { state: TrialState::Active, converting_until: None, ..self.clone() };
            let trial = Self { next_at: Some(trial.active_until()), ..trial };
            let event =
                TrialResumed { product: self.product, plan: self.plan.clone(), ends_at: self.ends_at };
            return Transition::told(trial, event);
        }
        if self.regraced && self.grace_ends_at <= now {
            return self.expired(now);
        }
        let least = if self.regraced { now } else { now + LEAST_GRACE };
        let failed = Self { regraced: true, ..self.clone() };
        failed.graced(self.grace_ends_at.max(least), true)
    }

    fn paid(&self, plan: &str, now: Timestamp) -> Transition<Self> {
        let late = match self.state {
            TrialState::Active | TrialState::Grace | TrialState::Converting => false,
            TrialState::Expired | TrialState::Canceled => true,
            TrialState::Converted | TrialState::Purged => return Transition::quiet(self.clone()),
        };
        let trial = Self {
            state: TrialState::Converted,
            converting_until: None,
            ended_at: Some(now),
            next_at: None,
            ..self.clone()
        };
        Transition::told(trial, TrialConverted { product: self.product, plan: plan.to_owned(), late })
    }

    fn extend(&self, days: u32, by: Option<UserId>, now: Timestamp) -> Result<Transition<Self>, Refusal> {
        if !matches!(self.state, TrialState::Active | TrialState::Grace) {
            return Err(not_running());
        }
        if self.extended_at.is_some() {
            return Err(Refusal::conflict("already_extended", "The trial was extended before."));
        }
        if !(1..=MOST_EXTENSION).contains(&days) {
            return Err(Refusal::invalid("/days", format!("expected 1 to {MOST_EXTENSION} days")));
        }
        let ends_at = self.ends_at.max(now) + DAY.saturating_mul(days);
        let mut trial = Self {
            state: TrialState::Active,
            ends_at,
            grace_ends_at: ends_at + GRACE,
            extended_at: Some(now),
            ..self.clone()
        };
        // A notice of the old end is no notice of the new one; one whose day has passed for both is not caught up on.
        trial.notices = NOTICES.into_iter().filter(|before| trial.notice_at(*before) <= now).collect();
        trial.next_at = Some(trial.active_until());
        let event =
            TrialExtended { product: self.product, plan: self.plan.clone(), days, ends_at, extended_by: by };
        Ok(Transition::told(trial, event))
    }

    fn cancel(&self, by: Option<UserId>, now: Timestamp) -> Result<Transition<Self>, Refusal> {
        match self.state {
            TrialState::Active | TrialState::Grace | TrialState::Converting => {}
            TrialState::Canceled => return Ok(Transition::quiet(self.clone())),
            TrialState::Converted | TrialState::Expired | TrialState::Purged => return Err(not_running()),
        }
        // A payment on its way may still arrive, and finds the data.
        let purge_at = (now + RETENTION).max(self.converting_until.unwrap_or(now));
        let trial = Self {
            state: TrialState::Canceled,
            converting_until: None,
            ended_at: Some(now),
            next_at: Some(purge_at),
            ..self.clone()
        };
        let event =
            TrialCanceled { product: self.product, plan: self.plan.clone(), purge_at, canceled_by: by };
        Ok(Transition::told(trial, event))
    }

    fn notice_at(&self, days_before: u8) -> Timestamp {
        self.ends_at - DAY.saturating_mul(u32::from(days_before))
    }

    /// When time moves a running trial: at the next notice, else at its end.
    fn active_until(&self) -> Timestamp {
        let ahead = NOTICES.into_iter().filter(|before| !self.notices.contains(before));
        ahead.map(|before| self.notice_at(before)).min().unwrap_or(self.ends_at)
    }
}

/// The organisation, its people or its company had a trial of the product before (409).
#[must_use]
pub fn trial_used(product: Product) -> Refusal {
    let message = format!("The trial of {product} was used: there is one for each organisation and company.");
    Refusal::conflict("trial_used", message)
}

fn not_running() -> Refusal {
    Refusal::conflict("trial_not_running", "The trial is over.")
}

fn days(until: Timestamp, now: Timestamp) -> u8 {
    u8::try_from(until.since(now).as_millis().div_ceil(DAY.as_millis())).unwrap_or(u8::MAX)
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
