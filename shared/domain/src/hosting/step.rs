//! The steps of an operation: their order, how long each may take, what they tell people when they fail.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Id, Kind};
use crate::{OperationId, Timestamp};

/// How often a step is tried before people must look.
pub const MOST_FAILURES: u32 = 10;
/// How long an operation's log is kept.
pub const LOG_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

const MINUTE: Duration = Duration::from_secs(60);

/// One thing that an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The plan still allows the site.
    CheckPlan,
    /// The label is the site's.
    ClaimLabel,
    /// A host has room and keeps it.
    ReserveSlot,
    /// The host answers.
    AwaitHost,
    /// The bucket exists.
    CreateBucket,
    /// The bucket is private, versioned, encrypted, TLS only.
    HardenBucket,
    /// The bucket opens for sessions of this site alone.
    GrantAccess,
    /// SES knows the site's mail domain.
    CreateIdentity,
    /// The site's DNS records are asked for.
    QueueDns,
    /// Every name server answers them.
    AwaitDns,
    /// The host serves the site.
    PublishManifest,
    /// The site answers over HTTP.
    CheckSite,
    /// The site is the customer's: the point of no return.
    Activate,
    /// Mail is being verified; nothing waits for it.
    WatchEmail,
    /// The host no longer serves the site.
    StopServing,
    /// The site's DNS records are gone.
    DeleteRecords,
    /// SES forgot the mail domain.
    DeleteIdentity,
    /// The host's room is free again.
    ReleaseSlot,
    /// The bucket is kept, and nobody writes to it.
    RetainBucket,
    /// The label is kept from others for a while.
    RetireLabel,
    /// The host serves the site under its new name too.
    AddName,
    /// The site has its new name: the point of no return.
    SwitchName,
    /// The host no longer serves the old name.
    DropName,
    /// The host tells visitors that the site is suspended.
    SuspendServing,
    /// The bucket is shut for the site's people.
    ShutBucket,
    /// The bucket is open for the site's people again.
    OpenBucket,
    /// The host serves the site again.
    ResumeServing,
    /// The plan still wants the site elsewhere; it stays as it is meanwhile.
    CheckMove,
    /// The new host has a copy of the site's files.
    CopyContent,
    /// Nobody writes to the site.
    FreezeWrites,
    /// The new host has exactly the files that the site has.
    CompareContent,
    /// The site's name is asked to lead to the new host.
    PointName,
    /// The site's people write again.
    UnfreezeWrites,
    /// The name leads to the new host, for everybody.
    AwaitName,
    /// The new host answers under the site's name.
    CheckName,
    /// The site is the new host's: the point of no return.
    CommitMove,
    /// The old host goes on serving whoever still remembers its address.
    KeepSource,
    /// The old host's room is free again.
    ReleaseSource,
    /// Which version each file has is noted.
    TakeBackup,
    /// The files are what they were.
    PutFilesBack,
    /// Nothing is left of the bucket.
    EmptyBucket,
}

impl StepName {
    /// As it is written in keys and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckPlan => "check_plan",
            Self::ClaimLabel => "claim_label",
            Self::ReserveSlot => "reserve_slot",
            Self::AwaitHost => "await_host",
            Self::CreateBucket => "create_bucket",
            Self::HardenBucket => "harden_bucket",
            Self::GrantAccess => "grant_access",
            Self::CreateIdentity => "create_identity",
            Self::QueueDns => "queue_dns",
            Self::AwaitDns => "await_dns",
            Self::PublishManifest => "publish_manifest",
            Self::CheckSite => "check_site",
            Self::Activate => "activate",
            Self::WatchEmail => "watch_email",
            Self::StopServing => "stop_serving",
            Self::DeleteRecords => "delete_records",
            Self::DeleteIdentity => "delete_identity",
            Self::ReleaseSlot => "release_slot",
            Self::RetainBucket => "retain_bucket",
            Self::RetireLabel => "retire_label",
            Self::AddName => "add_name",
            Self::SwitchName => "switch_name",
            Self::DropName => "drop_name",
            Self::SuspendServing => "suspend_serving",
            Self::ShutBucket => "shut_bucket",
            Self::OpenBucket => "open_bucket",
            Self::ResumeServing => "resume_serving",
            Self::CheckMove => "check_move",
            Self::CopyContent => "copy_content",
            Self::FreezeWrites => "freeze_writes",
            Self::CompareContent => "compare_content",
            Self::PointName => "point_name",
            Self::UnfreezeWrites => "unfreeze_writes",
            Self::AwaitName => "await_name",
            Self::CheckName => "check_name",
            Self::CommitMove => "commit_move",
            Self::KeepSource => "keep_source",
            Self::ReleaseSource => "release_source",
            Self::TakeBackup => "take_backup",
            Self::PutFilesBack => "put_files_back",
            Self::EmptyBucket => "empty_bucket",
        }
    }

    /// How long the step may wait before people must look.
    #[must_use]
    pub fn patience(self) -> Duration {
        match self {
            Self::ReserveSlot => 15 * MINUTE,
            Self::AwaitHost => 10 * MINUTE,
            // Route 53 has been seen to stay PENDING for 20 minutes.
            Self::AwaitDns | Self::QueueDns | Self::DeleteRecords | Self::PointName | Self::AwaitName => {
                30 * MINUTE
            }
            Self::CheckSite | Self::CheckName => MINUTE,
            // A large site's files travel at the speed of the host's disk.
            Self::CopyContent => 60 * MINUTE,
            Self::PutFilesBack | Self::EmptyBucket => 24 * 60 * MINUTE,
            Self::KeepSource => 120 * MINUTE,
            _ => 5 * MINUTE,
        }
    }

    /// What people read and do when the step's patience ends.
    #[must_use]
    pub fn timed_out(self, at: Timestamp) -> StepFailure {
        let (code, message, remedy) = match self {
            Self::ReserveSlot => (
                "no_capacity",
                "No host had room for the site in time.",
                "Look at the pool's waiting units and the last launches (runbook hosting-capacity), then retry the operation.",
            ),
            Self::AwaitHost => (
                "host_silent",
                "The host that was chosen for the site does not answer.",
                "Look at the host's heartbeat and its instance's console output, then retry the operation.",
            ),
            Self::AwaitDns | Self::QueueDns | Self::DeleteRecords | Self::PointName | Self::AwaitName => (
                "dns_slow",
                "The name servers have not taken the site's records over in time.",
                "Look at Route 53's service health and the zone's queue (runbook hosting-dns), then retry the operation.",
            ),
            Self::PublishManifest
            | Self::StopServing
            | Self::AddName
            | Self::DropName
            | Self::SuspendServing
            | Self::ResumeServing => (
                "host_behind",
                "The host has not applied the site's configuration in time.",
                "Look at the host's reports: is its applied generation growing? Then retry the operation.",
            ),
            Self::CopyContent => (
                "copy_slow",
                "The new host has not copied the site's files in time.",
                "Look at the host's reports and its disk, then retry the operation.",
            ),
            Self::CheckSite | Self::CheckName => (
                "site_unreachable",
                "The site does not answer as it should.",
                "Open the site's address by hand and read the host's log, then retry the operation.",
            ),
            _ => (
                "step_timeout",
                "The step took too long.",
                "Read the operation's log, then retry the operation.",
            ),
        };
        StepFailure::new(self, code, message, remedy, at)
    }
}

/// Why a step failed, for the customer and for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepFailure {
    /// Which step.
    pub step: StepName,
    /// Stable, snake_case.
    pub code: String,
    /// One sentence for the customer.
    pub message: String,
    /// What an operator does about it.
    pub remedy: String,
    /// When.
    pub at: Timestamp,
}

impl StepFailure {
    /// A failure of a step.
    #[must_use]
    pub fn new(
        step: StepName,
        code: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
        at: Timestamp,
    ) -> Self {
        Self { step, code: code.into(), message: message.into(), remedy: remedy.into(), at }
    }
}

/// Where one step of one operation stands. It exists from the step's first turn on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Of which operation.
    pub operation: OperationId,
    /// Place in the operation's order, from 0.
    pub number: usize,
    /// What it does.
    pub name: StepName,
    /// Where it stands.
    pub state: StepState,
    /// What was chosen before the first outside call, so that a repeat asks for the same thing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub params: Value,
    /// What the step made, for later steps and for its compensation. Never a secret.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outputs: Value,
    /// Failures in a row.
    pub failures: u32,
    /// The last failure, until the step succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepFailure>,
    /// The first turn, or the first one after people asked for a retry.
    pub started_at: Timestamp,
    /// When it was done or taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// At work or waiting.
    Running,
    /// Done.
    Done,
    /// People must look.
    Failed,
    /// Its effects are being taken back.
    Compensating,
    /// Its effects are taken back.
    Compensated,
}

impl Step {
    /// A step begins, with what was chosen for it.
    #[must_use]
    pub fn begin(
        operation: OperationId,
        number: usize,
        name: StepName,
        params: Value,
        now: Timestamp,
    ) -> Self {
        Self {
            operation,
            number,
            name,
            state: StepState::Running,
            params,
            outputs: Value::Null,
            failures: 0,
            error: None,
            started_at: now,
            ended_at: None,
        }
    }

    /// The step has its result.
    #[must_use]
    pub fn done(self, outputs: Value, now: Timestamp) -> Self {
        Self { state: StepState::Done, outputs, failures: 0, error: None, ended_at: Some(now), ..self }
    }

    /// The step begins to be taken back.
    #[must_use]
    pub fn compensating(self, now: Timestamp) -> Self {
        if self.state == StepState::Compensating {
            return self;
        }
        Self {
            state: StepState::Compensating,
            failures: 0,
            error: None,
            started_at: now,
            ended_at: None,
            ..self
        }
    }

    /// The step's effects are gone.
    #[must_use]
    pub fn compensated(self, now: Timestamp) -> Self {
        Self { state: StepState::Compensated, failures: 0, error: None, ended_at: Some(now), ..self }
    }

    /// A turn failed.
    #[must_use]
    pub fn stumbled(self, failure: StepFailure) -> Self {
        Self { failures: self.failures + 1, error: Some(failure), ..self }
    }

    /// The step begins anew after people looked at it, with what was chosen the first time.
    #[must_use]
    pub fn again(self, now: Timestamp) -> Self {
        let state = if self.state == StepState::Compensating { self.state } else { StepState::Running };
        Self { state, failures: 0, error: None, started_at: now, ended_at: None, ..self }
    }

    /// Whether the step has waited longer than it may.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now.since(self.started_at) >= self.name.patience()
    }
}

/// How long to wait after so many failures in a row: doubling from two seconds to a minute, with full jitter.
///
/// `dice` is any random number.
#[must_use]
pub fn back_off(failures: u32, dice: u64) -> Duration {
    let ceiling = (2_000_u64 << failures.min(5)).min(60_000);
    Duration::from_millis(1_000 + dice % ceiling)
}

/// The kind of `log_…` identifiers.
#[derive(Debug)]
pub enum Line {}

impl Kind for Line {
    const PREFIX: &'static str = "log";
    const NAME: &'static str = "LogId";
}

/// A place in an operation's log.
pub type LogId = Id<Line>;

/// One line of an operation's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationLog {
    /// Of which operation.
    pub operation: OperationId,
    /// When.
    pub at: Timestamp,
    /// At which step; absent for what concerns the whole operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// What happened, for people.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_to_a_minute() {
        for (failures, longest) in [(0, 2_000), (1, 4_000), (3, 16_000), (5, 60_000), (50, 60_000)] {
            let waits = (0..200).map(|dice| back_off(failures, dice * 7_919).as_millis());
            assert!(waits.clone().all(|wait| (1_000..1_000 + longest).contains(&wait)), "{failures}");
            assert!(waits.max() > Some(longest / 2));
        }
    }

    #[test]
    fn a_step_that_people_retry_keeps_what_was_chosen() {
        let now = Timestamp::from_secs(100);
        let id = OperationId::from_ulid(1);
        let step = Step::begin(id, 4, StepName::CreateBucket, Value::from("bucket"), Timestamp::from_secs(0));
        let failed = step.stumbled(StepName::CreateBucket.timed_out(now));
        let again = failed.again(now);
        assert_eq!((again.params.as_str(), again.failures, again.started_at), (Some("bucket"), 0, now));
    }
}
