//! Mail domains of sites.

use domain::hosting::EmailIdentity;
use domain::{OrgId, Refusal, SiteId, Timestamp};
use platform::Result;
use platform::event::EventEnvelope;
use platform::store::{Index, Query, Stored, Write};
use serde::Serialize;

use super::{Hosting, HostingOfAll, keys};

/// How many mail domains of one shard are looked at in one run.
const MOST_DUE: u32 = 500;
/// The code of a mail domain that is somebody's.
pub(crate) const EXISTS: &str = "exists";

/// Whose a mail domain is.
#[derive(Debug, Serialize)]
struct MailClaim {
    org: OrgId,
    site: SiteId,
}

impl Hosting {
    /// Whether mail of one of the organisation's sites comes from a domain, or from a name under it, that `zone` holds.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn sends_from(&self, zone: &str) -> Result<bool> {
        let all = Query::pk(keys::org_partition(self.org)).begins(keys::IDENTITY).consistent();
        let all = self.table.query_all::<EmailIdentity>(all).await?;
        Ok(all.iter().any(|identity| identity.zone.as_deref() == Some(zone)))
    }
}

impl HostingOfAll {
    /// A mail domain of an organisation.
    pub(crate) async fn identity(&self, org: OrgId, domain: &str) -> Result<Option<Stored<EmailIdentity>>> {
        self.table.get_consistent(&keys::identity(org, domain)).await
    }

    /// Whether a domain is somebody's mail domain.
    pub(crate) async fn is_mail_domain(&self, domain: &str) -> Result<bool> {
        Ok(self.table.get_consistent::<serde::de::IgnoredAny>(&keys::mail_claim(domain)).await?.is_some())
    }

    /// Stores a mail domain, and whose it is, before SES is told of it.
    ///
    /// # Errors
    /// `exists` when it is somebody's.
    pub(crate) async fn want_identity(&self, identity: &EmailIdentity) -> Result<()> {
        self.table.transact(create(identity)).await
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

/// A mail domain that nobody has, and whose it is from now on.
pub(crate) fn create(identity: &EmailIdentity) -> [Write; 2] {
    let taken = || Refusal::conflict(EXISTS, "The domain sends mail for a site already.");
    let claim = MailClaim { org: identity.org, site: identity.site };
    let key = keys::identity(identity.org, &identity.domain);
    [
        Write::create(keys::mail_claim(&identity.domain), "mail_claim", &claim).or(taken()),
        Write::create(key, "email_identity", identity).or(taken()),
    ]
}

/// A mail domain that SES has forgotten: it is nobody's.
pub(crate) fn remove(stored: &Stored<EmailIdentity>) -> [Write; 2] {
    [Write::remove(stored), Write::delete(keys::mail_claim(&stored.domain))]
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
