//! Every key and every DynamoDB call of the area.
//!
//! [`Billing`] reaches one organisation's things alone; [`BillingOfAll`] is for workers and for staff.
//!
//! | item | pk / sk | indexes |
//! |---|---|---|
//! | account | `ORG#o` / `ACCOUNT` | gsi1 `STRIPE#cus` |
//! | founder | `ORG#o` / `FOUNDER` | |
//! | entitlements | `ORG#o` / `ENT` | |
//! | trial | `ORG#o` / `TRIAL#product` | gsi2 `DUE#TRIAL#n` |
//! | subscription, those before it | `ORG#o` / `SUB#product`, `SUBH#product#n` | gsi1 `STRIPE#sub`, gsi2 `DUE#SUB#n` while live, `ENDED#SUB#month` after |
//! | invoice, where it lies | `ORG#o` / `INV#created#in`, `INVAT#in` | the place: gsi1 `STRIPE#in` |
//! | charge, refund | `ORG#o` / `CH#ch`, `RF#re` | gsi1 `STRIPE#ch` |
//! | dispute, its place in the list of all | `ORG#o` / `DP#dp`, `DISPUTES` / `created#dp` | gsi1 `STRIPE#dp`, gsi2 `DUE#DISPUTE#n` |
//! | posting | `LED#o#month` / `source` | gsi1 `LEDGER#month#n` |
//! | payment method | `ORG#o` / `PM#pm` | gsi2 `DUE#CARD#n` |
//! | site that counts | `ORG#o` / `SITE#s` | |
//! | quote | `ORG#o` / `QUOTE#id` | |
//! | checkout | `ORG#o` / `CHK#product` | gsi2 `DUE#CHK#n` |
//! | call of Stripe | `ORG#o` / `OP#action#entity` | gsi2 `DUE#OP#n` |
//! | dunning | `ORG#o` / `DUN#invoice` | gsi2 `DUE#DUNNING#n` |
//! | event of Stripe's | `EVT#evt` / `EVT` | gsi2 `DUE#EVT#n` until it is done with |
//! | comparison, what it found | `RECON#date` / `RUN`, `DIFF#id` | gsi1 `RECONCILIATIONS` |
//! | how far events were read | `CUR#events` / `CUR` | |
//! | price | `CAT#stripe` / `PRICE#key` | |
//! | meter | `CAT#stripe` / `METER#name` | |
//! | use of a day | `USG#o#meter#day` / id | |
//! | id of use | `USGID#o` / id | |
//! | count of use | `AGG#o#meter` / `D<day>#n`, `M<month>#n` | |
//! | part of an hour of use | `ORG#o` / `ROLL#meter#hour#n` | gsi2 `DUE#ROLL#n`, then `ARRIVED#day#n` |
//! | cap | `ORG#o` / `CAP#meter` | |
//! | mark of a trial | `TRIALFP#<sha-256 of mailbox or domain>` / `MARK` | |

pub mod accounts;
pub mod catalog;
pub mod charges;
pub mod inbox;
pub mod invoices;
pub mod keys;
pub mod ledger;
pub mod ops;
pub mod reconciliations;
pub mod rollups;
pub mod sites;
pub mod slots;
pub mod standing;
pub mod subscriptions;
pub mod trials;
pub mod usage;

use domain::OrgId;
use domain::Timestamp;
use platform::App;
use platform::store::{Index, Table, Write};

/// One organisation's account, trials and subscriptions.
#[derive(Debug, Clone)]
pub struct Billing {
    table: Table,
    org: OrgId,
}

/// Everybody's.
#[derive(Debug, Clone)]
pub struct BillingOfAll {
    table: Table,
}

impl Billing {
    /// What this organisation has.
    #[must_use]
    pub fn of(app: &App, org: OrgId) -> Self {
        Self { table: app.table(), org }
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> OrgId {
        self.org
    }
}

impl BillingOfAll {
    /// What everybody has.
    #[must_use]
    pub fn of(app: &App) -> Self {
        Self { table: app.table() }
    }

    /// One organisation's part of it.
    #[must_use]
    pub fn one(&self, org: OrgId) -> Billing {
        Billing { table: self.table.clone(), org }
    }
}

/// Puts an item where the sweep of its kind finds it at that moment, or takes it out.
fn when_due(write: Write, what: &str, org: OrgId, at: Option<Timestamp>, id: &str) -> Write {
    match at {
        Some(at) => write.index(Index::Gsi2, keys::due(what, org), format!("{at}#{org}#{id}")),
        None => write.unindex(Index::Gsi2),
    }
}
