//! Accounts: who an organisation is to Stripe.

use std::collections::BTreeMap;

use domain::billing::{Account, Product, StartTrial, Trial};
use domain::{Email, OrgId};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};

use super::standing::Values;
use super::trials::{marks, started};
use super::{Billing, BillingOfAll, keys};

const KIND: &str = "account";

/// Who signed the organisation up. Where invoices go may change; whose trials these are may not.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Founder {
    email: Email,
}

impl Billing {
    /// The organisation's account.
    ///
    /// # Errors
    /// `account_not_ready` (409) within the first seconds after its sign-up.
    pub async fn account(&self) -> Result<Stored<Account>> {
        self.table.get_consistent(&keys::account(self.org)).await?.ok_or_else(not_ready)
    }

    /// Who signed the organisation up.
    ///
    /// # Errors
    /// As [`Billing::account`].
    pub(super) async fn founder(&self) -> Result<Email> {
        let found = self.table.get_consistent::<Founder>(&keys::founder(self.org)).await?;
        found.map(|stored| stored.value.email).ok_or_else(not_ready)
    }

    /// Opens the account of a new organisation, with a trial of hosting if that is wanted and its people did not try it
    /// before. An account that is open stays as it is. Answers whether a trial began.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn open(
        &self,
        email: &Email,
        account: &Account,
        wants_trial: bool,
        origin: &Origin,
    ) -> Result<bool> {
        if self.table.get_consistent::<Account>(&keys::account(self.org)).await?.is_some() {
            return Ok(false);
        }
        if wants_trial {
            let start = StartTrial { org: self.org, product: Product::Hosting, by: None, subscribed: false };
            let transition = Trial::start(&start, None, origin.now)?;
            let mut trial = vec![started(&transition, origin)];
            trial.extend(marks(&transition.next, email));
            let values = Values::default().with_trial(transition.next);
            match self.open_with(email, account, &values, trial, origin).await {
                Err(Error::Refused { code: "trial_used", .. }) => {}
                done => return done.map(|()| true),
            }
        }
        self.open_with(email, account, &Values::default(), Vec::new(), origin).await.map(|()| false)
    }

    async fn open_with(
        &self,
        email: &Email,
        account: &Account,
        hosting: &Values,
        trial: Vec<Write>,
        origin: &Origin,
    ) -> Result<()> {
        let nothing = Values::default();
        let mut values = BTreeMap::from(Product::ALL.map(|product| (product, &nothing)));
        values.insert(Product::Hosting, hosting);
        let (entitled, _) = self.entitled_in_all(self.entitlements().await?.as_ref(), &values, origin);
        let founder = Founder { email: email.clone() };
        let opened = [
            Write::create(keys::account(self.org), KIND, account).or(Error::Conflict),
            Write::create(keys::founder(self.org), "founder", &founder).or(Error::Conflict),
        ];
        self.table.transact(opened.into_iter().chain(trial).chain(entitled)).await
    }
}

impl BillingOfAll {
    /// Whose customer this is; `None` for one that is nobody's.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn customer(&self, stripe_id: &str) -> Result<Option<OrgId>> {
        let found = Query::pk(keys::by_stripe(stripe_id)).index(Index::Gsi1).limit(1);
        let page = self.table.query::<Account>(found).await?;
        Ok(page.values().next().map(|account| account.org))
    }
}

fn not_ready() -> Error {
    let message = "The organisation's account is being opened; try again in a few seconds.";
    Error::refused("account_not_ready", message)
}
