//! Sites: what a customer asked for, what there is, and which operation brings the one to the other.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::UNIT_DISK_MIB;
use super::operation::Request;
use super::{Label, LabelClaim, Operation, OperationKind, OperationQueued};
use crate::accounts::entitlements::{Access, HOSTING};
use crate::accounts::{Entitlements, Mode};
use crate::{Event, HostId, OperationId, OrgId, Refusal, SiteId, Timestamp, UserId};

/// How long a deleted site's data is kept.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A customer's site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Whose it is.
    pub org: OrgId,
    /// The first part of its name.
    pub label: Label,
    /// The zone its name stands in.
    pub zone: String,
    /// Its full name.
    pub fqdn: String,
    /// What there is.
    pub state: SiteState,
    /// What there shall be.
    pub desired: Desired,
    /// How much of a host it takes.
    pub units: u64,
    /// How much of a host's disk it takes.
    pub disk_mib: u64,
    /// The host that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The host that keeps room for it while it is being built or moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_host: Option<HostId>,
    /// Its bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The operation at work on it; one at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_op: Option<OperationId>,
    /// The newest operation, at work or over.
    pub last_op: OperationId,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Since when it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// Until when a deleted site's data is kept at least; nothing removes it by itself yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
}

/// What there is of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiteState {
    /// Asked for, nothing made yet.
    Requested,
    /// Being built.
    Provisioning,
    /// Served.
    Active,
    /// Its building stopped until people have looked.
    Failed,
    /// Its building was taken back.
    RolledBack,
    /// Being taken down.
    Deprovisioning,
    /// Down, its data kept until `retained_until`.
    Retained,
    /// Nothing is left.
    Purged,
}

/// What there shall be of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Desired {
    /// On machines of whose.
    pub mode: Mode,
    /// Served or gone.
    pub run: Run,
    /// By which plan.
    pub plan: String,
    /// The entitlements' version that says so; older ones are ignored.
    pub version: u64,
}

/// Whether a site shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// Served.
    On,
    /// Gone.
    Deleted,
}

/// What an organisation uses of hosting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Sites that exist or are being built.
    pub sites: u64,
}

/// What a customer asks for: a site at a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSite {
    /// The first part of the name: 3 to 63 of a-z, 0-9 and inner hyphens.
    pub label: String,
}

/// The facts around a request for a site.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The new site's id.
    pub site: SiteId,
    /// Whose it will be.
    pub org: OrgId,
    /// The zone that sites are named in.
    pub zone: &'a str,
    /// The operation's id, who asks, when.
    pub request: Request,
}

/// What a granted request makes: all of it in one write.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The site.
    pub site: Site,
    /// Its first operation.
    pub operation: Operation,
    /// The claim on its label.
    pub claim: LabelClaim,
    /// How many sites the plan holds: the write's condition.
    pub most_sites: u64,
    /// Tells of the site.
    pub requested: SiteRequested,
    /// Starts the operation.
    pub queued: OperationQueued,
}

impl NewSite {
    /// Decides on the request.
    ///
    /// # Errors
    /// 422 for a wrong or reserved label, 402 `limit_reached` or `plan_required`, 409 `mode_unavailable`.
    pub fn request(self, asked: &Asked<'_>, plan: &Entitlements, usage: Usage) -> Result<Granted, Refusal> {
        let label: Label = self.label.parse()?;
        let hosting = plan.product(HOSTING).ok_or_else(|| {
            Refusal::payment_required("plan_required", "The organisation has no plan for hosting.")
        })?;
        if hosting.access != Access::Full {
            let message = "The plan is restricted: nothing new can be made until the payment is settled.";
            return Err(
                Refusal::payment_required("plan_restricted", message).with("plan", hosting.plan.as_str())
            );
        }
        if hosting.mode != Mode::Shared {
            return Err(Refusal::conflict("mode_unavailable", "Dedicated hosts are not available yet."));
        }
        let most_sites = hosting.limit("sites");
        if usage.sites >= most_sites {
            return Err(limit_reached("sites", &hosting.plan, most_sites));
        }
        let units = hosting.limit("units").max(1);
        let now = asked.request.now;
        let fqdn = label.under(asked.zone);
        let (operation, queued) =
            Operation::queue(OperationKind::Provision, asked.org, asked.site, &fqdn, asked.request);
        let site = Site {
            id: asked.site,
            org: asked.org,
            zone: asked.zone.to_owned(),
            fqdn,
            state: SiteState::Requested,
            desired: Desired {
                mode: hosting.mode,
                run: Run::On,
                plan: hosting.plan.clone(),
                version: plan.version,
            },
            units,
            disk_mib: units * UNIT_DISK_MIB,
            host: None,
            target_host: None,
            bucket: None,
            current_op: Some(operation.id),
            last_op: operation.id,
            requested_by: asked.request.by,
            created_at: now,
            activated_at: None,
            retained_until: None,
            label: label.clone(),
        };
        let claim = LabelClaim::live(label, asked.zone, asked.org, asked.site, now);
        let requested = SiteRequested {
            site: site.id,
            fqdn: site.fqdn.clone(),
            operation: operation.id,
            requested_by: site.requested_by,
        };
        Ok(Granted { site, operation, claim, most_sites, requested, queued })
    }
}

/// The plan's limit with this name is reached (402).
#[must_use]
pub fn limit_reached(limit: &str, plan: &str, allowed: u64) -> Refusal {
    let message = format!("The plan {plan} holds {allowed} {limit}.");
    let refusal = Refusal::payment_required("limit_reached", message)
        .with("limit", limit)
        .with("plan", plan)
        .with("allowed", allowed);
    let upgrade = match plan {
        "trial" => Some("launch"),
        "launch" => Some("growth"),
        "growth" => Some("scale"),
        _ => None,
    };
    match upgrade {
        Some(upgrade) => refusal.with("upgrade", upgrade),
        None => refusal,
    }
}

/// What the deletion of a site changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The site, no longer desired.
    pub site: Site,
    /// The operation that is turned back or started for it.
    pub operation: Option<(Operation, OperationQueued)>,
    /// Tells of the wish.
    pub requested: SiteDeletionRequested,
}

impl Site {
    /// Which operation brings what there is to what there shall be; `None` when they agree or people must decide.
    ///
    /// Asked for when a wish changes and again at every operation's end, so that no wish is lost meanwhile.
    #[must_use]
    pub fn converge(&self) -> Option<OperationKind> {
        match (self.desired.run, self.state) {
            _ if self.current_op.is_some() => None,
            (Run::On, SiteState::Requested) => Some(OperationKind::Provision),
            (Run::Deleted, SiteState::Active) => Some(OperationKind::Deprovision),
            _ => None,
        }
    }

    /// The operation that is now wanted, if any, with the site that names it.
    #[must_use]
    pub fn next_operation(self, request: Request) -> (Self, Option<(Operation, OperationQueued)>) {
        let Some(kind) = self.converge() else { return (self, None) };
        let queued = Operation::queue(kind, self.org, self.id, &self.fqdn, request);
        let state = match kind {
            OperationKind::Provision => self.state,
            OperationKind::Deprovision => SiteState::Deprovisioning,
        };
        let site = Self { state, current_op: Some(queued.0.id), last_op: queued.0.id, ..self };
        (site, Some(queued))
    }

    /// The first step is under way.
    #[must_use]
    pub fn provisioning(self) -> Self {
        Self { state: SiteState::Provisioning, ..self }
    }

    /// A host keeps room for it.
    #[must_use]
    pub fn placed(self, host: HostId) -> Self {
        Self { target_host: Some(host), ..self }
    }

    /// The host no longer keeps room for it.
    #[must_use]
    pub fn displaced(self) -> Self {
        Self { target_host: None, host: None, ..self }
    }

    /// The site is served and is the customer's.
    #[must_use]
    pub fn activated(self, operation: &Operation, now: Timestamp) -> (Self, SiteActivated) {
        let activated = SiteActivated {
            site: self.id,
            fqdn: self.fqdn.clone(),
            operation: operation.id,
            requested_by: self.requested_by,
            millis: u64::try_from(now.since(operation.created_at).as_millis()).unwrap_or(u64::MAX),
        };
        let site = Self {
            state: SiteState::Active,
            host: self.target_host,
            target_host: None,
            activated_at: Some(now),
            ..self
        };
        (site, activated)
    }

    /// Its building stopped until people have looked; a site that was served is still shown as what it was.
    #[must_use]
    pub fn halted(self) -> Self {
        let building = matches!(self.state, SiteState::Requested | SiteState::Provisioning);
        let state = if building { SiteState::Failed } else { self.state };
        Self { state, ..self }
    }

    /// People looked, its building goes on.
    #[must_use]
    pub fn resumed(self) -> Self {
        let state = if self.state == SiteState::Failed { SiteState::Provisioning } else { self.state };
        Self { state, ..self }
    }

    /// Its operation ended well.
    #[must_use]
    pub fn operation_succeeded(self, kind: OperationKind, now: Timestamp) -> Self {
        let site = Self { current_op: None, ..self };
        match kind {
            OperationKind::Provision => site,
            OperationKind::Deprovision => {
                Self { state: SiteState::Retained, retained_until: Some(now + RETENTION), ..site }
            }
        }
    }

    /// Its building was taken back. Nothing is left, so a wish to delete it is fulfilled too.
    #[must_use]
    pub fn rolled_back(self) -> Self {
        let state = if self.desired.run == Run::Deleted { SiteState::Purged } else { SiteState::RolledBack };
        Self { state, current_op: None, target_host: None, host: None, bucket: None, ..self }
    }

    /// Tells that it is gone.
    #[must_use]
    pub fn deleted(&self) -> SiteDeleted {
        SiteDeleted { site: self.id, fqdn: self.fqdn.clone(), retained_until: self.retained_until }
    }

    /// Its owner wants it gone. `current` is the operation at work on it.
    ///
    /// What is being built is turned back first; what cannot be turned back any more is finished first, and its end
    /// starts the deletion. Asking again while it goes answers `None`.
    ///
    /// # Errors
    /// 410 `site_gone` when it is gone.
    pub fn delete(self, current: Option<&Operation>, request: Request) -> Result<Option<Deletion>, Refusal> {
        if matches!(self.state, SiteState::Retained | SiteState::Purged) {
            return Err(Refusal::gone("site_gone", "The site is deleted."));
        }
        if self.desired.run == Run::Deleted {
            return Ok(None);
        }
        let requested =
            SiteDeletionRequested { site: self.id, fqdn: self.fqdn.clone(), requested_by: request.by };
        let desired = Desired { run: Run::Deleted, ..self.desired.clone() };
        let site = Self { desired, ..self };
        let deletion = match current {
            Some(operation) if !operation.point_of_no_return => {
                let turned = operation.clone().cancel(request.now)?;
                Deletion { site, operation: Some(turned), requested }
            }
            Some(_) => Deletion { site, operation: None, requested },
            None if site.state == SiteState::RolledBack => {
                Deletion { site: site.rolled_back(), operation: None, requested }
            }
            None => {
                let (site, operation) = site.next_operation(request);
                Deletion { site, operation, requested }
            }
        };
        Ok(Some(deletion))
    }

    /// Whether the site counts against its organisation's limit.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.state, SiteState::RolledBack | SiteState::Retained | SiteState::Purged)
    }
}

/// `hosting.site_requested`: a customer asked for a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteRequested {
    /// Which.
    pub site: SiteId,
    /// Its name.
    pub fqdn: String,
    /// The operation that builds it.
    pub operation: OperationId,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
}

/// `hosting.site_activated`: a site is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteActivated {
    /// Which.
    pub site: SiteId,
    /// Its name.
    pub fqdn: String,
    /// The operation that built it.
    pub operation: OperationId,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// From the request to here, in milliseconds.
    pub millis: u64,
}

/// `hosting.site_deletion_requested`: an owner wants a site gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteDeletionRequested {
    /// Which.
    pub site: SiteId,
    /// Its name.
    pub fqdn: String,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
}

/// `hosting.site_deleted`: a site is down, its names are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteDeleted {
    /// Which.
    pub site: SiteId,
    /// Its name.
    pub fqdn: String,
    /// Until when its data is kept; absent when nothing was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
}

impl Event for SiteRequested {
    const TYPE: &'static str = "hosting.site_requested";
}

impl Event for SiteActivated {
    const TYPE: &'static str = "hosting.site_activated";
}

impl Event for SiteDeletionRequested {
    const TYPE: &'static str = "hosting.site_deletion_requested";
}

impl Event for SiteDeleted {
    const TYPE: &'static str = "hosting.site_deleted";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosting::OperationState;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn request(id: u128) -> Request {
        Request { operation: OperationId::from_ulid(id), by: Some(UserId::from_ulid(9)), now: NOW }
    }

    fn ask(label: &str, plan: &Entitlements, sites: u64) -> Result<Granted, Refusal> {
        let (site, org) = (SiteId::from_ulid(1), OrgId::from_ulid(2));
        let asked = Asked { site, org, zone: "sites.example", request: request(3) };
        NewSite { label: label.to_owned() }.request(&asked, plan, Usage { sites })
    }

    fn requested() -> Site {
        ask("acme", &Entitlements::trial(), 0).expect("the trial holds one").site
    }

    #[test]
    fn a_trial_holds_one_small_shared_site() {
        let granted = ask("acme", &Entitlements::trial(), 0).expect("the trial holds one");
        assert_eq!((granted.site.fqdn.as_str(), granted.site.units), ("acme.sites.example", 1));
        assert_eq!((granted.site.disk_mib, granted.most_sites), (UNIT_DISK_MIB, 1));

        let refusal = ask("acme", &Entitlements::trial(), 1).expect_err("and no second");
        assert_eq!((refusal.code, &refusal.details["limit"]), ("limit_reached", &"sites".into()));
        assert_eq!(
            (&refusal.details["plan"], &refusal.details["upgrade"]),
            (&"trial".into(), &"launch".into())
        );
        assert_eq!(
            ask("acme", &Entitlements::default(), 0).map(|_| ()).map_err(|no| no.code),
            Err("plan_required")
        );
        assert_eq!(ask("www", &Entitlements::trial(), 0).map(|_| ()).map_err(|no| no.code), Err("invalid"));
    }

    #[test]
    fn what_there_is_converges_to_what_there_shall_be() {
        let idle = |state, run| {
            let site = requested();
            Site { state, desired: Desired { run, ..site.desired.clone() }, current_op: None, ..site }
                .converge()
        };
        assert_eq!(idle(SiteState::Requested, Run::On), Some(OperationKind::Provision));
        assert_eq!(idle(SiteState::Active, Run::Deleted), Some(OperationKind::Deprovision));
        for state in [SiteState::Active, SiteState::RolledBack, SiteState::Retained, SiteState::Purged] {
            assert_eq!(idle(state, Run::On), None, "{state:?}");
        }
        assert_eq!(requested().converge(), None, "an operation is at work");
    }

    #[test]
    fn deleting_what_is_being_built_turns_it_back() {
        let granted = ask("acme", &Entitlements::trial(), 0).expect("the trial holds one");
        let deletion =
            granted.site.delete(Some(&granted.operation), request(4)).expect("there").expect("new");
        let (turned, _) = deletion.operation.expect("the operation turns back");
        assert_eq!(turned.state, OperationState::Compensating);
        assert_eq!(deletion.site.clone().delete(Some(&turned), request(5)), Ok(None), "asking again");
        let gone = deletion.site.rolled_back();
        assert_eq!(gone.state, SiteState::Purged);
        assert_eq!(gone.delete(None, request(6)).map_err(|refusal| refusal.code), Err("site_gone"));
    }

    #[test]
    fn deleting_past_the_point_of_no_return_waits_for_the_operation() {
        let granted = ask("acme", &Entitlements::trial(), 0).expect("the trial holds one");
        let operation = Operation { point_of_no_return: true, ..granted.operation };
        let (site, _) = granted.site.placed(HostId::from_ulid(1)).activated(&operation, NOW);
        let deletion = site.delete(Some(&operation), request(4)).expect("there").expect("new");
        assert_eq!(deletion.operation, None);
        let site = deletion.site.operation_succeeded(OperationKind::Provision, NOW);
        let (site, next) = site.next_operation(request(5));
        assert_eq!(next.map(|(operation, _)| operation.workflow), Some(OperationKind::Deprovision));
        let retained = site.operation_succeeded(OperationKind::Deprovision, NOW);
        assert_eq!((retained.state, retained.retained_until), (SiteState::Retained, Some(NOW + RETENTION)));
        assert!(!retained.counts());
    }
}
