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
    /// The host that carried it before its move, until its room there is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_host: Option<HostId>,
    /// On machines of whose it is.
    #[serde(default)]
    pub mode: Mode,
    /// The label that it is about to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_label: Option<Label>,
    /// The label that it had, until everything under that name is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_label: Option<Label>,
    /// Why an operator holds it down, whatever the plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// It shall leave its host, although the plan does not ask for that.
    #[serde(default, skip_serializing_if = "is_false")]
    pub leaves_host: bool,
    /// Its last move was taken back: it stays where it is until somebody asks again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stays: bool,
    /// Its bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// A domain of the customer's that its mail comes from, instead of its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_mail_domain: Option<String>,
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
    /// Until when a deleted site's data is kept at least; within a day or two after that it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
    /// Since when no plan lets it be served; its data are kept for as long as a deleted site's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaid_since: Option<Timestamp>,
    /// When its next backup is due; absent before it is first served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_at: Option<Timestamp>,
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
    /// Served, and on its way to another host.
    Migrating,
    /// Visitors are told that it is suspended; everything is kept.
    Suspended,
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
    /// Served, suspended or gone, as far as plan and owner decide.
    pub run: Run,
    /// By which plan.
    pub plan: String,
    /// How much of a host the plan gives a site.
    #[serde(default = "smallest")]
    pub units: u64,
    /// How many backups the plan keeps of a site.
    #[serde(default = "smallest")]
    pub backups: u64,
    /// The entitlements' version that says so; older ones are ignored.
    pub version: u64,
}

fn smallest() -> u64 {
    1
}

// serde hands the field over by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// An operator keeps a site suspended, whatever its plan says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Who.
    pub by: UserId,
    /// Why, for the customer.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

/// Whether a site shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// Served.
    On,
    /// Kept, but not served.
    Suspended,
    /// Gone.
    Deleted,
}

/// What an organisation uses of hosting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Sites that exist or are being built.
    #[serde(default)]
    pub sites: u64,
    /// Domains of the organisation's own.
    #[serde(default)]
    pub domains: u64,
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
    /// 422 for a wrong or reserved label, 402 `limit_reached`, `plan_required` or `plan_restricted`.
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
                units,
                backups: hosting.limit("backups_kept").max(1),
                version: plan.version,
            },
            units,
            disk_mib: units * UNIT_DISK_MIB,
            host: None,
            target_host: None,
            former_host: None,
            mode: hosting.mode,
            target_label: None,
            former_label: None,
            hold: None,
            leaves_host: false,
            stays: false,
            bucket: None,
            own_mail_domain: None,
            current_op: Some(operation.id),
            last_op: operation.id,
            requested_by: asked.request.by,
            created_at: now,
            activated_at: None,
            retained_until: None,
            unpaid_since: None,
            backup_at: None,
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

/// `hosting.site_renamed`: a site is served under another name; the old one leads nowhere from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteRenamed {
    /// Which.
    pub site: SiteId,
    /// The name it had.
    pub before: String,
    /// Its name.
    pub fqdn: String,
}

/// `hosting.site_suspended`: visitors of a site are told that it is suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteSuspended {
    /// Which.
    pub site: SiteId,
    /// Its name.
    pub fqdn: String,
    /// What an operator gave as the reason; absent when the plan is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `hosting.site_resumed`: a suspended site is served again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteResumed {
    /// Which.
    pub site: SiteId,
    /// Its name.
    pub fqdn: String,
}

/// `hosting.site_moved`: a site is served by another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteMoved {
    /// Which.
    pub site: SiteId,
    /// Its name.
    pub fqdn: String,
    /// Where it was.
    pub from: HostId,
    /// Where it is.
    pub to: HostId,
    /// On machines of whose it is now.
    pub mode: Mode,
    /// How long nobody could write to it, in milliseconds.
    pub frozen_millis: u64,
}

/// `hosting.site_purged`: nothing is left of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SitePurged {
    /// Which.
    pub site: SiteId,
    /// The name it had.
    pub fqdn: String,
}

impl Event for SitePurged {
    const TYPE: &'static str = "hosting.site_purged";
}

impl Event for SiteRenamed {
    const TYPE: &'static str = "hosting.site_renamed";
}

impl Event for SiteSuspended {
    const TYPE: &'static str = "hosting.site_suspended";
}

impl Event for SiteResumed {
    const TYPE: &'static str = "hosting.site_resumed";
}

impl Event for SiteMoved {
    const TYPE: &'static str = "hosting.site_moved";
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn request(id: u128) -> Request {
        Request { operation: OperationId::from_ulid(id), by: Some(UserId::from_ulid(9)), now: NOW }
    }

    fn ask(label: &str, plan: &Entitlements, sites: u64) -> Result<Granted, Refusal> {
        let (site, org) = (SiteId::from_ulid(1), OrgId::from_ulid(2));
        let asked = Asked { site, org, zone: "sites.example", request: request(3) };
        NewSite { label: label.to_owned() }.request(&asked, plan, Usage { sites, ..Usage::default() })
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
}
