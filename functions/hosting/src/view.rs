//! What clients see of sites and operations: the stored state without what only the engine needs.

use domain::hosting::identity::IdentityState;
use domain::hosting::{
    EmailIdentity, Operation, OperationKind, OperationState, Site, SiteState, Step, StepFailure, StepName,
    StepState,
};
use domain::{OperationId, OrgId, SiteId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// An operation, as its site's people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OperationView {
    /// Its id: ask for its steps and its log by it.
    pub id: OperationId,
    /// On which site.
    pub site: SiteId,
    /// The site's name.
    pub fqdn: String,
    /// Which workflow.
    pub kind: OperationKind,
    /// Where it stands.
    pub state: OperationState,
    /// How many of its steps are done; falls when they are taken back.
    pub percent: u8,
    /// The step at work; absent when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// Whether it can still be taken back.
    pub cancellable: bool,
    /// Why it stopped or turned back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureView>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// Why a step failed, in words for the customer; the remedy is the operators'.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailureView {
    /// Which step.
    pub step: StepName,
    /// Stable, snake_case.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// One step of an operation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StepView {
    /// What it does.
    pub name: StepName,
    /// Where it stands.
    pub state: StepViewState,
    /// Its first turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was done or taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// The last failure, until the step succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureView>,
}

/// Where a step stands, one that has not begun included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepViewState {
    /// Not begun.
    Pending,
    /// At work or waiting.
    Running,
    /// Done.
    Done,
    /// Stopped until people have looked.
    Failed,
    /// Being taken back.
    Compensating,
    /// Taken back.
    Compensated,
}

/// A site, as its organisation sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SiteView {
    /// Its id.
    pub id: SiteId,
    /// Whose it is.
    pub org: OrgId,
    /// The first part of its name.
    pub label: String,
    /// Its full name.
    pub fqdn: String,
    /// What there is.
    pub state: SiteState,
    /// The operation at work on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_operation: Option<OperationId>,
    /// The newest operation, at work or over.
    pub last_operation: OperationId,
    /// Its bucket, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Since when it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// Until when a deleted site's data is kept at least; nothing removes it by itself yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
}

/// A site's mail domain.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MailView {
    /// The domain that mail comes from.
    pub domain: String,
    /// Whether it is believed.
    pub state: IdentityState,
    /// Since when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
}

impl From<&Operation> for OperationView {
    fn from(operation: &Operation) -> Self {
        let over = operation.state.is_final();
        Self {
            id: operation.id,
            site: operation.site,
            fqdn: operation.fqdn.clone(),
            kind: operation.workflow,
            state: operation.state,
            percent: operation.percent(),
            step: operation.step(),
            cancellable: !over && !operation.point_of_no_return,
            error: operation.error.as_ref().map(FailureView::from),
            created_at: operation.created_at,
            ended_at: operation.ended_at,
        }
    }
}

impl From<&StepFailure> for FailureView {
    fn from(failure: &StepFailure) -> Self {
        let StepFailure { step, code, message, at, .. } = failure;
        Self { step: *step, code: code.clone(), message: message.clone(), at: *at }
    }
}

impl StepView {
    /// Every step of an operation in its order; `begun` are those that have had a turn.
    #[must_use]
    pub fn all(operation: &Operation, begun: &[Step]) -> Vec<Self> {
        let view = |(number, name): (usize, &StepName)| {
            let step = begun.iter().find(|step| step.number == number);
            let state = match step.map(|step| step.state) {
                None => StepViewState::Pending,
                Some(StepState::Running) => StepViewState::Running,
                Some(StepState::Done) => StepViewState::Done,
                Some(StepState::Failed) => StepViewState::Failed,
                Some(StepState::Compensating) => StepViewState::Compensating,
                Some(StepState::Compensated) => StepViewState::Compensated,
            };
            Self {
                name: *name,
                state,
                started_at: step.map(|step| step.started_at),
                ended_at: step.and_then(|step| step.ended_at),
                failures: step.map_or(0, |step| step.failures),
                error: step.and_then(|step| step.error.as_ref()).map(FailureView::from),
            }
        };
        operation.workflow.steps().iter().enumerate().map(view).collect()
    }
}

impl From<&Site> for SiteView {
    fn from(site: &Site) -> Self {
        Self {
            id: site.id,
            org: site.org,
            label: site.label.to_string(),
            fqdn: site.fqdn.clone(),
            state: site.state,
            current_operation: site.current_op,
            last_operation: site.last_op,
            bucket: site.bucket.clone(),
            created_at: site.created_at,
            activated_at: site.activated_at,
            retained_until: site.retained_until,
        }
    }
}

impl From<&EmailIdentity> for MailView {
    fn from(identity: &EmailIdentity) -> Self {
        Self { domain: identity.domain.clone(), state: identity.state, verified_at: identity.verified_at }
    }
}
