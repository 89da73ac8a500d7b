//! Trials, and the marks that keep one from being given twice.

use domain::billing::{Product, StartTrial, Transition, Trial, TrialTrigger, fingerprints};
use domain::{Email, OrgId, Refusal, Timestamp, UserId};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};

use super::standing::Standings;
use super::{Billing, BillingOfAll, keys, when_due};
use crate::tell::envelope;

const KIND: &str = "trial";
const DUE: &str = "TRIAL";

/// That a mailbox or a company had its trial of a product.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    product: Product,
    org: OrgId,
    at: Timestamp,
}

impl Billing {
    /// The organisation's trial of a product.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn trial(&self, product: Product) -> Result<Stored<Trial>> {
        self.table.get_consistent(&keys::trial(self.org, product)).await?.ok_or(Error::NotFound)
    }

    /// Starts the trial of a product.
    ///
    /// # Errors
    /// `trial_used`, `subscribed`, `account_not_ready`; `version_conflict` when another write came between.
    pub async fn start_trial(
        &self,
        product: Product,
        by: UserId,
        origin: &Origin,
        once: impl FnOnce(&Trial) -> Result<Option<Write>>,
    ) -> Result<Trial> {
        let founder = self.founder().await?;
        let standings = self.standings(product).await?;
        let subscribed = standings.subscription.as_ref().is_some_and(|subscription| subscription.is_live());
        let start = StartTrial { org: self.org, product, by: Some(by), subscribed };
        let existing = standings.trial.as_ref().map(|stored| &stored.value);
        let transition = Trial::start(&start, existing, origin.now)?;
        let trial = transition.next.clone();

        let values = standings.values().with_trial(trial.clone());
        let mut writes = vec![started(&transition, origin)];
        writes.extend(marks(&trial, &founder));
        let mut writes = self.entitled(writes, &standings, product, &values, origin);
        writes.extend(once(&trial)?);
        self.table.transact(writes).await?;
        Ok(trial)
    }

    /// Moves a trial on. Answers it as it then is, and whether that changed anything.
    ///
    /// # Errors
    /// `not_found`, what the rule refuses; `version_conflict` when another write came between.
    pub async fn step_trial(
        &self,
        product: Product,
        trigger: &TrialTrigger,
        origin: &Origin,
        once: impl FnOnce(&Trial) -> Result<Option<Write>>,
    ) -> Result<(Trial, bool)> {
        let standings = self.standings(product).await?;
        let stored = standings.trial.as_ref().ok_or(Error::NotFound)?;
        let transition = stored.value.step(trigger, origin.now)?;
        let trial = transition.next.clone();
        let has_changed = transition.changes(&stored.value);
        let mut writes = Vec::new();
        if has_changed {
            writes = self.trial_writes(&standings, &transition, origin);
        }
        writes.extend(once(&trial)?);
        if !writes.is_empty() {
            self.table.transact(writes).await?;
        }
        Ok((trial, has_changed))
    }

    fn trial_writes(
        &self,
        standings: &Standings,
        transition: &Transition<Trial>,
        origin: &Origin,
    ) -> Vec<Write> {
        let Some(stored) = &standings.trial else { return Vec::new() };
        let trial = &transition.next;
        let values = standings.values().with_trial(trial.clone());
        let writes = vec![changed(stored, transition, origin)];
        self.entitled(writes, standings, trial.product, &values, origin)
    }
}

impl BillingOfAll {
    /// Trials in one shard that are due.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_trials(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<Trial>>> {
        // The sort key goes on behind the moment; `~` sorts after what may follow.
        let due = Query::pk(keys::due_shard(DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
        self.table.query_all(due).await
    }
}

/// The write of a trial that begins.
pub(super) fn started(transition: &Transition<Trial>, origin: &Origin) -> Write {
    let trial = &transition.next;
    let used = Refusal::conflict("trial_used", "The organisation has had its trial of this product.");
    let write = Write::create(keys::trial(trial.org, trial.product), KIND, trial).or(used);
    told(write, transition, origin)
}

/// The write of a trial that moved on.
pub(crate) fn changed(stored: &Stored<Trial>, transition: &Transition<Trial>, origin: &Origin) -> Write {
    told(Write::replace(stored, &transition.next), transition, origin)
}

fn told(write: Write, transition: &Transition<Trial>, origin: &Origin) -> Write {
    let trial = &transition.next;
    let write = when_due(write, DUE, trial.org, trial.next_at, trial.product.as_str());
    match &transition.event {
        Some(event) => write.event(envelope(origin, trial.org, event)),
        None => write,
    }
}

/// The marks that a trial leaves: of the mailbox, and of the company if the address tells one.
pub(super) fn marks(trial: &Trial, email: &Email) -> Vec<Write> {
    let used = || {
        let message = "This product was tried before with this address or by this company.";
        Refusal::conflict("trial_used", message)
    };
    let mark = Mark { product: trial.product, org: trial.org, at: trial.started_at };
    fingerprints(trial.product, email)
        .iter()
        .map(|fingerprint| Write::create(keys::trial_mark(fingerprint), "trial_mark", &mark).or(used()))
        .collect()
}
