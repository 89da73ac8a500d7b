//! A customer's site: its label, the operation that builds or removes it, the hosts that carry it, its names and its mail.

pub mod access;
pub mod bucket;
pub mod dns;
pub mod host;
pub mod host_protocol;
pub mod identity;
pub mod label;
pub mod operation;
pub mod pool;
pub mod site;
pub mod step;

pub use dns::{ChangeId, DnsAction, DnsChange, DnsChangesQueued, ManagedRecord, RecordSet, RecordType, Zone};
pub use host::{Host, HostState, Reservation};
pub use identity::{EmailIdentity, IdentityState};
pub use label::{ClaimState, Label, LabelClaim};
pub use operation::{Direction, Operation, OperationKind, OperationQueued, OperationState, QueueReason};
pub use pool::{CapacityWanted, Pool, PoolSettings, Waiter};
pub use site::{Desired, NewSite, Run, Site, SiteState, Usage};
pub use step::{LogId, OperationLog, Step, StepFailure, StepName, StepState};
