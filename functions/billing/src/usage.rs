//! Taking in metered use: whether it may be, once, within its cap; and what its owner hears of the cap.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use domain::billing::usage::{Flag, entitled};
use domain::billing::{Micro, Product, Transition, UsageEntry, UsageRecord};
use platform::event::Origin;
use platform::queue::{self, Payload};
use platform::store::{Write, again};
use platform::{Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::Billing;
use crate::store::usage::{Bound, Taken};

/// How often the conflicts of a busy meter are gone into again; each time the store itself tried ten times.
const ROUNDS: u32 = 4;

/// One organisation's use, as far as a function takes it in.
pub struct Intake<'a> {
    billing: Billing,
    origin: &'a Origin,
    /// The plan of each product, or why there is none to use it by.
    plans: BTreeMap<Product, Result<String, domain::Refusal>>,
    bounds: BTreeMap<String, Option<Bound>>,
    /// Meters whose caps turned use away.
    reached: BTreeSet<String>,
}

/// Use that another area tells, in `<area>.usage_recorded`.
#[derive(Debug, Clone)]
pub struct UsageTold(pub UsageRecord);

impl Payload for UsageTold {
    fn accept(kind: &str, version: u32, data: Value) -> Result<Self> {
        if version != 1 || !kind.ends_with(".usage_recorded") {
            return Err(queue::unknown(kind, version));
        }
        queue::parse(data).map(Self)
    }
}

impl<'a> Intake<'a> {
    /// For an organisation.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn of(billing: Billing, origin: &'a Origin) -> Result<Self> {
        let held = billing.entitlements().await?.map(|stored| stored.value).unwrap_or_default();
        let held = held.at(origin.now);
        let plan = |product| (product, entitled(product, &held).map(|held| held.plan.clone()));
        let plans = BTreeMap::from(Product::ALL.map(plan));
        Ok(Self { billing, origin, plans, bounds: BTreeMap::new(), reached: BTreeSet::new() })
    }

    /// Takes in what a client tells.
    ///
    /// # Errors
    /// 422, `usage_mismatch`, `spend_cap`, `plan_required`, `plan_restricted`.
    pub async fn take_in(&mut self, record: &UsageRecord) -> Result<Taken> {
        let entry = record.accept(self.billing.org(), &self.origin.actor, self.origin.now)?;
        if let Some(Err(refusal)) = self.plans.get(&entry.product) {
            let refusal = refusal.clone();
            return self.billing.known_usage(&entry).await?.ok_or_else(|| refusal.into());
        }
        self.write(&entry).await
    }

    /// Takes in what happened within the platform: nothing of it is lost, and what cannot be charged is flagged.
    ///
    /// # Errors
    /// 422 for what is no use at all; `usage_mismatch`.
    pub async fn keep(&mut self, record: &UsageRecord, source: &str) -> Result<Taken> {
        let mut entry = record.keep(self.billing.org(), source, self.origin.now)?;
        if entry.flag.is_none() && matches!(self.plans.get(&entry.product), Some(Err(_)) | None) {
            entry = entry.flagged(Flag::NotEntitled);
        }
        match self.write(&entry).await {
            Err(Error::PaymentRequired { code: "spend_cap", .. }) => {
                self.write(&entry.flagged(Flag::BeyondCap)).await
            }
            done => done,
        }
    }

    async fn write(&mut self, entry: &UsageEntry) -> Result<Taken> {
        let bound = self.bound(entry.product, &entry.meter).await?;
        let mut round = 1;
        loop {
            let taken =
                again(async || self.billing.take_in_usage(entry, bound.as_ref(), self.origin.now).await);
            match taken.await {
                // Others at the same counter are no reason to turn anybody away, nor is a cap that was not looked at.
                Err(Error::Conflict | Error::Partner { name: "dynamodb", retryable: true, .. })
                    if round < ROUNDS =>
                {
                    round += 1;
                }
                Err(Error::PaymentRequired { code: "spend_cap", message, details }) => {
                    // Whoever asks again after a lost answer hears what became of the first time.
                    if let Some(known) = self.billing.known_usage(entry).await? {
                        return Ok(known);
                    }
                    self.reached.insert(entry.meter.clone());
                    return Err(Error::PaymentRequired { code: "spend_cap", message, details });
                }
                done => return done,
            }
        }
    }

    async fn bound(&mut self, product: Product, meter: &str) -> Result<Option<Bound>> {
        if let Some(bound) = self.bounds.get(meter) {
            return Ok(bound.clone());
        }
        let cap = self.billing.cap(meter).await?;
        let plan = self.plans.get(&product).and_then(|plan| plan.as_ref().ok());
        let bound = cap.zip(plan).and_then(|(cap, plan)| {
            let allowed = cap.allowed_by(product, plan)?;
            Some(Bound { cap: cap.value, allowed })
        });
        self.bounds.insert(meter.to_owned(), bound.clone());
        Ok(bound)
    }

    /// Tells the owners of caps what came of all that was taken in. A repeat tells what an earlier one could not.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn alert(&self) -> Result<()> {
        for (meter, bound) in &self.bounds {
            if bound.is_none() {
                continue;
            }
            let reached = self.reached.contains(meter);
            again(async || self.alert_of(meter, reached).await).await?;
        }
        Ok(())
    }

    async fn alert_of(&self, meter: &str, reached: bool) -> Result<()> {
        let Some(stored) = self.billing.cap(meter).await? else { return Ok(()) };
        let Some((product, _)) = domain::billing::catalog().meter(meter) else { return Ok(()) };
        let Some(Ok(plan)) = self.plans.get(&product) else { return Ok(()) };
        let Some(allowed) = stored.allowed_by(product, plan) else { return Ok(()) };
        let used = self.billing.used(meter, stored.window, self.origin.now).await?;
        // What is left is too little for what was wanted: to its owner the cap is reached.
        let used = if reached { used.max(allowed) } else { used };
        let transition = stored.step(product, used, allowed, self.origin.now);
        if transition.changes(&stored.value) {
            self.billing.put_cap(Some(&stored), &transition, self.origin, None).await?;
        }
        Ok(())
    }
}

/// Takes an entry back, for staff. One that was taken back before stays so.
///
/// # Errors
/// `not_found`, `already_billed`, `not_voidable`.
pub async fn void(billing: &Billing, id: &str, origin: &Origin) -> Result<UsageEntry> {
    again(async || {
        let entry = billing.usage_entry(id).await?;
        match billing.usage_entry(&entry.void_id()).await {
            Err(Error::NotFound) => {}
            voided => return voided.map(|voided| voided.value),
        }
        let void = entry.void(false, &origin.actor, origin.now)?;
        let Err(closed) = entry.void(true, &origin.actor, origin.now) else {
            return Err(Error::internal("what is billed can be taken back"));
        };
        billing.void_usage(&void, closed).await?;
        Ok(void)
    })
    .await
}

/// Sets the cap of a meter.
///
/// # Errors
/// 422; `version_conflict` when another write came between.
pub async fn put_cap(
    billing: &Billing,
    meter: &str,
    product: Product,
    wanted: &domain::billing::NewCap,
    origin: &Origin,
    once: impl Fn(&domain::billing::Cap) -> Result<Option<Write>>,
) -> Result<domain::billing::Cap> {
    again(async || {
        let stored = billing.cap(meter).await?;
        let cap = wanted.of(meter, product, stored.as_ref().map(|stored| &stored.value))?;
        let transition = Transition::quiet(cap.clone());
        billing.put_cap(stored.as_ref(), &transition, origin, once(&cap)?).await?;
        Ok(cap)
    })
    .await
}

/// Use, as its organisation sees it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct UsageView {
    /// Chosen by its teller.
    pub id: String,
    /// What was used.
    pub meter: String,
    /// How much, with up to six decimals; negative for what takes another entry back.
    pub quantity: String,
    /// When it was used.
    pub at: Timestamp,
    /// When it was told.
    pub told_at: Timestamp,
    /// Who told it.
    pub source: String,
    /// Which entry it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void_of: Option<String>,
    /// Why it is kept and not charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<Flag>,
}

impl From<UsageEntry> for UsageView {
    fn from(entry: UsageEntry) -> Self {
        let UsageEntry { id, meter, quantity, at, told_at, source, void_of, flag, .. } = entry;
        Self { id, meter, quantity: decimal(quantity), at, told_at, source, void_of, flag }
    }
}

fn decimal(quantity: Micro) -> String {
    quantity.to_string()
}
