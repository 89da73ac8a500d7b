//! Operations: one run of a workflow on one site, forward step by step, or backward taking each step back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BackupId, StepFailure, StepName};
use crate::{Event, OperationId, OrgId, Refusal, SiteId, Timestamp, UserId};

/// How long after its message was due an operation is looked for: ordinary messages come first, lost ones are replaced.
pub const SWEEP_GRACE: Duration = Duration::from_secs(30);

/// One run of a workflow on one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Whose site.
    pub org: OrgId,
    /// Which site.
    pub site: SiteId,
    /// The site's name, for messages about the operation.
    pub fqdn: String,
    /// Which workflow.
    pub workflow: OperationKind,
    /// Where it stands.
    pub state: OperationState,
    /// Whether steps are done or taken back.
    pub direction: Direction,
    /// The place of the current step in the order of the workflow.
    pub cursor: usize,
    /// The site is the customer's: from here on only forward.
    pub point_of_no_return: bool,
    /// Which backup is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
    /// The fence of the last turn that came to its end; absent where turns were not counted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<u64>,
    /// Why it stopped or turned back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepFailure>,
    /// Who asked for it; absent when the product did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its next turn is due.
    pub next_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// A workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Builds a site.
    Provision,
    /// Takes a site down and keeps its data.
    Deprovision,
    /// Gives a site another name.
    Rename,
    /// Keeps a site, but serves it no more.
    Suspend,
    /// Serves a suspended site again.
    Resume,
    /// Brings a site to another host.
    Migrate,
    /// Notes which version each file of a site has.
    BackUp,
    /// Puts the files of a backup back.
    Restore,
    /// Deletes what was kept of a site that is gone.
    Purge,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// No turn yet.
    Queued,
    /// Between two steps, or at one.
    Running,
    /// For something outside.
    Waiting,
    /// Taking back what it did.
    Compensating,
    /// People must look; a retry goes on from the step that failed.
    NeedsAttention,
    /// Everything done.
    Succeeded,
    /// Everything taken back.
    RolledBack,
    /// Given up; the site is left as it is, and whoever wants it asks anew.
    Failed,
}

impl OperationState {
    /// Whether the operation is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::RolledBack | Self::Failed)
    }
}

/// What becomes of an operation whose step cannot go on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recourse {
    /// It stops until people have looked.
    People,
    /// Everything is taken back.
    TurnBack,
    /// It ends: nothing is lost by that, and the site is free for what is more urgent.
    GiveUp,
}

/// Which way an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Doing steps.
    Forward,
    /// Taking steps back.
    Back,
}

/// What an operation is asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The new operation's id.
    pub operation: OperationId,
    /// Who asks.
    pub by: Option<UserId>,
    /// When.
    pub now: Timestamp,
}

impl Operation {
    /// An operation is asked for.
    #[must_use]
    pub fn queue(
        kind: OperationKind,
        org: OrgId,
        site: SiteId,
        fqdn: &str,
        request: Request,
    ) -> (Self, OperationQueued) {
        let operation = Self {
            id: request.operation,
            org,
            site,
            fqdn: fqdn.to_owned(),
            workflow: kind,
            state: OperationState::Queued,
            direction: Direction::Forward,
            cursor: 0,
            point_of_no_return: !kind.can_turn_back(),
            backup: None,
            settled: Some(0),
            error: None,
            requested_by: request.by,
            created_at: request.now,
            next_at: request.now,
            ended_at: None,
        };
        let queued = operation.queued(QueueReason::Requested);
        (operation, queued)
    }

    /// The step that the next turn is about.
    ///
    /// `None` when the operation is over.
    #[must_use]
    pub fn step(&self) -> Option<StepName> {
        if self.state.is_final() { None } else { self.workflow.steps().get(self.cursor).copied() }
    }

    /// How many steps are done, in percent.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let done = self.cursor.min(self.workflow.steps().len()) * 100 / self.workflow.steps().len();
        u8::try_from(done).unwrap_or(100)
    }

    /// When the sweep must look at it, if no message moves it before; `None` when it is over or waits for people.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let rests = self.state.is_final() || self.state == OperationState::NeedsAttention;
        (!rests).then(|| self.next_at + SWEEP_GRACE)
    }

    /// The current step is done. The last one ends the operation; activation cannot be taken back.
    #[must_use]
    pub fn advanced(self, now: Timestamp) -> Self {
        let point_of_no_return =
            self.point_of_no_return || self.step().is_some_and(StepName::is_point_of_no_return);
        let cursor = self.cursor + 1;
        let over = cursor >= self.workflow.steps().len();
        let state = if over { OperationState::Succeeded } else { OperationState::Running };
        let ended_at = over.then_some(now);
        Self { cursor, state, point_of_no_return, error: None, ended_at, next_at: now, ..self }
    }

    /// The current step goes on at once.
    #[must_use]
    pub fn going_on(self, now: Timestamp) -> Self {
        let state = match self.direction {
            Direction::Forward => OperationState::Running,
            Direction::Back => OperationState::Compensating,
        };
        Self { state, next_at: now, ..self }
    }

    /// The current step waits for something outside, or tries again later.
    #[must_use]
    pub fn waiting(self, until: Timestamp) -> Self {
        let state = match self.direction {
            Direction::Forward => OperationState::Waiting,
            Direction::Back => OperationState::Compensating,
        };
        Self { state, next_at: until, ..self }
    }

    /// The operation cannot succeed and takes everything back. Only before the point of no return.
    #[must_use]
    pub fn aborted(self, failure: StepFailure, now: Timestamp) -> Self {
        Self { error: Some(failure), ..self.turned_back(now) }
    }

    /// The current step's effects are gone. The first one's end the operation.
    #[must_use]
    pub fn retreated(self, now: Timestamp) -> Self {
        let over = self.cursor == 0;
        let state = if over { OperationState::RolledBack } else { OperationState::Compensating };
        let cursor = self.cursor.saturating_sub(1);
        Self { cursor, state, ended_at: over.then_some(now), next_at: now, ..self }
    }

    /// The operation stops until people have looked.
    #[must_use]
    pub fn halted(self, failure: StepFailure, now: Timestamp) -> (Self, OperationFailed) {
        let failed = self.failed(failure.clone());
        (Self { state: OperationState::NeedsAttention, error: Some(failure), next_at: now, ..self }, failed)
    }

    /// The operation ends without what it was for.
    #[must_use]
    pub fn given_up(self, failure: StepFailure, now: Timestamp) -> (Self, OperationFailed) {
        let failed = self.failed(failure.clone());
        let error = Some(failure);
        (Self { state: OperationState::Failed, error, next_at: now, ended_at: Some(now), ..self }, failed)
    }

    /// What becomes of it when its step cannot go on by itself.
    ///
    /// A site that is served is kept from everything else, also from what is urgent, while people look. So a move or a new
    /// name is taken back, and a backup is given up. Only where room is waited for, which people can make, and where writes
    /// are about to be opened again, which taking back would have to do too, do they look first.
    #[must_use]
    pub fn recourse(&self) -> Recourse {
        let waits = matches!(self.step(), Some(StepName::ReserveSlot | StepName::UnfreezeWrites));
        let back = self.direction == Direction::Forward && !self.point_of_no_return && !waits;
        match self.workflow {
            OperationKind::BackUp | OperationKind::Restore => Recourse::GiveUp,
            OperationKind::Migrate | OperationKind::Rename if back => Recourse::TurnBack,
            _ => Recourse::People,
        }
    }

    /// How many turns before this one did not come to their end, because their workers died. `fence` is this turn's.
    #[must_use]
    pub fn lost_turns(&self, fence: u64) -> u64 {
        self.settled.map_or(0, |settled| fence.saturating_sub(settled + 1))
    }

    /// People looked: the operation goes on from the step that failed, in the direction it had.
    ///
    /// # Errors
    /// `not_retryable` unless it waits for people.
    pub fn retry(self, now: Timestamp) -> Result<(Self, OperationQueued), Refusal> {
        if self.state != OperationState::NeedsAttention {
            let message = "Only an operation that needs attention can be retried.";
            return Err(Refusal::conflict("not_retryable", message));
        }
        let operation = self.going_on(now);
        let queued = operation.queued(QueueReason::Retried);
        Ok((operation, queued))
    }

    /// Somebody wants none of it any more. Cancelling what already turns back changes nothing.
    ///
    /// # Errors
    /// `point_of_no_return` once the site is the customer's, `operation_ended` when it is over.
    pub fn cancel(self, now: Timestamp) -> Result<(Self, OperationQueued), Refusal> {
        if self.state.is_final() {
            return Err(Refusal::conflict("operation_ended", "The operation has ended."));
        }
        if self.point_of_no_return {
            let message = "The operation is past the point where it could be taken back.";
            return Err(Refusal::conflict("point_of_no_return", message));
        }
        let operation = match self.direction {
            Direction::Forward => self.turned_back(now),
            Direction::Back => self,
        };
        let queued = operation.queued(QueueReason::Cancelled);
        Ok((operation, queued))
    }

    /// What the finished roll-back tells.
    #[must_use]
    pub fn rolled_back(&self) -> OperationRolledBack {
        OperationRolledBack {
            operation: self.id,
            site: self.site,
            fqdn: self.fqdn.clone(),
            kind: self.workflow,
            failure: self.error.clone(),
            requested_by: self.requested_by,
        }
    }

    fn failed(&self, failure: StepFailure) -> OperationFailed {
        OperationFailed {
            operation: self.id,
            site: self.site,
            fqdn: self.fqdn.clone(),
            kind: self.workflow,
            direction: self.direction,
            failure,
            requested_by: self.requested_by,
        }
    }

    fn turned_back(self, now: Timestamp) -> Self {
        let last = self.workflow.steps().len() - 1;
        let cursor = self.cursor.min(last);
        Self { direction: Direction::Back, state: OperationState::Compensating, cursor, next_at: now, ..self }
    }

    fn queued(&self, reason: QueueReason) -> OperationQueued {
        OperationQueued { operation: self.id, site: self.site, kind: self.workflow, reason }
    }
}

/// `hosting.operation_queued`: an operation wants its next turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationQueued {
    /// Which.
    pub operation: OperationId,
    /// On which site.
    pub site: SiteId,
    /// Which workflow.
    pub kind: OperationKind,
    /// Why now.
    pub reason: QueueReason,
}

/// Why an operation was put into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueReason {
    /// It is new.
    Requested,
    /// People looked at its failure.
    Retried,
    /// Somebody wants it taken back.
    Cancelled,
}

/// `hosting.operation_failed`: an operation stopped until people have looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationFailed {
    /// Which.
    pub operation: OperationId,
    /// On which site.
    pub site: SiteId,
    /// The site's name.
    pub fqdn: String,
    /// Which workflow.
    pub kind: OperationKind,
    /// Whether it was doing or taking back.
    pub direction: Direction,
    /// Why, and what to do about it.
    pub failure: StepFailure,
    /// Who asked for the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
}

/// `hosting.operation_rolled_back`: an operation took everything back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationRolledBack {
    /// Which.
    pub operation: OperationId,
    /// On which site.
    pub site: SiteId,
    /// The site's name.
    pub fqdn: String,
    /// Which workflow.
    pub kind: OperationKind,
    /// Why; absent when somebody cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<StepFailure>,
    /// Who asked for the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
}

impl Event for OperationQueued {
    const TYPE: &'static str = "hosting.operation_queued";
}

impl Event for OperationFailed {
    const TYPE: &'static str = "hosting.operation_failed";
}

impl Event for OperationRolledBack {
    const TYPE: &'static str = "hosting.operation_rolled_back";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn operation() -> Operation {
        let request = Request { operation: OperationId::from_ulid(1), by: None, now: NOW };
        let (org, site) = (OrgId::from_ulid(2), SiteId::from_ulid(3));
        Operation::queue(OperationKind::Provision, org, site, "acme.sites.example", request).0
    }

    fn failure(operation: &Operation) -> StepFailure {
        operation.step().unwrap_or(StepName::CheckPlan).timed_out(NOW)
    }

    #[test]
    fn forward_to_the_end_in_as_many_turns_as_steps() {
        let mut operation = operation();
        for _ in 0..14 {
            assert_eq!(operation.due_at(), Some(NOW + SWEEP_GRACE));
            operation = operation.advanced(NOW);
        }
        assert_eq!((operation.state, operation.percent()), (OperationState::Succeeded, 100));
        assert_eq!((operation.step(), operation.due_at()), (None, None));
    }

    #[test]
    fn cancelled_before_the_point_of_no_return_it_takes_the_current_step_back_first() {
        let mut operation = operation();
        operation.cursor = 4;
        let (mut back, queued) = operation.cancel(NOW).expect("before the point of no return");
        assert_eq!((back.step(), queued.reason), (Some(StepName::CreateBucket), QueueReason::Cancelled));
        for _ in 0..5 {
            assert_eq!(back.state, OperationState::Compensating);
            back = back.retreated(NOW);
        }
        assert_eq!(back.state, OperationState::RolledBack);
    }

    #[test]
    fn what_is_past_the_point_of_no_return_only_goes_forward() {
        let active = Operation { cursor: 12, ..operation() }.advanced(NOW);
        assert_eq!(active.clone().cancel(NOW).map_err(|refusal| refusal.code), Err("point_of_no_return"));
        let why = failure(&active);
        let (halted, _) = active.halted(why, NOW);
        assert_eq!((halted.state, halted.direction), (OperationState::NeedsAttention, Direction::Forward));
    }

    #[test]
    fn what_a_served_site_can_do_without_does_not_wait_for_people() {
        let at = |kind: OperationKind, step| {
            let cursor = kind.steps().iter().position(|name| *name == step).expect("a step of it");
            Operation { workflow: kind, cursor, point_of_no_return: !kind.can_turn_back(), ..operation() }
        };
        for (kind, step, recourse) in [
            (OperationKind::Migrate, StepName::CopyContent, Recourse::TurnBack),
            (OperationKind::Migrate, StepName::FreezeWrites, Recourse::TurnBack),
            (OperationKind::Migrate, StepName::CheckName, Recourse::TurnBack),
            (OperationKind::Migrate, StepName::ReserveSlot, Recourse::People),
            (OperationKind::Migrate, StepName::UnfreezeWrites, Recourse::People),
            (OperationKind::Rename, StepName::AwaitDns, Recourse::TurnBack),
            (OperationKind::Provision, StepName::AwaitDns, Recourse::People),
            (OperationKind::Suspend, StepName::ShutBucket, Recourse::People),
            (OperationKind::BackUp, StepName::TakeBackup, Recourse::GiveUp),
            (OperationKind::Restore, StepName::PutFilesBack, Recourse::GiveUp),
        ] {
            assert_eq!(at(kind, step).recourse(), recourse, "{kind:?} at {step:?}");
        }
        let mut moving = at(OperationKind::Migrate, StepName::CopyContent);
        moving.point_of_no_return = true;
        assert_eq!(moving.recourse(), Recourse::People);
        let back = Operation { direction: Direction::Back, point_of_no_return: false, ..moving };
        assert_eq!(back.recourse(), Recourse::People);
    }

    #[test]
    fn turns_that_did_not_end_are_counted() {
        let fresh = operation();
        assert_eq!((fresh.lost_turns(1), fresh.lost_turns(4)), (0, 3));
        let settled = Operation { settled: Some(7), ..fresh };
        assert_eq!((settled.lost_turns(8), settled.lost_turns(10)), (0, 2));
        assert_eq!(Operation { settled: None, ..settled }.lost_turns(100), 0);
    }

    proptest! {
        /// Whatever happens in whatever order: it never goes forward after it turned back, never turns back after the
        /// point of no return, never leaves its steps, and over is over.
        #[test]
        fn no_order_of_happenings_leads_astray(happenings in prop::collection::vec(0..7_u8, 0..80)) {
            let mut operation = operation();
            for happening in happenings {
                let before = operation.clone();
                operation = match happening {
                    0 | 1 if operation.direction == Direction::Forward && operation.step().is_some() =>
                        operation.advanced(NOW),
                    0..=2 if operation.direction == Direction::Back && operation.step().is_some() =>
                        operation.retreated(NOW),
                    3 if operation.step().is_some() => { let why = failure(&operation); operation.halted(why, NOW).0 }
                    4 if operation.step().is_some() && operation.direction == Direction::Forward
                        && !operation.point_of_no_return => {
                        let why = failure(&operation);
                        operation.aborted(why, NOW)
                    }
                    5 => operation.clone().retry(NOW).map_or(operation, |(operation, _)| operation),
                    6 => operation.clone().cancel(NOW).map_or(operation, |(operation, _)| operation),
                    _ => operation,
                };
                prop_assert!(operation.cursor <= 14);
                prop_assert!(before.direction == Direction::Forward || operation.direction == Direction::Back);
                prop_assert!(!before.point_of_no_return || operation.direction == before.direction);
                prop_assert!(!before.state.is_final() || operation == before);
                prop_assert!(operation.state.is_final() || operation.step().is_some());
                prop_assert_eq!(operation.state == OperationState::RolledBack,
                    operation.direction == Direction::Back && operation.ended_at.is_some());
            }
        }
    }
}
