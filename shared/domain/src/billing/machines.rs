//! A customer's whole life in every order: trial, checkout, subscription and unpaid invoices together, and what they
//! entitle to (invariant I2).

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::checkout::SESSION_LASTS;
use super::dunning::Failure;
use super::subscription::tests::active;
use super::*;
use crate::accounts::{Access, Entitlements};
use crate::{OrgId, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const LAUNCH: &str = "hosting_launch_month_usd";
const HOSTING: Product = Product::Hosting;

/// What may happen to a customer.
#[derive(Debug, Clone)]
enum Happening {
    Wait { hours: u64 },
    Checkout { debit: bool },
    DebitArrives,
    DebitFails,
    RenewalFails,
    Pays,
    Pauses,
    Resumes,
    Cancels,
}

/// A customer, as the items of their organisation have them.
struct Customer {
    now: Timestamp,
    trial: Trial,
    slot: CheckoutSlot,
    subscription: Option<Subscription>,
    ladders: Vec<Dunning>,
    entitlements: Entitlements,
    told: Vec<&'static str>,
    invoices: u32,
}

impl Customer {
    fn new() -> Self {
        let wanted = StartTrial { org: OrgId::from_ulid(1), product: HOSTING, by: None, subscribed: false };
        let trial = Trial::start(&wanted, None, NOW).expect("the first one").next;
        Self {
            now: NOW,
            slot: CheckoutSlot::free(trial.org, HOSTING, NOW),
            trial,
            subscription: None,
            ladders: Vec::new(),
            entitlements: Entitlements::trial(),
            told: Vec::new(),
            invoices: 0,
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Wait { hours } => self.wait(*hours),
            Happening::Checkout { debit } => self.check_out(*debit),
            Happening::DebitArrives => self.debit(true),
            Happening::DebitFails => self.debit(false),
            Happening::RenewalFails => self.renewal_fails(),
            Happening::Pays => self.pay(),
            Happening::Pauses => self.command(Subscription::pause, SubscriptionStatus::Paused),
            Happening::Resumes => {
                let now = self.now;
                self.command(|one| one.resume(now), SubscriptionStatus::Active);
            }
            Happening::Cancels => {
                if self.live().is_some_and(|one| one.cancel(When::Now) == Ok(Command::CancelNow)) {
                    self.observe(|one| one.status = SubscriptionStatus::Canceled);
                }
            }
        }
        self.settle();
    }

    fn live(&self) -> Option<&Subscription> {
        self.subscription.as_ref().filter(|one| one.is_live())
    }

    fn tell(&mut self, event: Option<BillingEvent>) {
        self.told.extend(event.map(|event| event.name()));
    }

    fn trial(&mut self, trigger: &TrialTrigger) {
        let Transition { next, event } =
            self.trial.step(trigger, self.now).expect("machines hear no refusal");
        self.trial = next;
        self.tell(event);
    }

    fn look(&mut self, observed: Observed) {
        let org = self.trial.org;
        let Projection { next, event, .. } =
            Subscription::project(self.subscription.as_ref(), org, HOSTING, observed).expect("one at a time");
        if event.as_ref().is_some_and(|event| event.name() == "billing.subscription_activated") {
            self.trial(&TrialTrigger::Paid { plan: next.plan.clone() });
        }
        self.subscription = Some(next);
        self.tell(event);
    }

    fn observe(&mut self, change: impl FnOnce(&mut Observed)) {
        if let Some(mut observed) = self.live().map(|one| one.observed.clone()) {
            change(&mut observed);
            self.look(observed);
        }
    }

    fn command(
        &mut self,
        decide: impl Fn(&Subscription) -> Result<Command, crate::Refusal>,
        to: SubscriptionStatus,
    ) {
        let command = self.live().map(decide);
        if matches!(command, Some(Ok(Command::Pause | Command::Unpause))) {
            self.observe(|one| one.status = to);
        }
    }

    fn wait(&mut self, hours: u64) {
        self.now = self.now + Duration::from_secs(hours * 3_600);
        while self.trial.next_at.is_some_and(|next_at| next_at <= self.now) {
            self.trial(&TrialTrigger::Due);
        }
        for at in 0..self.ladders.len() {
            let Transition { next, event } = self.ladders[at].step(&DunningTrigger::Due, self.now);
            let given_up = next.state == DunningState::Canceled && next.state != self.ladders[at].state;
            self.ladders[at] = next;
            self.tell(event);
            if given_up {
                self.observe(|one| one.status = SubscriptionStatus::Canceled);
            }
        }
    }

    fn check_out(&mut self, debit: bool) {
        let wanted = Wanted { price: LAUNCH.to_owned(), quantity: 1, subscribed: self.live().is_some() };
        let Ok(Wish::Open(slot)) = self.slot.want(&wanted, self.now) else { return };
        let session = format!("cs_{}", slot.attempt);
        let opened = SlotTrigger::Opened {
            session: session.clone(),
            url: String::new(),
            valid_until: self.now + SESSION_LASTS,
        };
        self.slot = slot.step(&opened, self.now).next;
        let Transition { next, event } = self.slot.step(&SlotTrigger::Completed { session }, self.now);
        self.slot = next;
        self.tell(event);
        let observed = Observed {
            started_at: self.now,
            period_start: self.now,
            paid_at: (!debit).then_some(self.now),
            ..active(&format!("sub_{}", self.slot.attempt), LAUNCH)
        };
        self.look(observed);
        self.slot = self.slot.step(&SlotTrigger::Projected, self.now).next;
        if debit {
            self.trial(&TrialTrigger::CheckoutUnpaid);
        }
    }

    fn debit(&mut self, arrives: bool) {
        if self.live().is_none_or(|one| one.first_paid_at.is_some()) {
            return;
        }
        let now = self.now;
        if arrives {
            self.observe(|one| one.paid_at = Some(now));
        } else {
            self.observe(|one| one.status = SubscriptionStatus::Canceled);
            self.trial(&TrialTrigger::PaymentFailed);
        }
    }

    fn renewal_fails(&mut self) {
        let Some(subscription) = self.live().filter(|one| one.first_paid_at.is_some()).cloned() else {
            return;
        };
        self.invoices += 1;
        let failure = Failure {
            org: subscription.org,
            product: HOSTING,
            invoice: format!("in_{}", self.invoices),
            subscription: subscription.observed.stripe_id.clone(),
            amount: Money::new(29_900, Currency::USD),
            attempt: 1,
            next_attempt_at: None,
            reason: None,
            pay_url: None,
        };
        let Transition { next, event } = Dunning::begin(failure, self.now);
        self.ladders.push(next);
        self.tell(event);
        self.observe(|one| one.status = SubscriptionStatus::PastDue);
    }

    fn pay(&mut self) {
        let now = self.now;
        if let Some(at) = self.ladders.iter().position(|one| one.state.is_open()) {
            let Transition { next, event } = self.ladders[at].step(&DunningTrigger::InvoiceSettled, now);
            self.ladders[at] = next;
            self.tell(event);
        }
        let settled = self.ladders.iter().all(|one| !one.state.is_open());
        if settled && self.live().is_some_and(|one| one.observed.status == SubscriptionStatus::PastDue) {
            self.observe(|one| {
                one.status = SubscriptionStatus::Active;
                one.paid_at = Some(now);
            });
        }
    }

    /// What the transaction of each write does: an ended subscription ends its ladders, and entitlements follow.
    fn settle(&mut self) {
        if self.live().is_none() {
            for ladder in &mut self.ladders {
                *ladder = ladder.step(&DunningTrigger::SubscriptionEnded, self.now).next;
            }
        }
        let standing = Standing {
            trial: Some(&self.trial),
            subscription: self.subscription.as_ref(),
            dunning: &self.ladders,
        };
        if let Some((next, _)) = recompute(&self.entitlements, &BTreeMap::from([(HOSTING, standing)])) {
            self.entitlements = next;
        }
    }

    fn access(&self) -> Access {
        self.entitlements.clone().at(self.now).products.get("hosting").map_or(Access::None, |one| one.access)
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1..400_u64).prop_map(|hours| Happening::Wait { hours }),
        2 => any::<bool>().prop_map(|debit| Happening::Checkout { debit }),
        1 => Just(Happening::DebitArrives),
        1 => Just(Happening::DebitFails),
        2 => Just(Happening::RenewalFails),
        1 => Just(Happening::Pays),
        1 => Just(Happening::Pauses),
        1 => Just(Happening::Resumes),
        1 => Just(Happening::Cancels),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_one_may_use_is_what_one_tries_or_pays_for(life in prop::collection::vec(happening(), 0..60)) {
        let mut customer = Customer::new();
        let mut version = customer.entitlements.version;
        for happening in life {
            let before = customer.entitlements.products.clone();
            customer.happen(&happening);
            let changed = customer.entitlements.products != before;
            prop_assert_eq!(customer.entitlements.version, version + u64::from(changed));
            version = customer.entitlements.version;

            let tries = customer.trial.access(customer.now);
            let pays = customer.live().filter(|one| one.first_paid_at.is_some());
            let expected = match pays {
                Some(subscription) => entitlements::subscription_access(subscription, &customer.ladders),
                None => tries,
            };
            prop_assert_eq!(customer.access(), expected, "after {:?}", happening);
            if pays.is_some() {
                prop_assert!(matches!(customer.trial.state, TrialState::Converted | TrialState::Purged));
            }
            let activated = customer.told.iter().filter(|told| **told == "billing.subscription_activated").count();
            let canceled = customer.told.iter().filter(|told| **told == "billing.subscription_canceled").count();
            prop_assert!(activated <= canceled + 1, "one living subscription at a time (I1)");
        }
        for once in ["billing.trial_converted", "billing.trial_expired", "billing.trial_purged"] {
            prop_assert!(customer.told.iter().filter(|told| **told == once).count() <= 1, "{once}");
        }
    }
}
