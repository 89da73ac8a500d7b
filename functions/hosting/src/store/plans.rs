//! What was last heard of organisations' plans.

use domain::OrgId;
use domain::Timestamp;
use domain::accounts::Entitlements;
use domain::hosting::HeardPlan;
use platform::store::{Stored, Table, Write};
use platform::{Error, Result};

use super::{Hosting, HostingOfAll, keys};

const KIND: &str = "plan";

impl Hosting {
    /// What was last heard of the organisation's plan.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn heard_plan(&self) -> Result<Option<Stored<HeardPlan>>> {
        heard(&self.table, self.org).await
    }
}

impl HostingOfAll {
    /// What was last heard of an organisation's plan.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn heard_plan(&self, org: OrgId) -> Result<Option<Stored<HeardPlan>>> {
        heard(&self.table, org).await
    }

    /// Keeps what an organisation's plan says now, for sites that are yet to be made. What is no news changes nothing.
    ///
    /// # Errors
    /// `version_conflict` when something else was heard in this moment.
    pub async fn hear(&self, org: OrgId, plan: &Entitlements, now: Timestamp) -> Result<()> {
        let stored = heard(&self.table, org).await?;
        match news(org, stored.as_ref(), plan, now) {
            Some(write) => self.table.write(write).await,
            None => Ok(()),
        }
    }
}

async fn heard(table: &Table, org: OrgId) -> Result<Option<Stored<HeardPlan>>> {
    table.get_consistent(&keys::plan(org)).await
}

/// What a plan says, where it is news. The write fails when something newer is heard before it.
pub(crate) fn news(
    org: OrgId,
    stored: Option<&Stored<HeardPlan>>,
    plan: &Entitlements,
    now: Timestamp,
) -> Option<Write> {
    let news = HeardPlan::news(stored.map(|stored| &stored.value), plan, now)?;
    Some(match stored {
        Some(stored) => Write::replace(stored, &news),
        None => Write::create(keys::plan(org), KIND, &news).or(Error::Conflict),
    })
}

/// Only while nothing newer was heard than what was read: what a transaction makes is made by that.
pub(crate) fn unchanged(stored: &Stored<HeardPlan>) -> Write {
    Write::check(stored.key.clone()).when("v = :v", [(":v", stored.version)])
}
