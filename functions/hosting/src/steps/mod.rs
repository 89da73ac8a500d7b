//! What each step does, and how it is taken back.
//!
//! A step does or polls one outside effect per turn. It stores nothing itself that the turn's transaction can store; where it
//! needs a transaction of its own, that one fails without the operation's lease.

mod activation;
mod bucket;
mod mail_domain;
mod records;
mod room;
mod serving;

use domain::hosting::{ClaimState, Run as Wanted, StepName};
use platform::Result;
use platform::store::Write;
use serde_json::{Value, json};

use crate::engine::{Outcome, Run};
use crate::store::labels;

/// What a step has to choose before its first outside call, so that a repeat asks for the same. Most have nothing to choose:
/// what they ask for follows from the site.
///
/// # Errors
/// `internal`.
pub fn choose(run: &Run<'_>, name: StepName) -> Result<Option<Value>> {
    match name {
        StepName::CreateBucket => bucket::choose(run).map(Some),
        _ => Ok(None),
    }
}

/// Takes a turn of a step.
///
/// # Errors
/// What the step's calls fail with: the engine tries again.
pub async fn execute(run: &mut Run<'_>, name: StepName) -> Result<Outcome> {
    match name {
        StepName::CheckPlan => Ok(check_plan(run)),
        StepName::ClaimLabel => claim_label(run).await,
        StepName::ReserveSlot => room::reserve(run).await,
        StepName::AwaitHost => room::await_host(run).await,
        StepName::CreateBucket => bucket::create(run).await,
        StepName::HardenBucket => bucket::harden(run).await,
        StepName::GrantAccess => bucket::grant(run).await,
        StepName::CreateIdentity => mail_domain::create(run).await,
        StepName::QueueDns => records::queue(run).await,
        StepName::AwaitDns => records::wait(run).await,
        StepName::PublishManifest => serving::publish(run).await,
        StepName::CheckSite => serving::check(run).await,
        StepName::Activate => activation::activate(run).await,
        StepName::WatchEmail => mail_domain::watch(run).await,
        StepName::StopServing => serving::stop(run).await,
        StepName::DeleteRecords => records::delete(run).await,
        StepName::DeleteIdentity => mail_domain::delete(run).await,
        StepName::ReleaseSlot => room::release(run).await,
        StepName::RetainBucket => bucket::retain(run).await,
        StepName::RetireLabel => release_label(run).await,
    }
}

/// Takes a turn of taking a step back. It must find what the step left even when the step never told, and do nothing for a
/// step that never began.
///
/// # Errors
/// What the compensation's calls fail with: the engine tries again.
pub async fn compensate(run: &mut Run<'_>, name: StepName) -> Result<Outcome> {
    match name {
        StepName::ClaimLabel => release_label(run).await,
        StepName::ReserveSlot => room::release(run).await,
        StepName::CreateBucket => bucket::remove(run).await,
        StepName::GrantAccess => bucket::shut(run).await,
        StepName::CreateIdentity => mail_domain::delete(run).await,
        StepName::QueueDns => records::delete(run).await,
        StepName::PublishManifest => serving::stop(run).await,
        // The others made nothing, or the bucket's removal takes it away.
        _ => Ok(Outcome::done()),
    }
}

/// What must not go on while people look at a step that stopped.
pub fn abandon(run: &Run<'_>) -> Option<Write> {
    (run.operation.step() == Some(StepName::ReserveSlot)).then(|| room::no_longer_waiting(run))
}

fn check_plan(run: &Run<'_>) -> Outcome {
    let site = &run.site.value;
    if site.desired.run != Wanted::On {
        let message = "The site is no longer wanted.";
        return Outcome::Abort(run.failure(
            "not_wanted",
            message,
            "Nothing: the operation takes everything back.",
        ));
    }
    let outputs = json!({
        "plan": site.desired.plan,
        "mode": site.desired.mode,
        "units": site.units,
        "disk_mib": site.disk_mib,
    });
    let done = Outcome::Done { outputs, writes: Vec::new(), site: None };
    done.changing(site.clone().provisioning(), None)
}

async fn claim_label(run: &Run<'_>) -> Result<Outcome> {
    match run.store.keep_label(&run.site, run.now()).await {
        Ok(()) => Outcome::with(json!({"label": run.site.label, "fqdn": run.site.fqdn})),
        Err(platform::Error::Refused { code: "label_taken", message, .. }) => {
            let remedy = "Nothing: the operation takes everything back; the customer chooses another name.";
            Ok(Outcome::Abort(run.failure("label_taken", &message, remedy)))
        }
        Err(error) => Err(error),
    }
}

async fn release_label(run: &Run<'_>) -> Result<Outcome> {
    let claim = run.store.claim(&run.site.zone, &run.site.label).await?;
    let own = claim.filter(|claim| claim.site == run.site.id && claim.state == ClaimState::Live);
    let served = run.site.activated_at.is_some();
    Ok(Outcome::by(own.map(|claim| labels::release(&claim, served, run.now())).into_iter().collect()))
}
