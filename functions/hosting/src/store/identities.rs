//! Mail domains of sites.

use domain::hosting::EmailIdentity;
use domain::{OrgId, Timestamp};
use platform::event::EventEnvelope;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{HostingOfAll, keys};

/// How many mail domains of one shard are looked at in one run.
const MOST_DUE: u32 = 500;

impl HostingOfAll {
    /// A mail domain of an organisation.
    pub(crate) async fn identity(&self, org: OrgId, domain: &str) -> Result<Option<Stored<EmailIdentity>>> {
        self.table.get_consistent(&keys::identity(org, domain)).await
    }

    /// Stores a mail domain before SES is told of it. One that is there stays as it is.
    pub(crate) async fn want_identity(&self, identity: &EmailIdentity) -> Result<()> {
        let key = keys::identity(identity.org, &identity.domain);
        match self.table.write(Write::create(key, "email_identity", identity).or(Error::Conflict)).await {
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Mail domains in one shard that are to be looked at.
    pub(crate) async fn due_identities(
        &self,
        shard: u128,
        now: Timestamp,
    ) -> Result<Vec<Stored<EmailIdentity>>> {
        let due = Query::pk(keys::due_identities(shard)).index(Index::Gsi2).up_to(now.to_string());
        Ok(self.table.query(due.limit(MOST_DUE)).await?.items)
    }

    /// A mail domain after a look at it.
    pub(crate) async fn observed(
        &self,
        stored: &Stored<EmailIdentity>,
        identity: &EmailIdentity,
        event: Option<EventEnvelope>,
    ) -> Result<()> {
        let write = replace(stored, identity);
        let write = match event {
            Some(event) => write.event(event),
            None => write,
        };
        self.table.write(write).await
    }
}

/// A mail domain that changed; it is looked at when it says so.
pub(crate) fn replace(stored: &Stored<EmailIdentity>, identity: &EmailIdentity) -> Write {
    let write = Write::replace(stored, identity);
    match identity.next_at {
        Some(at) => {
            let shard = keys::due_identities(identity.site.ulid() % keys::IDENTITY_SHARDS);
            write.index(Index::Gsi2, shard, format!("{at}#{}", identity.domain))
        }
        None => write.unindex(Index::Gsi2),
    }
}
