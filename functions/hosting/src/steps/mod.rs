//! What each step does, and how it is taken back.
//!
//! A step does or polls one outside effect per turn. It stores nothing itself that the turn's transaction can store; where it
//! needs a transaction of its own, that one fails without the operation's lease.

mod activation;
mod bucket;
mod files;
mod mail_domain;
mod moving;
mod naming;
mod records;
mod room;
mod serving;

use domain::hosting::converge::NOT_WANTED;
use domain::hosting::{Run as Wanted, StepName};
use platform::Result;
use platform::store::Write;
use serde_json::Value;

use crate::engine::{Outcome, Run};

/// What a step has to choose before its first outside call, so that a repeat asks for the same. Most have nothing to choose:
/// what they ask for follows from the site.
///
/// # Errors
/// `internal`.
pub fn choose(run: &Run<'_>, name: StepName) -> Result<Option<Value>> {
    match name {
        StepName::CreateBucket => bucket::choose(run).map(Some),
        StepName::TakeBackup => files::choose(run).map(Some),
        _ => Ok(None),
    }
}

/// Takes a turn of a step.
///
/// # Errors
/// What the step's calls fail with: the engine tries again.
pub async fn execute(run: &mut Run<'_>, name: StepName) -> Result<Outcome> {
    match name {
        StepName::CheckPlan => check_plan(run),
        StepName::ClaimLabel => naming::claim(run).await,
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
        StepName::RetireLabel => naming::release(run).await,
        StepName::AddName => naming::add(run).await,
        StepName::SwitchName => naming::switch(run).await,
        StepName::DropName => naming::drop_other(run).await,
        StepName::SuspendServing => serving::suspend(run).await,
        StepName::ShutBucket => bucket::shut(run).await,
        StepName::OpenBucket => bucket::grant(run).await,
        StepName::ResumeServing => serving::resume(run).await,
        StepName::CheckMove => moving::check(run),
        StepName::CopyContent => moving::copy(run).await,
        StepName::FreezeWrites => moving::freeze(run).await,
        StepName::CompareContent => moving::compare(run).await,
        StepName::PointName => records::point(run).await,
        StepName::UnfreezeWrites => moving::thaw(run).await,
        StepName::AwaitName => records::wait_for_all(run).await,
        StepName::CheckName => serving::check_name(run).await,
        StepName::CommitMove => moving::commit(run).await,
        StepName::KeepSource => Ok(moving::keep_source(run)),
        StepName::ReleaseSource => moving::release_source(run).await,
        StepName::TakeBackup => files::take(run).await,
        StepName::PutFilesBack => files::put_back(run).await,
        StepName::EmptyBucket => bucket::remove(run).await,
    }
}

/// Takes a turn of taking a step back. It must find what the step left even when the step never told, and do nothing for a
/// step that never began.
///
/// # Errors
/// What the compensation's calls fail with: the engine tries again.
pub async fn compensate(run: &mut Run<'_>, name: StepName) -> Result<Outcome> {
    match name {
        // The label was claimed when the site was asked for, before the first step.
        StepName::CheckPlan | StepName::ClaimLabel => naming::release(run).await,
        StepName::ReserveSlot => room::release(run).await,
        StepName::CreateBucket => bucket::remove(run).await,
        StepName::GrantAccess => bucket::shut(run).await,
        StepName::CreateIdentity => mail_domain::delete(run).await,
        StepName::QueueDns => records::delete(run).await,
        StepName::PublishManifest | StepName::CopyContent => serving::stop(run).await,
        StepName::AddName => naming::drop_other(run).await,
        // Whoever turns back before writes were opened opens them first, not after the wait for the name servers.
        StepName::FreezeWrites | StepName::UnfreezeWrites => moving::thaw(run).await,
        StepName::PointName => records::point_back(run).await,
        // The others made nothing, or the bucket's removal takes it away.
        _ => Ok(Outcome::done()),
    }
}

/// What must not go on while people look at a step that stopped.
pub fn abandon(run: &Run<'_>) -> Option<Write> {
    (run.operation.step() == Some(StepName::ReserveSlot)).then(|| room::no_longer_waiting(run)).flatten()
}

fn check_plan(run: &Run<'_>) -> Result<Outcome> {
    let site = &run.site.value;
    if site.wanted() != Wanted::On {
        let message = "The site is no longer wanted.";
        let remedy = "Nothing: the operation takes everything back.";
        return Ok(Outcome::Abort(run.failure(NOT_WANTED, message, remedy)));
    }
    Ok(Outcome::with(room::Planned::of(&site.desired))?.changing(site.clone().provisioning(), None))
}
