//! Mail that sites send: how much, and what became of it.

use std::time::Duration;

use domain::hosting::mailing::{Fate, MailStanding, MailStopped};
use domain::hosting::{CustomDomain, EmailIdentity, Site};
use domain::{OrgId, SiteId, Timestamp};
use platform::event::Origin;
use platform::store::{Key, Stored, Write, again};
use platform::{Error, Result};
use serde::Deserialize;
use serde_json::json;

use super::{Hosting, HostingOfAll, identities, keys};
use crate::mail_events::MailTold;

/// SES tells of a mail within days; a repeat after that is counted twice, which harms nobody.
const TOLD_KEPT: Duration = Duration::from_secs(14 * 24 * 3_600);
const TOLD: &str = "told_already";

impl Hosting {
    /// Counts a mail against the plan's month, before it leaves, with a further write.
    ///
    /// # Errors
    /// `limit_reached`; what the further write says.
    pub async fn count_mail(
        &self,
        plan: &str,
        most: u64,
        begun: Option<Write>,
        now: Timestamp,
    ) -> Result<()> {
        let limit = domain::hosting::site::limit_reached("mails_per_month", plan, most);
        let counted = Write::update(month(self.org, now))
            .set("kind", "mail_month")
            .add("mails", 1)
            .when("attribute_not_exists(mails) OR mails < :most", [(":most", most)])
            .expires_at(now + Duration::from_secs(400 * 24 * 3_600))
            .or(limit);
        self.table.transact(begun.into_iter().chain([counted])).await
    }

    /// How many mails left this month.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn mails_this_month(&self, now: Timestamp) -> Result<u64> {
        let stored = self.table.get::<Month>(&month(self.org, now)).await?;
        Ok(stored.map_or(0, |stored| stored.mails))
    }

    /// A mail that SES certainly did not take is no mail. With a further write.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn uncount_mail(&self, ended: Option<Write>, now: Timestamp) -> Result<()> {
        let uncounted = Write::update(month(self.org, now)).add("mails", -1);
        self.table.transact(ended.into_iter().chain([uncounted])).await
    }

    /// How the mail of a site fares. The site was read by [`Hosting::site`].
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn mail_standing(&self, site: SiteId) -> Result<MailStanding> {
        let stored = self.table.get(&keys::mail_standing(site)).await?;
        Ok(stored.map_or_else(|| MailStanding::new(site), |stored| stored.value))
    }

    /// The mail domain that a site sends from: the organisation's own once it was verified, until then that of its name.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn sender(&self, site: &Site) -> Result<EmailIdentity> {
        if let Some(own) = &site.own_mail_domain
            && let Some(own) = self.identity(own).await?
            && own.verified_at.is_some()
        {
            return Ok(own.value);
        }
        Ok(self.identity(&site.fqdn).await?.ok_or(Error::NotFound)?.value)
    }

    /// Stores a mail domain that a customer gives a site, and the site that has it now. `zone` is the customer's domain that
    /// it is in: whoever takes that away at this moment fails, or this does.
    ///
    /// # Errors
    /// `exists` when the domain is a site's already, of whatever organisation; `version_conflict`.
    pub async fn give_mail_domain(
        &self,
        stored: &Stored<Site>,
        identity: &EmailIdentity,
        zone: &Stored<CustomDomain>,
    ) -> Result<()> {
        let domain = Some(identity.domain.clone());
        let site = Site { own_mail_domain: domain, ..stored.value.clone() };
        let writes = [Write::replace(stored, &site), Write::replace(zone, &zone.value)];
        self.table.transact(identities::create(identity).into_iter().chain(writes)).await
    }

    /// Takes the site's own mail domain off it; `writes` take what it stood on.
    ///
    /// # Errors
    /// `version_conflict`.
    pub async fn take_mail_domain(&self, stored: &Stored<Site>, writes: Vec<Write>) -> Result<()> {
        let site = Site { own_mail_domain: None, ..stored.value.clone() };
        self.table.transact(writes.into_iter().chain([Write::replace(stored, &site)])).await
    }

    /// A mail domain that changed, with further writes, while its site is as it was read.
    ///
    /// # Errors
    /// `version_conflict`.
    pub async fn change_identity(
        &self,
        stored: &Stored<EmailIdentity>,
        identity: &EmailIdentity,
        site: &Stored<Site>,
        writes: Vec<Write>,
    ) -> Result<()> {
        let same = Write::check(site.key.clone()).when("v = :v", [(":v", site.version)]);
        self.table.transact(writes.into_iter().chain([identities::replace(stored, identity), same])).await
    }
}

impl HostingOfAll {
    /// Counts what became of a site's mail, once. `told` names the mail and what is told of it.
    ///
    /// # Errors
    /// `version_conflict` when something else was told of the site's mails in this moment.
    pub async fn count_fate(
        &self,
        mail: &MailTold,
        fate: Fate,
        origin: &Origin,
    ) -> Result<Option<MailStopped>> {
        // A site's mails are told of all at once.
        again(async || self.count_one_fate(mail, fate, origin).await).await
    }

    async fn count_one_fate(
        &self,
        mail: &MailTold,
        fate: Fate,
        origin: &Origin,
    ) -> Result<Option<MailStopped>> {
        let MailTold { org, site, domain, told, .. } = mail;
        let key = keys::mail_standing(*site);
        let stored: Option<Stored<MailStanding>> = self.table.get_consistent(&key).await?;
        let before = stored.as_ref().map_or_else(|| MailStanding::new(*site), |stored| stored.value.clone());
        let (standing, stopped) = before.told(fate, domain, origin.now);
        let mut write = match &stored {
            Some(stored) => Write::replace(stored, &standing),
            None => Write::create(key, "mail_standing", &standing).or(Error::Conflict),
        };
        if let Some(stopped) = &stopped {
            write = write.event(origin.event(*org, stopped));
        }
        let once = Write::create(Key::new(format!("TOLD#{told}"), "TOLD"), "mail_told", &json!({}))
            .or(Error::refused(TOLD, "This was counted already."))
            .expires_at(origin.now + TOLD_KEPT);
        match self.table.transact([once, write]).await {
            Ok(()) => Ok(stopped),
            Err(Error::Refused { code: TOLD, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How many mails left in a month.
#[derive(Deserialize)]
struct Month {
    #[serde(default)]
    mails: u64,
}

/// The mails of an organisation in a month.
fn month(org: OrgId, now: Timestamp) -> Key {
    let month: String = now.to_string().chars().take(7).collect();
    Key::new(keys::org_partition(org), format!("MAILS#{month}"))
}
