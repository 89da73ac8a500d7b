//! The site's mail domain in SES.

use domain::hosting::EmailIdentity;
use platform::{Error, Result};

use crate::engine::{Outcome, Run};
use crate::mail_domains;
use crate::store::identities;

pub(super) async fn create(run: &Run<'_>) -> Result<Outcome> {
    let wanted = EmailIdentity::pending(&run.fqdn(), run.site.org, run.site.id, run.now());
    if run.store.identity(run.site.org, &wanted.domain).await?.is_none() {
        // What SES knows and we do not is somebody's: told of it again, SES would answer with their keys.
        let foreign = mail_domains::is_known(run.app, &wanted.domain).await?;
        match if foreign { Err(taken()) } else { run.store.want_identity(&wanted).await } {
            Ok(()) => {}
            Err(Error::Refused { code: identities::EXISTS, message, .. }) => {
                let remedy = "Find out whose the identity in SES is; delete it there if it is nobody's.";
                return Ok(Outcome::Abort(run.failure("mail_domain_taken", &message, remedy)));
            }
            Err(error) => return Err(error),
        }
    }
    Outcome::with(mail_domains::register(run.app, &wanted).await?)
}

fn taken() -> Error {
    Error::refused(identities::EXISTS, "The site's name sends mail for somebody else already.")
}

/// From here on the worker of mail domains looks at SES's verdicts; nothing waits for them.
pub(super) async fn watch(run: &Run<'_>) -> Result<Outcome> {
    let identity = run.store.identity(run.site.org, &run.fqdn()).await?;
    let watched =
        identity.map(|stored| identities::replace(&stored, &stored.value.clone().watched(run.now())));
    Ok(Outcome::by(watched.into_iter().collect()))
}

/// The domain of the site's name, and with the site's end the one that the customer gave it.
pub(super) async fn delete(run: &Run<'_>) -> Result<Outcome> {
    let own = (run.fqdn() == run.site.fqdn).then(|| run.site.own_mail_domain.clone()).flatten();
    let mut writes = Vec::new();
    for domain in [Some(run.fqdn()), own.clone()].into_iter().flatten() {
        // What is not stored as this site's was never registered for it.
        let identity = run.store.identity(run.site.org, &domain).await?;
        let Some(identity) = identity.filter(|identity| identity.site == run.site.id) else { continue };
        mail_domains::forget(run.app, &domain).await?;
        writes.extend(mail_domains::removal(&run.store, &identity, &run.origin).await?);
    }
    let mut site = run.site.value.clone();
    if own.is_some() {
        site.own_mail_domain = None;
    }
    Ok(Outcome::by(writes).changing(site, None))
}
