//! The worker of mail domains: looks at SES's verdicts until they are final.

use std::collections::HashMap;

use aws_sdk_ses::Client;
use aws_sdk_ses::types::VerificationStatus;
use domain::hosting::EmailIdentity;
use domain::hosting::identity::Verdict;
use platform::store::Stored;
use platform::{App, Error, Origin, Result};

use crate::HostingOfAll;
use crate::store::keys::IDENTITY_SHARDS;

/// How many domains one call asks about.
const AT_ONCE: usize = 100;

/// Looks at every mail domain whose time has come.
///
/// # Errors
/// What the table or SES fail with.
pub async fn look(app: &App, origin: &Origin) -> Result<()> {
    let store = HostingOfAll::of(app);
    let ses = Client::new(app.aws());
    for shard in 0..IDENTITY_SHARDS {
        let due = store.due_identities(shard, origin.now).await?;
        for part in due.chunks(AT_ONCE) {
            look_at(app, &store, &ses, part, origin).await?;
        }
    }
    Ok(())
}

async fn look_at(
    app: &App,
    store: &HostingOfAll,
    ses: &Client,
    part: &[Stored<EmailIdentity>],
    origin: &Origin,
) -> Result<()> {
    let names: Vec<String> = part.iter().map(|identity| identity.domain.clone()).collect();
    let domains = ses.get_identity_verification_attributes().set_identities(Some(names.clone())).send().await;
    let domains = domains.map_err(|error| Error::aws("ses", error))?.verification_attributes;
    let keys = ses.get_identity_dkim_attributes().set_identities(Some(names)).send().await;
    let keys = keys.map_err(|error| Error::aws("ses", error))?.dkim_attributes;
    for stored in part {
        let domain = verdict(&domains, &stored.domain, |attributes| &attributes.verification_status);
        let dkim = verdict(&keys, &stored.domain, |attributes| &attributes.dkim_verification_status);
        let (identity, changed) = stored.value.clone().observed(domain, dkim, origin.now);
        let event = changed.map(|changed| origin.event(stored.org, &changed));
        if event.is_some() {
            app.count("EmailIdentitiesChanged", 1);
        }
        match store.observed(stored, &identity, event).await {
            // Somebody deleted the site in this moment; or this is a repeat of the look.
            Ok(()) | Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn verdict<T>(all: &HashMap<String, T>, domain: &str, status: impl Fn(&T) -> &VerificationStatus) -> Verdict {
    match all.get(domain).map(status) {
        Some(VerificationStatus::Success) => Verdict::Success,
        Some(VerificationStatus::Failed) => Verdict::Failed,
        Some(VerificationStatus::TemporaryFailure) => Verdict::TemporaryFailure,
        Some(VerificationStatus::NotStarted) | None => Verdict::NotStarted,
        Some(_) => Verdict::Pending,
    }
}
