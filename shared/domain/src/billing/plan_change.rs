//! What people may do to a subscription: change it, end it, take that back, pause it. Stripe does it; here it is decided
//! whether, and when.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::catalog::{PriceRef, catalog};
use super::{Pending, Subscription, SubscriptionStatus};
use crate::{Refusal, Timestamp};

/// What somebody wants a subscription to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWanted {
    /// The price's lookup key; a free plan's name for none.
    pub price: String,
    /// How many.
    pub quantity: u64,
}

/// Which way a change goes: by the plans' rank, then by interval and quantity. What a day costs has no say, or a year
/// paid at a discount would be a step down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// At once, and the difference is paid.
    Upgrade,
    /// When the paid period ends.
    Downgrade,
}

/// When a change takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At once.
    Now,
    /// When the paid period ends.
    PeriodEnd,
}

/// What Stripe is to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Nothing; it is as it was wanted.
    Nothing,
    /// End it at once.
    CancelNow,
    /// End it with the period.
    CancelAtPeriodEnd,
    /// Take back that it ends.
    UndoCancel,
    /// Take back what is scheduled.
    ReleaseSchedule,
    /// Pause it.
    Pause,
    /// End its pause.
    Unpause,
    /// Change its item, and take the difference.
    UpdateNow,
    /// Change its item when the period ends.
    Schedule,
}

/// A change that may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedChange {
    /// Which way it goes.
    pub direction: Direction,
    /// When it takes place.
    pub when: When,
    /// The lookup key of the present price.
    pub from: String,
    /// The present quantity.
    pub from_quantity: u64,
    /// The lookup key of the new price, or the free plan's name.
    pub to: String,
    /// The new plan.
    pub to_plan: String,
    /// The new quantity.
    pub quantity: u64,
    /// Whether the interval changes, so that a new period begins with an upgrade.
    pub restarts: bool,
    /// What Stripe is to be asked for.
    pub command: Command,
}

/// Which way it is from one price to another; `None` if they are the same in plan, interval and quantity.
#[must_use]
pub fn direction(from: (PriceRef<'_>, u64), to: (PriceRef<'_>, u64)) -> Option<Direction> {
    let measure = |(price, quantity): (PriceRef<'_>, u64)| (price.plan.rank, price.price.interval, quantity);
    match measure(from).cmp(&measure(to)) {
        std::cmp::Ordering::Less => Some(Direction::Upgrade),
        std::cmp::Ordering::Greater => Some(Direction::Downgrade),
        std::cmp::Ordering::Equal => None,
    }
}

impl Subscription {
    /// Somebody wants it changed. `usage` is what the organisation uses of the product, by the limits' names.
    ///
    /// # Errors
    /// 422 at `/price` or `/quantity`; 409 `unchanged`, `currency_fixed`, `change_pending`, `over_limit` with what exceeds the plan,
    /// `not_changeable` in a status that knows no change, `checkout_required` when nothing is subscribed to.
    pub fn change(
        &self,
        wanted: &ChangeWanted,
        usage: &BTreeMap<String, u64>,
    ) -> Result<PlannedChange, Refusal> {
        let catalog = catalog();
        let free = catalog.plan(self.product, &wanted.price).filter(|plan| plan.free);
        let target = catalog.price(&wanted.price).filter(|price| price.product == self.product);
        if free.is_none() && target.is_none() {
            let message = format!("expected the lookup key of a price of {}", self.product);
            return Err(Refusal::invalid("/price", message));
        }
        if wanted.quantity == 0 && free.is_none() {
            return Err(Refusal::invalid("/quantity", "expected at least 1"));
        }
        if !self.is_live() {
            return Err(Refusal::conflict("checkout_required", "There is no living subscription to change."));
        }
        if self.observed.status != SubscriptionStatus::Active {
            let message = "Only a subscription that is paid can be changed; settle the open invoice first.";
            return Err(Refusal::conflict("not_changeable", message));
        }
        if self.observed.pending.is_some() || self.observed.schedule.is_some() || self.changing.is_some() {
            return Err(change_pending());
        }
        let current = catalog.price(&self.observed.price);
        let planned = |direction, to: &str, to_plan: &str, quantity, restarts, command| PlannedChange {
            direction,
            when: if direction == Direction::Upgrade { When::Now } else { When::PeriodEnd },
            from: self.observed.price.clone(),
            from_quantity: self.observed.quantity,
            to: to.to_owned(),
            to_plan: to_plan.to_owned(),
            quantity,
            restarts,
            command,
        };
        let Some(target) = target else {
            let free = free.map(|plan| (plan.name.as_str(), plan.exceeded(usage)));
            let (name, exceeding) = free.unwrap_or_default();
            over_limit(name, &exceeding)?;
            let command = Command::CancelAtPeriodEnd;
            return Ok(planned(Direction::Downgrade, name, name, 0, false, command));
        };
        if target.price.currency != self.observed.currency {
            let message =
                format!("A subscription keeps its currency; this one is paid in {}.", self.observed.currency);
            return Err(Refusal::conflict("currency_fixed", message));
        }
        let quantity = wanted.quantity;
        // A price that is no longer sold ranks below what is.
        let direction = match current {
            Some(current) => direction((current, self.observed.quantity), (target, quantity)),
            None => Some(Direction::Upgrade),
        };
        let Some(direction) = direction else {
            return Err(Refusal::conflict("unchanged", "The subscription is as it is wanted."));
        };
        if direction == Direction::Downgrade {
            over_limit(&target.plan.name, &target.plan.exceeded(usage))?;
        }
        let restarts = target.price.interval != self.observed.interval;
        let command = match direction {
            Direction::Upgrade => Command::UpdateNow,
            Direction::Downgrade => Command::Schedule,
        };
        Ok(planned(direction, &wanted.price, &target.plan.name, quantity, restarts, command))
    }

    /// Somebody wants it to end. What is over or to end already stays so.
    ///
    /// # Errors
    /// For an end with the period, 409 `has_schedule` while a change is scheduled for it, `change_pending` while one is made.
    pub fn cancel(&self, when: When) -> Result<Command, Refusal> {
        Ok(match when {
            _ if !self.is_live() => Command::Nothing,
            When::Now => Command::CancelNow,
            // What was never paid has no period to use up.
            When::PeriodEnd if self.first_paid_at.is_none() => Command::CancelNow,
            When::PeriodEnd if self.ends_at().is_some() => Command::Nothing,
            When::PeriodEnd if self.observed.schedule.is_some() => {
                let message = "A change is scheduled for the period's end; take it back before cancelling.";
                return Err(Refusal::conflict("has_schedule", message));
            }
            When::PeriodEnd if self.changing.is_some() => return Err(change_pending()),
            When::PeriodEnd => Command::CancelAtPeriodEnd,
        })
    }

    /// Somebody wants it to go on: its end, what is scheduled for it or its pause is taken back.
    ///
    /// # Errors
    /// 409 `period_over` when it has ended, `nothing_to_resume` when it just goes on.
    pub fn resume(&self, now: Timestamp) -> Result<Command, Refusal> {
        let ended = !self.is_live() || self.ends_at().is_some_and(|at| at <= now);
        if ended {
            let message = "The subscription has ended; a new one is bought by a checkout.";
            return Err(Refusal::conflict("period_over", message));
        }
        if self.observed.status == SubscriptionStatus::Paused {
            return Ok(Command::Unpause);
        }
        if self.ends_at().is_some() {
            return Ok(Command::UndoCancel);
        }
        if self.observed.schedule.is_some() || matches!(self.observed.pending, Some(Pending::Time { .. })) {
            return Ok(Command::ReleaseSchedule);
        }
        Err(Refusal::conflict("nothing_to_resume", "The subscription goes on anyway."))
    }

    /// Somebody wants it paused.
    ///
    /// # Errors
    /// 409 `has_schedule`, `change_pending`, `not_pausable` unless it is paid and goes on.
    pub fn pause(&self) -> Result<Command, Refusal> {
        if self.observed.status == SubscriptionStatus::Paused {
            return Ok(Command::Nothing);
        }
        if self.observed.schedule.is_some() {
            let message = "A change is scheduled; take it back before pausing.";
            return Err(Refusal::conflict("has_schedule", message));
        }
        if self.observed.status != SubscriptionStatus::Active || self.ends_at().is_some() {
            let message = "Only a subscription that is paid and goes on can be paused.";
            return Err(Refusal::conflict("not_pausable", message));
        }
        if self.changing.is_some() {
            return Err(change_pending());
        }
        Ok(Command::Pause)
    }
}

fn change_pending() -> Refusal {
    let message = "A change is under way; it must take place or be taken back first.";
    Refusal::conflict("change_pending", message)
}

fn over_limit(plan: &str, exceeding: &[super::catalog::Excess]) -> Result<(), Refusal> {
    if exceeding.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = exceeding.iter().map(|excess| excess.limit.as_str()).collect();
    let message = format!("More is in use than the plan {plan} holds: {}.", names.join(", "));
    Err(Refusal::conflict("over_limit", message).with("plan", plan).with("exceeding", json!(exceeding)))
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::{active, subscription};
    use super::super::{Observed, Product};
    use super::*;

    const NONE: BTreeMap<String, u64> = BTreeMap::new();

    fn change(
        subscription: &Subscription,
        price: &str,
        quantity: u64,
    ) -> Result<PlannedChange, &'static str> {
        subscription.change(&ChangeWanted { price: price.to_owned(), quantity }, &NONE).map_err(|no| no.code)
    }

    fn hosting(price: &str) -> Subscription {
        subscription(Product::Hosting, active("sub_1", price))
    }

    /// E29: by rank, not by the price of a day.
    #[test]
    fn e29_the_direction_follows_the_rank() {
        use Direction::{Downgrade, Upgrade};
        for (from, to, expected) in [
            ("hosting_launch_month_usd", "hosting_growth_month_usd", Upgrade),
            ("hosting_growth_month_usd", "hosting_launch_month_usd", Downgrade),
            ("hosting_launch_month_usd", "hosting_launch_year_usd", Upgrade),
            ("hosting_launch_year_usd", "hosting_launch_month_usd", Downgrade),
            ("hosting_launch_year_usd", "hosting_growth_month_usd", Upgrade),
            ("hosting_growth_month_usd", "hosting_launch_year_usd", Downgrade),
        ] {
            let planned = change(&hosting(from), to, 1).expect("a change");
            let (when, command) = match expected {
                Upgrade => (When::Now, Command::UpdateNow),
                Downgrade => (When::PeriodEnd, Command::Schedule),
            };
            assert_eq!(
                (planned.direction, planned.when, planned.command),
                (expected, when, command),
                "{from} {to}"
            );
            assert_eq!(planned.restarts, from.contains("year") != to.contains("year"));
        }
        assert_eq!(
            change(&hosting("hosting_launch_month_usd"), "hosting_launch_month_usd", 1),
            Err("unchanged")
        );
        let more = change(&hosting("hosting_launch_month_usd"), "hosting_launch_month_usd", 3).expect("more");
        assert_eq!((more.direction, more.from_quantity, more.quantity), (Upgrade, 1, 3));
    }

    #[test]
    fn e29_a_currency_is_kept_and_a_free_plan_is_the_end() {
        let launch = hosting("hosting_launch_month_usd");
        assert_eq!(change(&launch, "hosting_growth_month_eur", 1), Err("currency_fixed"));
        assert_eq!(change(&launch, "costs_pro_month_usd", 1), Err("invalid"));
        assert_eq!(change(&launch, "free", 1), Err("invalid"), "hosting has no free plan");
        let costs = subscription(Product::Costs, active("sub_1", "costs_pro_month_usd"));
        let down = change(&costs, "free", 0).expect("to free");
        assert_eq!((down.direction, down.command), (Direction::Downgrade, Command::CancelAtPeriodEnd));
        let over = subscription(
            Product::Costs,
            Observed { status: SubscriptionStatus::Canceled, ..active("sub_1", "costs_pro_month_usd") },
        );
        assert_eq!(change(&over, "costs_pro_month_usd", 1), Err("checkout_required"));
    }

    #[test]
    fn e28_a_downgrade_below_what_is_in_use_says_what_exceeds() {
        let growth = hosting("hosting_growth_month_usd");
        let usage = BTreeMap::from([
            ("sites".to_owned(), 5),
            ("users".to_owned(), 10),
            ("storage_bytes".to_owned(), 1),
        ]);
        let wanted = ChangeWanted { price: "hosting_launch_month_usd".to_owned(), quantity: 1 };
        let refusal = growth.change(&wanted, &usage).expect_err("five sites do not fit");
        assert_eq!(refusal.code, "over_limit");
        assert_eq!(refusal.details["exceeding"], json!([{"limit": "sites", "used": 5, "allowed": 3}]));
        let usage = BTreeMap::from([("sites".to_owned(), 3)]);
        assert!(growth.change(&wanted, &usage).is_ok(), "exactly the limit fits");
        let up = ChangeWanted { price: "hosting_scale_month_usd".to_owned(), quantity: 1 };
        assert!(growth.change(&up, &BTreeMap::from([("sites".to_owned(), 500)])).is_ok(), "up always fits");
    }

    #[test]
    fn e30_ending_twice_is_ending_once_and_what_ended_is_not_resumed() {
        let now = Timestamp::from_secs(1_800_000_000);
        let live = hosting("hosting_launch_month_usd");
        let end = live.observed.period_end;
        assert_eq!(live.cancel(When::PeriodEnd), Ok(Command::CancelAtPeriodEnd));
        assert_eq!(live.resume(now).map_err(|no| no.code), Err("nothing_to_resume"));
        let ending =
            subscription(Product::Hosting, Observed { cancel_at_period_end: true, ..live.observed.clone() });
        assert_eq!(ending.cancel(When::PeriodEnd), Ok(Command::Nothing));
        assert_eq!(ending.cancel(When::Now), Ok(Command::CancelNow));
        assert_eq!(ending.resume(now), Ok(Command::UndoCancel));
        assert_eq!(ending.resume(end).map_err(|no| no.code), Err("period_over"));
        let over = subscription(
            Product::Hosting,
            Observed { status: SubscriptionStatus::Canceled, ..live.observed },
        );
        assert_eq!(
            (over.cancel(When::Now), over.cancel(When::PeriodEnd)),
            (Ok(Command::Nothing), Ok(Command::Nothing))
        );
        assert_eq!(over.resume(now).map_err(|no| no.code), Err("period_over"));
    }

    #[test]
    fn a_scheduled_subscription_is_not_paused_and_a_paused_one_resumes() {
        let now = Timestamp::from_secs(1_800_000_000);
        let live = hosting("hosting_launch_month_usd");
        assert_eq!(live.pause(), Ok(Command::Pause));
        let scheduled = subscription(
            Product::Hosting,
            Observed { schedule: Some("sub_sched_1".to_owned()), ..live.observed.clone() },
        );
        assert_eq!(scheduled.pause().map_err(|no| no.code), Err("has_schedule"));
        assert_eq!(scheduled.cancel(When::PeriodEnd).map_err(|no| no.code), Err("has_schedule"));
        assert_eq!(scheduled.cancel(When::Now), Ok(Command::CancelNow));
        assert_eq!(scheduled.resume(now), Ok(Command::ReleaseSchedule));
        assert_eq!(change(&scheduled, "hosting_growth_month_usd", 1), Err("change_pending"));
        let paused =
            subscription(Product::Hosting, Observed { status: SubscriptionStatus::Paused, ..live.observed });
        assert_eq!((paused.pause(), paused.resume(now)), (Ok(Command::Nothing), Ok(Command::Unpause)));
        assert_eq!(change(&paused, "hosting_growth_month_usd", 1), Err("not_changeable"));
    }
}
