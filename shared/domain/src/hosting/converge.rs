//! How a site gets from what there is to what there shall be: wishes are stored, operations follow from them.
//!
//! Whoever wants something of a site changes what is desired. Which operation that takes is decided here, when the wish
//! changes and again at every operation's end, so that no wish is lost and none interrupts what is under way.

use super::backup::EVERY;
use super::host::UNIT_DISK_MIB;
use super::operation::Request;
use super::site::{
    Desired, Hold, RETENTION, SiteActivated, SiteDeleted, SiteDeletionRequested, SiteMoved, SitePurged,
    SiteRenamed, SiteResumed, SiteSuspended,
};
use super::{BackupId, Label, LabelClaim, Operation, OperationKind, OperationQueued, Run, Site, SiteState};
use crate::accounts::Mode;
use crate::accounts::entitlements::{Access, ProductEntitlement};
use crate::{HostId, Refusal, Timestamp, UserId};

/// The code of an operation that ends because something else is wanted of its site by now.
pub const NOT_WANTED: &str = "not_wanted";

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
    /// What there shall be, by plan, owner and operator together.
    #[must_use]
    pub fn wanted(&self) -> Run {
        match (self.desired.run, &self.hold) {
            (Run::On, Some(_)) => Run::Suspended,
            (run, _) => run,
        }
    }

    /// Whether it shall go to another host.
    #[must_use]
    pub fn must_move(&self) -> bool {
        !self.stays && (self.leaves_host || !self.is_where_planned())
    }

    /// A machine of its own has exactly the room that the plan gives; on shared ones the room stays as it was asked for.
    fn is_where_planned(&self) -> bool {
        let Desired { mode, units, .. } = self.desired;
        self.mode == mode && (mode == Mode::Shared || self.units == units)
    }

    /// Which operation brings what there is to what there shall be; `None` when they agree or people must decide.
    #[must_use]
    pub fn converge(&self) -> Option<OperationKind> {
        match (self.wanted(), self.state) {
            _ if self.current_op.is_some() => None,
            (Run::On, SiteState::Requested) => Some(OperationKind::Provision),
            (Run::Deleted, SiteState::Active | SiteState::Suspended) => Some(OperationKind::Deprovision),
            (Run::Suspended, SiteState::Active) => Some(OperationKind::Suspend),
            (Run::On, SiteState::Suspended) => Some(OperationKind::Resume),
            (Run::On, SiteState::Active) if self.target_label.is_some() => Some(OperationKind::Rename),
            (Run::On, SiteState::Active) if self.must_move() => Some(OperationKind::Migrate),
            _ => None,
        }
    }

    /// The operation that is now wanted, if any, with the site that names it.
    #[must_use]
    pub fn next_operation(self, request: Request) -> (Self, Option<(Operation, OperationQueued)>) {
        let Some(kind) = self.converge() else { return (self, None) };
        let queued = Operation::queue(kind, self.org, self.id, &self.fqdn, request);
        let state = match kind {
            OperationKind::Deprovision => SiteState::Deprovisioning,
            _ => self.state,
        };
        let site = Self { state, current_op: Some(queued.0.id), last_op: queued.0.id, ..self };
        (site, Some(queued))
    }

    /// The first step is under way, with as much room as the plan gives now.
    #[must_use]
    pub fn provisioning(self) -> Self {
        let Desired { mode, units, .. } = self.desired;
        let disk_mib = units * UNIT_DISK_MIB;
        Self { state: SiteState::Provisioning, mode, units, disk_mib, ..self }
    }

    /// A host keeps room for it.
    #[must_use]
    pub fn placed(self, host: HostId) -> Self {
        Self { target_host: Some(host), ..self }
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
            retained_until: None,
            backup_at: Some(now + EVERY),
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
                // The days for which nobody paid count: nobody's data are kept twice as long.
                let since = site.unpaid_since.unwrap_or(now);
                Self {
                    state: SiteState::Retained,
                    retained_until: Some((since + RETENTION).max(now)),
                    ..site
                }
            }
            OperationKind::Rename => Self { former_label: None, ..site },
            OperationKind::Suspend => Self { state: SiteState::Suspended, ..site },
            OperationKind::Resume => Self { state: SiteState::Active, ..site },
            OperationKind::Migrate => Self { former_host: None, ..site },
            OperationKind::BackUp => Self { backup_at: Some(now + EVERY), ..site },
            OperationKind::Restore => site,
            OperationKind::Purge => Self { state: SiteState::Purged, retained_until: None, ..site },
        }
    }

    /// Its operation was given up; it is what it was.
    #[must_use]
    pub fn operation_given_up(self, kind: OperationKind, now: Timestamp) -> Self {
        let backup_at = if kind == OperationKind::BackUp { Some(now + EVERY) } else { self.backup_at };
        Self { current_op: None, backup_at, ..self }
    }

    /// A backup of it is taken; `backup` is put back.
    ///
    /// # Errors
    /// 409 `busy`, `site_not_active`.
    pub fn work_on_files(
        self,
        kind: OperationKind,
        backup: Option<BackupId>,
        request: Request,
    ) -> Result<(Self, (Operation, OperationQueued)), Refusal> {
        self.idle()?;
        Ok(self.begin(kind, backup, request))
    }

    /// The time for which its data were kept is over; `None` while it is not, or something is at work on it.
    #[must_use]
    pub fn purge(self, request: Request) -> Option<(Self, (Operation, OperationQueued))> {
        let over = self.retained_until.is_some_and(|until| until <= request.now);
        let due = self.state == SiteState::Retained && self.current_op.is_none() && over;
        due.then(|| self.begin(OperationKind::Purge, None, request))
    }

    fn begin(
        self,
        kind: OperationKind,
        backup: Option<BackupId>,
        request: Request,
    ) -> (Self, (Operation, OperationQueued)) {
        let (operation, queued) = Operation::queue(kind, self.org, self.id, &self.fqdn, request);
        let site = Self { current_op: Some(operation.id), last_op: operation.id, ..self };
        (site, (Operation { backup, ..operation }, queued))
    }

    /// Whether the time for which its data were kept though nobody paid is over: it goes as if its owner had deleted it, also
    /// one whose building waits for people.
    #[must_use]
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        let over = self.unpaid_since.is_some_and(|since| since + RETENTION <= now);
        let rests = match self.state {
            SiteState::Suspended => self.current_op.is_none(),
            state => state == SiteState::Failed,
        };
        over && rests && self.desired.run != Run::Deleted
    }

    /// When something falls due for it that nobody asks for: its next backup, or the end of what is kept of it.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            SiteState::Active | SiteState::Migrating => self.backup_at,
            SiteState::Suspended | SiteState::Failed => self.unpaid_since.map(|since| since + RETENTION),
            SiteState::Retained => self.retained_until,
            _ => None,
        }
    }

    /// Tells that nothing is left of it.
    #[must_use]
    pub fn purged(&self) -> SitePurged {
        SitePurged { site: self.id, fqdn: self.fqdn.clone() }
    }

    /// What its operation did was taken back, for the reason with this code if it was not somebody's wish. Of one that was
    /// being built nothing is left, so a wish to delete it is fulfilled too.
    #[must_use]
    pub fn rolled_back(self, kind: OperationKind, why: Option<&str>) -> Self {
        let site = Self { current_op: None, target_host: None, ..self };
        match kind {
            OperationKind::Rename => Self { target_label: None, ..site },
            // Tried again at once it would fail again for the same reason, over and over; one that a wish came before is
            // gone on with when that wish is over.
            OperationKind::Migrate => {
                Self { state: SiteState::Active, stays: site.stays || why != Some(NOT_WANTED), ..site }
            }
            _ => {
                let gone = site.desired.run == Run::Deleted;
                let state = if gone { SiteState::Purged } else { SiteState::RolledBack };
                Self { state, host: None, bucket: None, ..site }
            }
        }
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
            None if site.state == SiteState::RolledBack => Deletion {
                site: site.rolled_back(OperationKind::Provision, None),
                operation: None,
                requested,
            },
            None => {
                let (site, operation) = site.next_operation(request);
                Deletion { site, operation, requested }
            }
        };
        Ok(Some(deletion))
    }

    /// What the organisation's plan says now of hosting; `None` when that is no news. `version` is the entitlements'.
    ///
    /// Whoever may not pay any more is read-only first: the site stays up. Without any access it is suspended.
    #[must_use]
    pub fn entitled(
        &self,
        version: u64,
        hosting: Option<&ProductEntitlement>,
        now: Timestamp,
    ) -> Option<Self> {
        if version <= self.desired.version {
            return None;
        }
        let open = hosting.filter(|hosting| hosting.access != Access::None);
        let run = match (self.desired.run, open) {
            (Run::Deleted, _) => Run::Deleted,
            (_, Some(_)) => Run::On,
            (_, None) => Run::Suspended,
        };
        let desired = match open {
            Some(hosting) => Desired {
                mode: hosting.mode,
                run,
                plan: hosting.plan.clone(),
                units: hosting.limit("units").max(1),
                backups: hosting.limit("backups_kept").max(1),
                version,
            },
            None => Desired { run, version, ..self.desired.clone() },
        };
        let is_paused = hosting.is_some_and(|hosting| hosting.paused);
        let unpaid_since = if open.is_some() || is_paused { None } else { self.unpaid_since.or(Some(now)) };
        Some(Self { desired, unpaid_since, stays: false, ..self.clone() })
    }

    /// An operator holds the site down.
    ///
    /// # Errors
    /// 409 `already_suspended` when one does already, 410 `site_gone`.
    pub fn suspend(self, by: UserId, reason: String, now: Timestamp) -> Result<Self, Refusal> {
        self.still_there()?;
        if self.hold.is_some() {
            return Err(Refusal::conflict("already_suspended", "An operator holds the site down already."));
        }
        Ok(Self { hold: Some(Hold { by, reason, at: now }), ..self })
    }

    /// The operator lets go of the site. What its plan says counts again.
    ///
    /// # Errors
    /// 409 `not_suspended` when no operator holds it, 410 `site_gone`.
    pub fn resume(self) -> Result<Self, Refusal> {
        self.still_there()?;
        if self.hold.is_none() {
            return Err(Refusal::conflict("not_suspended", "No operator holds the site down."));
        }
        Ok(Self { hold: None, ..self })
    }

    /// Its owner wants another name for it.
    ///
    /// # Errors
    /// 422 for a wrong or reserved label; 409 `same_label`, `site_not_active`, `busy`.
    pub fn rename(self, label: &str, now: Timestamp) -> Result<(Self, LabelClaim), Refusal> {
        let label: Label = label.parse()?;
        if label == self.label {
            return Err(Refusal::conflict("same_label", "The site has this name already."));
        }
        self.idle()?;
        let claim = LabelClaim::live(label.clone(), &self.zone, self.org, self.id, now);
        Ok((Self { target_label: Some(label), ..self }, claim))
    }

    /// Its people want it where its plan says, now.
    ///
    /// # Errors
    /// 402 `plan_required` when the plan has no machines of their own; 409 `already_there`, `site_not_active`, `busy`.
    pub fn migrate(self) -> Result<Self, Refusal> {
        if self.mode == Mode::Shared && self.desired.mode == Mode::Shared {
            let message = "The plan has no machines of the organisation's own.";
            return Err(
                Refusal::payment_required("plan_required", message).with("plan", self.desired.plan.as_str())
            );
        }
        if self.is_where_planned() {
            return Err(Refusal::conflict("already_there", "The site is where its plan says."));
        }
        self.idle()?;
        Ok(Self { stays: false, ..self })
    }

    /// It shall leave its host, to any other of the same kind.
    #[must_use]
    pub fn leave_host(self) -> Self {
        Self { leaves_host: true, stays: false, ..self }
    }

    /// It is about to move.
    #[must_use]
    pub fn migrating(self) -> Self {
        Self { state: SiteState::Migrating, ..self }
    }

    /// It is the new host's, with that much room there.
    #[must_use]
    pub fn moved(
        self,
        mode: Mode,
        (units, disk_mib): (u64, u64),
        frozen_millis: u64,
    ) -> (Self, Option<SiteMoved>) {
        let moved = self.host.zip(self.target_host).map(|(from, to)| SiteMoved {
            site: self.id,
            fqdn: self.fqdn.clone(),
            from,
            to,
            mode,
            frozen_millis,
        });
        let site = Self {
            state: SiteState::Active,
            former_host: self.host,
            host: self.target_host,
            target_host: None,
            leaves_host: false,
            mode,
            units,
            disk_mib,
            ..self
        };
        (site, moved)
    }

    /// It takes the name that was made ready for it.
    #[must_use]
    pub fn renamed(self) -> (Self, Option<SiteRenamed>) {
        let Some(label) = self.target_label else { return (self, None) };
        let fqdn = label.under(&self.zone);
        let renamed = SiteRenamed { site: self.id, before: self.fqdn, fqdn: fqdn.clone() };
        let site = Self { former_label: Some(self.label), label, fqdn, target_label: None, ..self };
        (site, Some(renamed))
    }

    /// Tells that visitors are told of its suspension.
    #[must_use]
    pub fn suspended(&self) -> SiteSuspended {
        let reason = self.hold.as_ref().map(|hold| hold.reason.clone());
        SiteSuspended { site: self.id, fqdn: self.fqdn.clone(), reason }
    }

    /// Tells that it is served again.
    #[must_use]
    pub fn served_again(&self) -> SiteResumed {
        SiteResumed { site: self.id, fqdn: self.fqdn.clone() }
    }

    /// Whether the site counts against its organisation's limit.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.state, SiteState::RolledBack | SiteState::Retained | SiteState::Purged)
    }

    fn still_there(&self) -> Result<(), Refusal> {
        if matches!(self.state, SiteState::Retained | SiteState::Purged | SiteState::RolledBack) {
            return Err(Refusal::gone("site_gone", "The site is deleted."));
        }
        Ok(())
    }

    /// It is served, and nothing is under way.
    fn idle(&self) -> Result<(), Refusal> {
        if let Some(operation) = self.current_op {
            let message = "Another operation is at work on the site.";
            return Err(Refusal::conflict("busy", message).with("operation", operation.to_string()));
        }
        if self.state != SiteState::Active || self.wanted() != Run::On {
            return Err(Refusal::conflict("site_not_active", "The site is not active."));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "converge_tests.rs"]
mod tests;
