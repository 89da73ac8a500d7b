//! The site's mail domain in SES.

use aws_sdk_ses::Client;
use aws_sdk_ses::types::BehaviorOnMxFailure;
use domain::hosting::EmailIdentity;
use domain::hosting::dns::MailTokens;
use platform::store::Write;
use platform::{Error, Result};

use crate::engine::{Outcome, Run};
use crate::store::identities;

/// Tells SES of the domain. Each call answers a repeat with what it answered first.
pub(super) async fn create(run: &Run<'_>) -> Result<Outcome> {
    let wanted = EmailIdentity::pending(&run.site.fqdn, run.site.org, run.site.id, run.now());
    run.store.want_identity(&wanted).await?;

    let ses = Client::new(run.app.aws());
    let domain = ses.verify_domain_identity().domain(&wanted.domain).send().await;
    let verification = domain.map_err(|error| Error::aws("ses", error))?.verification_token;
    let dkim = ses.verify_domain_dkim().domain(&wanted.domain).send().await;
    let dkim = dkim.map_err(|error| Error::aws("ses", error))?.dkim_tokens;
    ses.set_identity_mail_from_domain()
        .identity(&wanted.domain)
        .mail_from_domain(&wanted.mail_from)
        .behavior_on_mx_failure(BehaviorOnMxFailure::UseDefaultValue)
        .send()
        .await
        .map_err(|error| Error::aws("ses", error))?;
    Outcome::with(MailTokens { verification, dkim, mail_from: wanted.mail_from })
}

/// From here on the worker of mail domains looks at SES's verdicts; nothing waits for them.
pub(super) async fn watch(run: &Run<'_>) -> Result<Outcome> {
    let identity = run.store.identity(run.site.org, &run.site.fqdn).await?;
    let watched =
        identity.map(|stored| identities::replace(&stored, &stored.value.clone().watched(run.now())));
    Ok(Outcome::by(watched.into_iter().collect()))
}

pub(super) async fn delete(run: &Run<'_>) -> Result<Outcome> {
    let ses = Client::new(run.app.aws());
    // SES answers the deletion of what it does not know with success.
    ses.delete_identity().identity(&run.site.fqdn).send().await.map_err(|error| Error::aws("ses", error))?;
    let identity = run.store.identity(run.site.org, &run.site.fqdn).await?;
    Ok(Outcome::by(identity.as_ref().map(Write::remove).into_iter().collect()))
}
