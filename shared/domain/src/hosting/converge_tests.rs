//! Tests of how sites converge.

use super::*;
use crate::accounts::Entitlements;
use crate::hosting::site::{Asked, Granted};
use crate::hosting::{NewSite, OperationState, Usage};
use crate::{OperationId, OrgId, SiteId};

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn request(id: u128) -> Request {
    Request { operation: OperationId::from_ulid(id), by: Some(UserId::from_ulid(9)), now: NOW }
}

fn ask(label: &str, plan: &Entitlements, sites: u64) -> Result<Granted, Refusal> {
    let (site, org) = (SiteId::from_ulid(1), OrgId::from_ulid(2));
    let asked = Asked { site, org, zone: "sites.example", request: request(3) };
    NewSite { label: label.to_owned() }.request(&asked, plan, Usage { sites, ..Usage::default() })
}

fn requested() -> Site {
    ask("acme", &Entitlements::trial(), 0).expect("the trial holds one").site
}

fn active() -> Site {
    let granted = ask("acme", &Entitlements::trial(), 0).expect("the trial holds one");
    let site = granted.site.placed(HostId::from_ulid(7)).activated(&granted.operation, NOW).0;
    site.operation_succeeded(OperationKind::Provision, NOW)
}

fn paid(access: Access, mode: Mode) -> ProductEntitlement {
    let hosting = Entitlements::trial().products.remove("hosting").expect("the trial has it");
    ProductEntitlement { plan: "launch".to_owned(), access, mode, ..hosting }
}

#[test]
fn what_there_is_converges_to_what_there_shall_be() {
    let idle = |state, run| {
        let site = requested();
        Site { state, desired: Desired { run, ..site.desired.clone() }, current_op: None, ..site }.converge()
    };
    assert_eq!(idle(SiteState::Requested, Run::On), Some(OperationKind::Provision));
    assert_eq!(idle(SiteState::Active, Run::Deleted), Some(OperationKind::Deprovision));
    assert_eq!(idle(SiteState::Suspended, Run::Deleted), Some(OperationKind::Deprovision));
    assert_eq!(idle(SiteState::Active, Run::Suspended), Some(OperationKind::Suspend));
    assert_eq!(idle(SiteState::Suspended, Run::On), Some(OperationKind::Resume));
    assert_eq!(idle(SiteState::Suspended, Run::Suspended), None);
    for state in [SiteState::Active, SiteState::RolledBack, SiteState::Retained, SiteState::Purged] {
        assert_eq!(idle(state, Run::On), None, "{state:?}");
    }
    assert_eq!(requested().converge(), None, "an operation is at work");
}

#[test]
fn older_news_of_the_plan_is_no_news() {
    let site = active();
    let seventh = site.entitled(7, None, NOW).expect("newer");
    assert_eq!((seventh.wanted(), seventh.converge()), (Run::Suspended, Some(OperationKind::Suspend)));
    let full = paid(Access::Full, Mode::Shared);
    for version in [0, 6, 7] {
        assert_eq!(seventh.entitled(version, Some(&full), NOW), None, "{version}");
    }
    let eighth = seventh.entitled(8, Some(&full), NOW).expect("newer");
    assert_eq!((eighth.wanted(), eighth.desired.plan.as_str()), (Run::On, "launch"));
    let restricted = eighth.entitled(9, Some(&paid(Access::ReadOnly, Mode::Shared)), NOW).expect("newer");
    assert_eq!(restricted.wanted(), Run::On, "whoever is restricted is still served");
    let shut = restricted.entitled(10, Some(&paid(Access::None, Mode::Shared)), NOW).expect("newer");
    assert_eq!((shut.wanted(), shut.desired.plan.as_str()), (Run::Suspended, "launch"));
}

#[test]
fn a_plan_does_not_lift_an_operators_hand_and_the_hand_not_the_plans() {
    let by = UserId::from_ulid(1);
    let held = active().suspend(by, "phishing".to_owned(), NOW).expect("served");
    assert_eq!(held.clone().suspend(by, String::new(), NOW).map_err(|no| no.code), Err("already_suspended"));
    let paid = held.entitled(2, Some(&paid(Access::Full, Mode::Shared)), NOW).expect("newer");
    assert_eq!(paid.converge(), Some(OperationKind::Suspend));
    let unpaid = paid.entitled(3, None, NOW).expect("newer").resume().expect("held");
    assert_eq!(unpaid.converge(), Some(OperationKind::Suspend));
    assert_eq!(unpaid.resume().map_err(|no| no.code), Err("not_suspended"));
}

#[test]
fn a_wish_waits_for_the_operation_at_work() {
    let moving = active().entitled(2, Some(&paid(Access::Full, Mode::Dedicated)), NOW).expect("newer");
    let (moving, operation) = moving.next_operation(request(5));
    assert_eq!(operation.map(|(operation, _)| operation.workflow), Some(OperationKind::Migrate));
    let unpaid = moving.migrating().entitled(3, None, NOW).expect("newer");
    assert_eq!(unpaid.clone().next_operation(request(6)).1, None);
    let back = unpaid.rolled_back(OperationKind::Migrate, None);
    assert_eq!((back.state, back.converge()), (SiteState::Active, Some(OperationKind::Suspend)));
}

fn moving_again() -> Site {
    active().entitled(2, Some(&paid(Access::Full, Mode::Dedicated)), NOW).expect("newer")
}

#[test]
fn a_move_that_was_taken_back_is_not_tried_again_by_itself() {
    let moving = active().entitled(2, Some(&paid(Access::Full, Mode::Dedicated)), NOW).expect("newer");
    let back = moving.rolled_back(OperationKind::Migrate, Some("copy_slow"));
    assert_eq!(back.converge(), None);
    let held = moving_again().rolled_back(OperationKind::Migrate, Some(NOT_WANTED));
    assert_eq!(held.converge(), Some(OperationKind::Migrate), "one that a hold came before goes on after it");
    assert_eq!(back.clone().migrate().map(|site| site.converge()), Ok(Some(OperationKind::Migrate)));
    let news = back.entitled(3, Some(&paid(Access::Full, Mode::Dedicated)), NOW).expect("newer");
    assert_eq!(news.converge(), Some(OperationKind::Migrate));
    assert_eq!(active().migrate().map_err(|no| no.code), Err("plan_required"));
}

#[test]
fn a_move_changes_host_and_room_at_once() {
    let (from, to) = (HostId::from_ulid(7), HostId::from_ulid(8));
    let (site, moved) = active().migrating().placed(to).moved(Mode::Dedicated, (4, 8_192), 1_234);
    assert_eq!((site.host, site.former_host, site.target_host), (Some(to), Some(from), None));
    assert_eq!((site.state, site.units, site.mode), (SiteState::Active, 4, Mode::Dedicated));
    assert_eq!(moved.map(|moved| (moved.from, moved.to, moved.frozen_millis)), Some((from, to, 1_234)));
    assert_eq!(site.operation_succeeded(OperationKind::Migrate, NOW).former_host, None);
}

#[test]
fn what_is_kept_goes_when_its_time_is_over() {
    let kept = active().operation_succeeded(OperationKind::Deprovision, NOW);
    let at = |now| Request { now, ..request(9) };
    assert_eq!(kept.due_at(), Some(NOW + RETENTION));
    assert!(kept.clone().purge(request(9)).is_none(), "not yet");
    let (purging, (operation, _)) = kept.purge(at(NOW + RETENTION)).expect("its time is over");
    assert_eq!(operation.workflow, OperationKind::Purge);
    assert!(purging.clone().purge(at(NOW + RETENTION)).is_none(), "it is at work");
    let purged = purging.operation_succeeded(OperationKind::Purge, NOW + RETENTION);
    assert_eq!((purged.state, purged.due_at()), (SiteState::Purged, None));
}

#[test]
fn what_is_paused_is_off_and_stays_for_as_long_as_it_is() {
    let paused = ProductEntitlement { paused: true, ..paid(Access::None, Mode::Dedicated) };
    let site = active().entitled(2, Some(&paused), NOW).expect("newer");
    assert_eq!((site.desired.run, site.unpaid_since), (Run::Suspended, None));
    let down = Site { state: SiteState::Suspended, ..site };
    assert!(!down.is_abandoned(NOW + RETENTION));
}

#[test]
fn what_nobody_pays_for_goes_when_its_time_is_over() {
    let later = NOW + RETENTION;
    let at = |now| Request { now, ..request(9) };
    let unpaid = active().entitled(2, None, NOW).expect("newer");
    let unpaid = unpaid.entitled(3, Some(&paid(Access::None, Mode::Shared)), later).expect("newer");
    assert_eq!(unpaid.unpaid_since, Some(NOW), "it never was paid for in between");
    let down = Site { state: SiteState::Suspended, ..unpaid };
    assert_eq!((down.due_at(), down.is_abandoned(NOW)), (Some(later), false));
    let back = down.entitled(4, Some(&paid(Access::Full, Mode::Shared)), later).expect("newer");
    assert_eq!((back.due_at(), back.is_abandoned(later)), (None, false), "somebody paid");
    assert!(down.is_abandoned(later), "its time is over");
    assert!(
        Site { state: SiteState::Failed, ..down.clone() }.is_abandoned(later),
        "so is one that was never built"
    );
    let Deletion { site: going, operation, .. } = down.delete(None, at(later)).expect("there").expect("new");
    assert_eq!(operation.map(|(operation, _)| operation.workflow), Some(OperationKind::Deprovision));
    assert!(!going.is_abandoned(later), "it goes");
    let retained = going.operation_succeeded(OperationKind::Deprovision, later);
    assert!(retained.purge(at(later)).is_some(), "its data were kept long enough");
}

#[test]
fn a_rename_needs_a_free_hand_and_another_name() {
    let refused = |label: &str| active().rename(label, NOW).map(|_| ()).map_err(|no| no.code);
    assert_eq!(
        (refused("acme"), refused("www"), refused("a b")),
        (Err("same_label"), Err("invalid"), Err("invalid"))
    );
    let busy = Site { current_op: Some(OperationId::from_ulid(9)), ..active() };
    assert_eq!(busy.rename("shop", NOW).map(|_| ()).map_err(|no| no.code), Err("busy"));
    let (site, claim) = active().rename("shop", NOW).expect("free");
    assert_eq!((site.converge(), claim.label.as_str()), (Some(OperationKind::Rename), "shop"));
    let (renamed, event) = site.clone().renamed();
    assert_eq!(renamed.fqdn, "shop.sites.example");
    assert_eq!(renamed.former_label.as_ref().map(Label::as_str), Some("acme"));
    assert_eq!(event.map(|event| event.before).as_deref(), Some("acme.sites.example"));
    assert_eq!(renamed.operation_succeeded(OperationKind::Rename, NOW).former_label, None);
    assert_eq!(site.rolled_back(OperationKind::Rename, None), active());
}

#[test]
fn deleting_what_is_being_built_turns_it_back() {
    let granted = ask("acme", &Entitlements::trial(), 0).expect("the trial holds one");
    let deletion = granted.site.delete(Some(&granted.operation), request(4)).expect("there").expect("new");
    let (turned, _) = deletion.operation.expect("the operation turns back");
    assert_eq!(turned.state, OperationState::Compensating);
    assert_eq!(deletion.site.clone().delete(Some(&turned), request(5)), Ok(None), "asking again");
    let gone = deletion.site.rolled_back(OperationKind::Provision, None);
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
