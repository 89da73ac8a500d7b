//! The site's label: held, made the site's name beside the old one, given back.

use domain::hosting::{ClaimState, Direction, Reservation};
use platform::store::Write;
use platform::{Error, Result};
use serde_json::json;

use super::serving::{Absent, tell};
use crate::engine::{Outcome, Run};
use crate::store::labels;

pub(super) async fn claim(run: &Run<'_>) -> Result<Outcome> {
    match run.store.keep_label(&run.site, run.label(), run.now()).await {
        Ok(()) => Outcome::with(json!({"label": run.label(), "fqdn": run.fqdn()})),
        Err(Error::Refused { code: "label_taken", message, .. }) => {
            let remedy = "Nothing: the operation takes everything back; the customer chooses another name.";
            Ok(Outcome::Abort(run.failure("label_taken", &message, remedy)))
        }
        Err(error) => Err(error),
    }
}

/// Gives the label back. One that was the site's is kept from others for a while; one that never became it is free.
pub(super) async fn release(run: &Run<'_>) -> Result<Outcome> {
    let claim = run.store.claim(&run.site.zone, run.label()).await?;
    let own = claim.filter(|claim| claim.site == run.site.id && claim.state == ClaimState::Live);
    let served = run.operation.direction == Direction::Forward && run.site.activated_at.is_some();
    Ok(Outcome::by(own.map(|claim| labels::release(&claim, served, run.now())).into_iter().collect()))
}

pub(super) async fn add(run: &Run<'_>) -> Result<Outcome> {
    let name = run.fqdn();
    tell(run, run.host()?, Absent::Waits, |kept| Reservation { also: Some(name), ..kept }).await
}

pub(super) async fn drop_other(run: &Run<'_>) -> Result<Outcome> {
    tell(run, run.host()?, Absent::Learns, |kept| Reservation { also: None, ..kept }).await
}

/// The host serves both names already: site and host agree on the new one in one transaction.
pub(super) async fn switch(run: &Run<'_>) -> Result<Outcome> {
    let before = run.site.fqdn.clone();
    let (site, renamed) = run.site.value.clone().renamed();
    let event = renamed.map(|renamed| run.origin.event(site.org, &renamed));
    let host = run.host()?;
    let Some(kept) = run.store.reservation(host, site.id).await? else {
        return Err(Error::internal(format!("host {host} keeps no room for site {}", site.id)));
    };
    let renamed = Reservation { fqdn: site.fqdn.clone(), also: Some(before), ..kept.value.clone() };
    Ok(Outcome::by(vec![Write::replace(&kept, &renamed)]).changing(site, event))
}
