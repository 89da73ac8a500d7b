//! Every key and every DynamoDB call of the area.
//!
//! [`Hosting`] reaches one organisation's things alone; [`HostingOfAll`] is for workers and for hosts.
//!
//! | item | pk / sk | indexes |
//! |---|---|---|
//! | site | `ORG#o` / `SITE#s` | gsi2 `DUE#SITE#n` |
//! | backup | `SITE#s` / `BK#b` | |
//! | usage, what was heard of the plan | `ORG#o` / `USAGE`, `PLAN` | |
//! | domain | `ORG#o` / `DOM#name` | gsi2 `DUE#DOMAIN#n` |
//! | e-mail identity, whose it is | `ORG#o` / `SES#domain`, `SES#domain` / `CLAIM` | gsi2 `DUE#IDENTITY#n` |
//! | how a site's mail fares | `SITE#s` / `MAIL` | |
//! | mails of a month, what was told of a mail | `ORG#o` / `MAILS#yyyy-mm`, `TOLD#m` / `TOLD` | |
//! | measure | `ORG#o` / `MEASURE#s` | |
//! | orphan | `ORPHANS` / `kind#name` | |
//! | operation | `OP#op` / `OP` | gsi2 `DUE#OPERATION#n`, gsi3 `SITE#s` |
//! | step, log | `OP#op` / `STEP#nn#name`, `LOG#id` | |
//! | label claim | `LABEL#zone#label` / `CLAIM` | |
//! | host | `HOST#h` / `HOST` | gsi1 `POOL#name#ready` or `#out`, by free units |
//! | reservation | `HOST#h` / `RES#s` | |
//! | pool, its hosts, its waiters | `POOL#name` / `CFG`, `HOST#h`, `WAIT#s` | gsi2 `DUE#POOL` |
//! | zone, its records, its changes | `ZONE#name` / `ZONE`, `REC#eman.#type`, `CHG#id` | gsi2 `DUE#ZONE` |

pub mod backups;
pub mod domains;
pub mod hosts;
mod hosts_http;
pub mod identities;
pub mod keys;
pub mod labels;
pub mod mails;
pub mod operations;
pub mod orphans;
pub mod plans;
pub mod pools;
pub mod sites;
pub mod wishes;
pub mod zones;

use domain::OrgId;
use platform::App;
use platform::store::Table;

/// One organisation's sites. Another organisation's ids are not found.
#[derive(Debug, Clone)]
pub struct Hosting {
    table: Table,
    org: OrgId,
}

/// Everybody's sites, and what they stand on.
#[derive(Debug, Clone)]
pub struct HostingOfAll {
    table: Table,
}

impl Hosting {
    /// What this organisation has.
    #[must_use]
    pub fn of(app: &App, org: OrgId) -> Self {
        Self { table: app.table(), org }
    }
}

impl HostingOfAll {
    /// What everybody has.
    #[must_use]
    pub fn of(app: &App) -> Self {
        Self { table: app.table() }
    }

    /// The table itself, for the transactions of the engine, whose writes this module builds.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}
