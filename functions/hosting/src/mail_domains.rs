//! Mail domains in SES: made known, given up, and the records that prove them in a customer's zone.

use aws_sdk_ses::Client;
use aws_sdk_ses::types::BehaviorOnMxFailure;
use domain::SiteId;
use domain::hosting::dns::{MailTokens, RecordState, mail_records};
use domain::hosting::{DnsAction, EmailIdentity, ManagedRecord, Site, SiteState};
use platform::store::{Stored, Write, again};
use platform::{App, Error, Origin, Result};

use crate::store::{Hosting, HostingOfAll, identities, zones};

/// Whether SES knows a domain: as somebody's mail domain, or as the product's own.
///
/// # Errors
/// What SES fails with.
pub async fn is_known(app: &App, domain: &str) -> Result<bool> {
    let call = Client::new(app.aws()).get_identity_verification_attributes().identities(domain);
    let answer = call.send().await.map_err(|error| Error::aws("ses", error))?;
    Ok(answer.verification_attributes.contains_key(domain))
}

/// Tells SES of a domain. Each call answers a repeat with what it answered first.
///
/// # Errors
/// What SES fails with.
pub async fn register(app: &App, identity: &EmailIdentity) -> Result<MailTokens> {
    let ses = Client::new(app.aws());
    let domain = ses.verify_domain_identity().domain(&identity.domain).send().await;
    let verification = domain.map_err(|error| Error::aws("ses", error))?.verification_token;
    let dkim = ses.verify_domain_dkim().domain(&identity.domain).send().await;
    let dkim = dkim.map_err(|error| Error::aws("ses", error))?.dkim_tokens;
    ses.set_identity_mail_from_domain()
        .identity(&identity.domain)
        .mail_from_domain(&identity.mail_from)
        .behavior_on_mx_failure(BehaviorOnMxFailure::UseDefaultValue)
        .send()
        .await
        .map_err(|error| Error::aws("ses", error))?;
    Ok(MailTokens { verification, dkim, mail_from: identity.mail_from.clone() })
}

/// Has SES look once more for the records of a site's mail domain that it gave up. What fails is no try.
///
/// # Errors
/// `not_failed`, `too_many_tries`, `domain_not_ready`; as [`connect`].
pub async fn retry(
    app: &App,
    hosting: &Hosting,
    site: SiteId,
    around: (&str, &Origin),
) -> Result<EmailIdentity> {
    let (_, origin) = around;
    // Of two at once one tries.
    let (before, tried) = again(async || {
        let site = hosting.site(site).await?;
        ensure_stays(&site)?;
        let before = hosting.fresh_identity(site.mail_domain()).await?;
        let tried = before.value.clone().retried(origin.now)?;
        // A customer's zone that is being deleted takes no records any more.
        if let Some(zone) = &tried.zone {
            hosting.domain(zone).await?.check_open()?;
        }
        hosting.change_identity(&before, &tried, &site, Vec::new()).await?;
        Ok((before.value, tried))
    })
    .await?;
    let connected = async {
        // SES begins its 72 hours anew with a domain that it does not know, and may give it other keys.
        forget(app, &tried.domain).await?;
        connect(app, hosting, site, &tried, around).await
    };
    let connected = connected.await;
    if connected.is_err() {
        let undone = again(async || match hosting.fresh_identity(&tried.domain).await {
            Ok(stored) if stored.value == tried => {
                HostingOfAll::of(app).observed(&stored, &before, None).await
            }
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        });
        if let Err(error) = undone.await {
            app.report(origin, &error);
        }
    }
    connected
}

/// A site that is being taken away gets no more records.
fn ensure_stays(site: &Site) -> Result<()> {
    if matches!(site.state, SiteState::Active | SiteState::Migrating | SiteState::Suspended) {
        return Ok(());
    }
    Err(Error::refused("site_not_active", "The site is not active."))
}

/// Tells SES of a site's mail domain and asks for its records. One that was taken off the site meanwhile is forgotten again.
///
/// # Errors
/// `record_conflict`; `site_not_active` for a site that is going; `version_conflict` when the domain was taken off; what SES
/// fails with.
pub async fn connect(
    app: &App,
    hosting: &Hosting,
    site: SiteId,
    identity: &EmailIdentity,
    (region, origin): (&str, &Origin),
) -> Result<EmailIdentity> {
    let all = HostingOfAll::of(app);
    let tokens = register(app, identity).await?;
    let asked = again(async || {
        let site = hosting.site(site).await?;
        let stored = hosting.fresh_identity(&identity.domain).await?;
        if stored.site != site.id {
            return Err(Error::NotFound);
        }
        if let Err(going) = ensure_stays(&site) {
            // Whoever takes the domain from the site lets SES forget it: anew, as the domain is another since.
            hosting.change_identity(&stored, &stored.value, &site, Vec::new()).await?;
            return Err(going);
        }
        let zone = stored.zone.as_ref().unwrap_or(&site.zone);
        let records = records(&all, zone, &stored, &tokens, (region, origin)).await?;
        let watched = stored.value.clone().watched(origin.now);
        hosting.change_identity(&stored, &watched, &site, records).await?;
        Ok(watched)
    });
    match asked.await {
        Err(Error::NotFound) => {
            if !all.is_mail_domain(&identity.domain).await? {
                forget(app, &identity.domain).await?;
            }
            Err(Error::Conflict)
        }
        asked => asked,
    }
}

/// Lets SES forget a domain. It answers the deletion of what it does not know with success.
///
/// # Errors
/// What SES fails with.
pub async fn forget(app: &App, domain: &str) -> Result<()> {
    let gone = Client::new(app.aws()).delete_identity().identity(domain).send().await;
    gone.map(drop).map_err(|error| Error::aws("ses", error))
}

/// The writes that ask for a mail domain's records in its zone, and take away those of keys that SES gave before.
///
/// # Errors
/// `record_conflict` when the customer keeps something else under one of the names.
pub async fn records(
    store: &HostingOfAll,
    zone: &str,
    identity: &EmailIdentity,
    tokens: &MailTokens,
    (region, origin): (&str, &Origin),
) -> Result<Vec<Write>> {
    let there = store.records_under(zone, &identity.domain).await?;
    let wanted = mail_records(&identity.domain, tokens, region);
    let mut writes = Vec::new();
    let keys = format!("._domainkey.{}", identity.domain);
    let outdated = there.iter().filter(|stored| {
        stored.site == Some(identity.site)
            && stored.action == DnsAction::Upsert
            && stored.record.name.ends_with(&keys)
            && wanted.iter().all(|record| record.name != stored.record.name)
    });
    for stored in outdated {
        let wake = writes.is_empty().then(|| zones::wake(zone, origin));
        writes.extend(zones::wish(
            &stored.value.clone().unwanted(None, origin.now),
            Some(stored),
            origin,
            wake,
        ));
    }
    for record in wanted {
        let before = there
            .iter()
            .find(|stored| stored.record.name == record.name && stored.record.kind == record.kind);
        let own = before.is_none_or(|before| before.site == Some(identity.site));
        if !own {
            let message =
                format!("The domain has another record {} at {}.", record.kind.as_str(), record.name);
            return Err(Error::refused("record_conflict", message));
        }
        let done = before.is_some_and(|before| {
            before.action == DnsAction::Upsert
                && before.record == record
                && before.state != RecordState::Rejected
        });
        if done {
            continue;
        }
        let known = before.map(|stored| &stored.value);
        let kept = ManagedRecord::kept(zone, record, identity.org, known, origin.now);
        let kept = ManagedRecord { site: Some(identity.site), ..kept };
        let wake = writes.is_empty().then(|| zones::wake(zone, origin));
        writes.extend(zones::wish(&kept, before, origin, wake));
    }
    if identity.zone.is_some() {
        writes.push(zones::stands(zone, identity.org));
    }
    Ok(writes)
}

/// The writes that take a mail domain and its records away, once SES has forgotten it.
///
/// # Errors
/// What the table fails with.
pub async fn removal(
    store: &HostingOfAll,
    identity: &Stored<EmailIdentity>,
    origin: &Origin,
) -> Result<Vec<Write>> {
    let mut writes = Vec::from(identities::remove(identity));
    let Some(zone) = &identity.zone else { return Ok(writes) };
    let records = store.records_under(zone, &identity.domain).await?;
    let own = records
        .iter()
        .filter(|record| record.site == Some(identity.site) && record.action == DnsAction::Upsert);
    for (index, stored) in own.enumerate() {
        let unwanted = stored.value.clone().unwanted(None, origin.now);
        let wake = (index == 0).then(|| zones::wake(zone, origin));
        writes.extend(zones::wish(&unwanted, Some(stored), origin, wake));
    }
    Ok(writes)
}
