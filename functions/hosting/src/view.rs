//! What clients see of sites and operations: the stored state without what only the engine needs.

use domain::accounts::Mode;
use domain::hosting::dns::RecordState;
use domain::hosting::identity::IdentityState;
use domain::hosting::mailing::{MailCounts, MailStanding};
use domain::hosting::{
    CustomDomain, DnsAction, DomainState, EmailIdentity, Host, HostState, ManagedRecord, Operation,
    OperationKind, OperationState, RecordSet, Site, SiteState, Step, StepFailure, StepName, StepState,
};
use domain::{HostId, OperationId, OrgId, SiteId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::wishes::Wish;

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

/// An operation with its steps.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Deployment {
    #[serde(flatten)]
    operation: OperationView,
    /// Every step in its order, begun or not.
    steps: Vec<StepView>,
}

impl Deployment {
    /// An operation, of which these steps have begun.
    #[must_use]
    pub fn of(operation: &Operation, begun: &[Step]) -> Self {
        Self { operation: OperationView::from(operation), steps: StepView::all(operation, begun) }
    }
}

/// A site that shall change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SiteChange {
    /// The site.
    site: SiteView,
    /// The operation that brings the change; absent when none is needed, or another one is at work first.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationView>,
}

impl From<&Wish> for SiteChange {
    fn from((site, operation): &Wish) -> Self {
        let operation = operation.as_ref().map(|(operation, _)| OperationView::from(operation));
        Self { site: SiteView::from(site), operation }
    }
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
    /// Whether it is on machines of the organisation's own.
    pub mode: Mode,
    /// Why an operator holds it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
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
    /// Until when a deleted site's data is kept at least; within a day or two after that it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
}

/// A host, as operators see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HostView {
    /// Its id.
    id: HostId,
    /// The pool it belongs to.
    pool: String,
    /// Where it stands.
    state: HostState,
    /// Its room, in units.
    cap_units: u64,
    /// What is left of it.
    free_units: u64,
    /// How many sites keep room on it.
    sites: u64,
    /// The one site that it was launched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_site: Option<SiteId>,
    /// Which version of its manifest it shall apply.
    generation: u64,
    /// Which version it says it has applied.
    applied_generation: u64,
    /// The instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<String>,
    /// Its public address.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// When it was asked for.
    requested_at: Timestamp,
    /// Its last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_at: Option<Timestamp>,
}

impl From<&Host> for HostView {
    fn from(host: &Host) -> Self {
        let host = host.clone();
        Self {
            id: host.id,
            pool: host.pool,
            state: host.state,
            cap_units: host.cap_units,
            free_units: host.free_units,
            sites: host.sites,
            for_site: host.for_site,
            generation: host.generation,
            applied_generation: host.applied_generation,
            instance_id: host.instance_id,
            ip: host.ip,
            requested_at: host.requested_at,
            heartbeat_at: host.heartbeat_at,
        }
    }
}

/// A customer's domain.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DomainView {
    /// Its name.
    name: String,
    /// Where it stands.
    state: DomainState,
    /// The name servers that its parent must name, and no others.
    name_servers: Vec<String>,
    /// When it was added.
    created_at: Timestamp,
    /// When its delegation was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<Timestamp>,
}

impl From<&CustomDomain> for DomainView {
    fn from(domain: &CustomDomain) -> Self {
        let CustomDomain { name, state, name_servers, created_at, checked_at, .. } = domain.clone();
        Self { name, state, name_servers, created_at, checked_at }
    }
}

/// A record in a customer's domain.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RecordView {
    #[serde(flatten)]
    record: RecordSet,
    /// Whether it is to be there, or to go.
    action: DnsAction,
    /// How far the name servers are.
    state: RecordState,
    /// Why they refuse it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Whether the product keeps it.
    managed: bool,
}

impl From<&ManagedRecord> for RecordView {
    fn from(kept: &ManagedRecord) -> Self {
        let ManagedRecord { record, action, state, error, site, .. } = kept.clone();
        Self { record, action, state, error, managed: site.is_some() }
    }
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

/// The domain that a site's mail comes from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MailDomainView {
    /// The domain.
    domain: String,
    /// Whether its mail is believed.
    state: IdentityState,
    /// Since when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<Timestamp>,
    /// Whether it is the site's own name.
    of_site: bool,
    /// How many of the site's mails left in the last thirty days, from whatever domain.
    sent: u64,
    /// How many bounced for good in that time.
    bounced: u64,
    /// How many were unwanted.
    complained: u64,
    /// Too much came back: nothing leaves any more.
    stopped: bool,
}

impl MailDomainView {
    /// A mail domain of a site, and how the site's mail fares.
    #[must_use]
    pub fn of(identity: &EmailIdentity, standing: &MailStanding, now: Timestamp) -> Self {
        let EmailIdentity { domain, state, verified_at, zone, .. } = identity.clone();
        let (of_site, stopped) = (zone.is_none(), standing.stopped);
        let MailCounts { sent, bounced, complained } = standing.lately(now);
        Self { domain, state, verified_at, of_site, sent, bounced, complained, stopped }
    }
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
            mode: site.mode,
            held: site.hold.as_ref().map(|hold| hold.reason.clone()),
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
