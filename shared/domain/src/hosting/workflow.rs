//! Workflows: which steps each kind of operation takes, in which order, and from where on there is no way back.

use super::{OperationKind, StepName};

const PROVISION: [StepName; 14] = [
    StepName::CheckPlan,
    StepName::ClaimLabel,
    StepName::ReserveSlot,
    StepName::AwaitHost,
    StepName::CreateBucket,
    StepName::HardenBucket,
    StepName::GrantAccess,
    StepName::CreateIdentity,
    StepName::QueueDns,
    StepName::AwaitDns,
    StepName::PublishManifest,
    StepName::CheckSite,
    StepName::Activate,
    StepName::WatchEmail,
];

const DEPROVISION: [StepName; 6] = [
    StepName::StopServing,
    StepName::DeleteRecords,
    StepName::DeleteIdentity,
    StepName::ReleaseSlot,
    StepName::RetainBucket,
    StepName::RetireLabel,
];

/// The new name is made ready beside the old one, the site takes it, then the old one is taken away.
const RENAME: [StepName; 12] = [
    StepName::ClaimLabel,
    StepName::CreateIdentity,
    StepName::QueueDns,
    StepName::AwaitDns,
    StepName::WatchEmail,
    StepName::AddName,
    StepName::CheckSite,
    StepName::SwitchName,
    StepName::DropName,
    StepName::DeleteRecords,
    StepName::DeleteIdentity,
    StepName::RetireLabel,
];

const SUSPEND: [StepName; 2] = [StepName::SuspendServing, StepName::ShutBucket];

const RESUME: [StepName; 3] = [StepName::OpenBucket, StepName::ResumeServing, StepName::CheckSite];

/// Nobody writes to the site from `FreezeWrites` to `UnfreezeWrites`. The wait for the name servers comes after it: both
/// hosts read the same bucket, so that a write in that time is seen whichever of them a visitor reaches.
const MIGRATE: [StepName; 16] = [
    StepName::CheckMove,
    StepName::ReserveSlot,
    StepName::AwaitHost,
    StepName::CopyContent,
    StepName::PublishManifest,
    StepName::CheckSite,
    StepName::FreezeWrites,
    StepName::CompareContent,
    StepName::PointName,
    StepName::UnfreezeWrites,
    StepName::AwaitName,
    StepName::CheckName,
    StepName::CommitMove,
    StepName::KeepSource,
    StepName::StopServing,
    StepName::ReleaseSource,
];

const BACK_UP: [StepName; 1] = [StepName::TakeBackup];

const RESTORE: [StepName; 1] = [StepName::PutFilesBack];

const PURGE: [StepName; 1] = [StepName::EmptyBucket];

impl OperationKind {
    /// The steps, in order.
    #[must_use]
    pub fn steps(self) -> &'static [StepName] {
        match self {
            Self::Provision => &PROVISION,
            Self::Deprovision => &DEPROVISION,
            Self::Rename => &RENAME,
            Self::Suspend => &SUSPEND,
            Self::Resume => &RESUME,
            Self::Migrate => &MIGRATE,
            Self::BackUp => &BACK_UP,
            Self::Restore => &RESTORE,
            Self::Purge => &PURGE,
        }
    }

    /// Whether the first steps can be taken back; the others only go forward.
    #[must_use]
    pub fn can_turn_back(self) -> bool {
        matches!(self, Self::Provision | Self::Rename | Self::Migrate)
    }
}

impl StepName {
    /// Whether the operation cannot be taken back once this step is done.
    #[must_use]
    pub fn is_point_of_no_return(self) -> bool {
        matches!(self, Self::Activate | Self::SwitchName | Self::CommitMove)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const ALL: [OperationKind; 9] = [
        OperationKind::Provision,
        OperationKind::Deprovision,
        OperationKind::Rename,
        OperationKind::Suspend,
        OperationKind::Resume,
        OperationKind::Migrate,
        OperationKind::BackUp,
        OperationKind::Restore,
        OperationKind::Purge,
    ];

    #[test]
    fn a_workflow_takes_each_step_once_and_has_one_point_of_no_return() {
        for kind in ALL {
            let steps = kind.steps();
            assert_eq!(steps.iter().collect::<BTreeSet<_>>().len(), steps.len(), "{kind:?}");
            let points = steps.iter().filter(|step| step.is_point_of_no_return()).count();
            assert_eq!(points, usize::from(kind.can_turn_back()), "{kind:?}");
        }
    }

    #[test]
    fn names_are_written_one_way() {
        for name in ALL.iter().flat_map(|kind| kind.steps()) {
            assert_eq!(serde_json::to_value(name).ok(), Some(Value::from(name.as_str())));
        }
    }

    #[test]
    fn writes_are_free_again_before_anybody_waits_for_name_servers() {
        let place = |name| MIGRATE.iter().position(|step| *step == name);
        assert!(place(StepName::FreezeWrites) < place(StepName::UnfreezeWrites));
        assert!(place(StepName::UnfreezeWrites) < place(StepName::AwaitName));
        assert!(place(StepName::AwaitName) < place(StepName::CommitMove));
    }
}
