//! The site's mail domain in SES.

use domain::hosting::EmailIdentity;
use platform::Result;

use crate::engine::{Outcome, Run};
use crate::mail_domains;
use crate::store::identities;

pub(super) async fn create(run: &Run<'_>) -> Result<Outcome> {
    let wanted = EmailIdentity::pending(&run.fqdn(), run.site.org, run.site.id, run.now());
    run.store.want_identity(&wanted).await?;
    Outcome::with(mail_domains::register(run.app, &wanted).await?)
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
        mail_domains::forget(run.app, &domain).await?;
        if let Some(identity) = run.store.identity(run.site.org, &domain).await? {
            writes.extend(mail_domains::removal(&run.store, &identity, &run.origin).await?);
        }
    }
    let mut site = run.site.value.clone();
    if own.is_some() {
        site.own_mail_domain = None;
    }
    Ok(Outcome::by(writes).changing(site, None))
}
