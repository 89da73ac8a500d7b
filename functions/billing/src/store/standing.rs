//! What an organisation may use, and what that follows from.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::accounts::Entitlements;
use domain::billing::{Dunning, Product, Standing, Subscription, Transition, Trial, recompute};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{Billing, BillingOfAll, keys, when_due};
use crate::tell::envelope;

const DUNNING_DUE: &str = "DUNNING";

/// Everything that tells what an organisation may use of one product, as the last writes left it.
#[derive(Debug)]
pub struct Standings {
    /// What the organisation may use, as it was read before all the rest.
    entitlements: Option<Stored<Entitlements>>,
    /// The trial.
    pub trial: Option<Stored<Trial>>,
    /// The subscription.
    pub subscription: Option<Stored<Subscription>>,
    /// The invoices that were not paid at once.
    pub dunning: Vec<Stored<Dunning>>,
}

impl Standings {
    /// The values, for the domain to judge.
    #[must_use]
    pub fn values(&self) -> Values {
        Values {
            trial: self.trial.as_ref().map(|stored| stored.value.clone()),
            subscription: self.subscription.as_ref().map(|stored| stored.value.clone()),
            dunning: self.dunning.iter().map(|stored| stored.value.clone()).collect(),
        }
    }
}

/// What is about to be written of one product's standing.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// The trial.
    pub trial: Option<Trial>,
    /// The subscription.
    pub subscription: Option<Subscription>,
    /// The invoices that were not paid at once.
    pub dunning: Vec<Dunning>,
}

impl Values {
    /// With a trial in the place of the one there is.
    #[must_use]
    pub fn with_trial(self, trial: Trial) -> Self {
        Self { trial: Some(trial), ..self }
    }

    fn standing(&self) -> Standing<'_> {
        Standing {
            trial: self.trial.as_ref(),
            subscription: self.subscription.as_ref(),
            dunning: &self.dunning,
        }
    }
}

impl Billing {
    /// What there is of a product.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn standings(&self, product: Product) -> Result<Standings> {
        let entitlements = self.entitlements().await?;
        let dunning = Query::pk(keys::partition(self.org)).begins(keys::DUNNING).consistent();
        let mut dunning = self.table.query_all::<Dunning>(dunning).await?;
        dunning.retain(|dunning| dunning.product == product);
        Ok(Standings {
            entitlements,
            trial: self.table.get_consistent(&keys::trial(self.org, product)).await?,
            subscription: self.table.get_consistent(&keys::subscription(self.org, product)).await?,
            dunning,
        })
    }

    /// What the organisation may use; `None` before its account was opened.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn entitlements(&self) -> Result<Option<Stored<Entitlements>>> {
        self.table.get_consistent(&keys::entitlements(self.org)).await
    }

    /// The writes, with that of what the organisation may use once they are made: they lead from `read` to `values`. It is made
    /// even where nothing changes of that: two who write different things of one product at once would each judge by the
    /// other's old one. Who writes nothing spoils nobody's judgement.
    #[must_use]
    pub fn entitled(
        &self,
        mut writes: Vec<Write>,
        read: &Standings,
        product: Product,
        values: &Values,
        origin: &Origin,
    ) -> Vec<Write> {
        let standings = BTreeMap::from([(product, values)]);
        let (write, changes) = self.entitled_in_all(read.entitlements.as_ref(), &standings, origin);
        writes.extend(write.filter(|_| changes || !writes.is_empty()));
        writes
    }

    /// The write of what the organisation may use by several products, and whether that changes; no write only if nothing was
    /// stored and nothing changes.
    pub(super) fn entitled_in_all(
        &self,
        stored: Option<&Stored<Entitlements>>,
        values: &BTreeMap<Product, &Values>,
        origin: &Origin,
    ) -> (Option<Write>, bool) {
        // Accounts gives every new organisation this.
        let current = stored.map_or_else(Entitlements::trial, |stored| stored.value.clone());
        let standings = values.iter().map(|(product, values)| (*product, values.standing())).collect();
        let Some((next, changed)) = recompute(&current, &standings) else {
            return (stored.map(|stored| Write::replace(stored, &stored.value)), false);
        };
        let write = match stored {
            Some(stored) => Write::replace(stored, &next),
            None => Write::create(keys::entitlements(self.org), "entitlements", &next).or(Error::Conflict),
        };
        (Some(write.event(origin.event(self.org, &changed))), true)
    }
}

impl Billing {
    /// The ladder of an invoice; `None` for one that was paid at once.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn ladder(&self, invoice: &str) -> Result<Option<Stored<Dunning>>> {
        self.table.get_consistent(&keys::dunning(self.org, invoice)).await
    }

    /// The write of an invoice's ladder that moved.
    #[must_use]
    pub fn dunned(
        &self,
        was: Option<&Stored<Dunning>>,
        transition: &Transition<Dunning>,
        origin: &Origin,
    ) -> Write {
        let dunning = &transition.next;
        let write = match was {
            Some(was) => Write::replace(was, dunning),
            None => Write::create(keys::dunning(self.org, &dunning.invoice), "dunning", dunning)
                .or(Error::Conflict),
        };
        let write = when_due(write, DUNNING_DUE, self.org, dunning.next_at, &dunning.invoice);
        match &transition.event {
            Some(event) => write.event(envelope(origin, self.org, event)),
            None => write,
        }
    }
}

impl BillingOfAll {
    /// Ladders in one shard whose next step is due.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_dunning(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<Dunning>>> {
        let due = Query::pk(keys::due_shard(DUNNING_DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
        self.table.query_all(due).await
    }
}
