//! A customer's site: its label, the operation that builds or removes it, the hosts that carry it, its names and its mail.

pub mod access;
pub mod backup;
pub mod bucket;
pub mod content;
pub mod converge;
pub mod custom_domain;
pub mod dns;
pub mod host;
pub mod host_protocol;
pub mod identity;
pub mod label;
pub mod mailing;
pub mod measure;
pub mod operation;
pub mod orphan;
pub mod plan;
pub mod pool;
pub mod site;
pub mod step;
pub mod workflow;

pub use backup::{Backup, BackupId};
pub use custom_domain::{CustomDomain, DomainState};
pub use dns::{ChangeId, DnsAction, DnsChange, DnsChangesQueued, ManagedRecord, RecordSet, RecordType, Zone};
pub use host::{Host, HostState, Reservation};
pub use identity::{EmailIdentity, IdentityState};
pub use label::{ClaimState, Label, LabelClaim};
pub use operation::{Direction, Operation, OperationKind, OperationQueued, OperationState, QueueReason};
pub use plan::HeardPlan;
pub use pool::{CapacityWanted, Pool, PoolSettings, Waiter};
pub use site::{Desired, Hold, NewSite, Run, Site, SiteState, Usage};
pub use step::{LogId, OperationLog, Step, StepFailure, StepName, StepState};
