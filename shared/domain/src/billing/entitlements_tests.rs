//! What follows from trial, subscription and unpaid invoices.

use std::time::Duration;

use super::super::dunning::tests::dunning;
use super::super::subscription::tests::{active, subscription};
use super::super::{DunningTrigger, Observed, StartTrial, TrialTrigger};
use super::*;
use crate::OrgId;
use crate::accounts::{Limit, Mode};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const LAUNCH: &str = "hosting_launch_month_usd";

fn day(days: u64) -> Timestamp {
    NOW + Duration::from_secs(days * 86_400)
}

fn trial() -> Trial {
    let wanted =
        StartTrial { org: OrgId::from_ulid(1), product: Product::Hosting, by: None, subscribed: false };
    Trial::start(&wanted, None, NOW).expect("the first one").next
}

fn after(trial: &Trial, trigger: TrialTrigger, now: Timestamp) -> Trial {
    trial.step(&trigger, now).expect("no refusal").next
}

fn paid(status: SubscriptionStatus) -> Subscription {
    subscription(Product::Hosting, Observed { status, ..active("sub_1", LAUNCH) })
}

fn hosting(standing: &Standing<'_>) -> Option<(String, Access)> {
    entitlement(Product::Hosting, standing).map(|one| (one.plan, one.access))
}

fn held(plan: &str, access: Access) -> Option<(String, Access)> {
    Some((plan.to_owned(), access))
}

#[test]
fn a_trial_is_full_until_its_end_by_the_readers_clock() {
    let trial = trial();
    let entitlement = entitlement(Product::Hosting, &Standing { trial: Some(&trial), ..Standing::default() })
        .expect("a trial");
    assert_eq!((entitlement.full_until, entitlement.mode), (Some(day(14)), Mode::Shared));
    assert_eq!(access_at(&entitlement, NOW), Access::Full);
    assert_eq!(access_at(&entitlement, day(14)), Access::ReadOnly);
    for moment in [NOW, day(13), day(14), day(30)] {
        assert_eq!(access_at(&entitlement, moment), trial.access(moment), "as the trial itself says");
    }
}

#[test]
fn a_trial_in_grace_shows_and_an_expired_one_shuts() {
    let grace = after(&trial(), TrialTrigger::Due, day(14));
    let of = |trial: &Trial| hosting(&Standing { trial: Some(trial), ..Standing::default() });
    assert_eq!(of(&grace), held("trial", Access::ReadOnly));
    let expired = after(&grace, TrialTrigger::Due, day(17));
    assert_eq!(of(&expired), held("trial", Access::None));
    let converting = after(&grace, TrialTrigger::CheckoutUnpaid, day(15));
    assert_eq!(of(&converting), held("trial", Access::Full));
}

/// B7, C4: a subscription whose first payment is on its way entitles to nothing yet.
#[test]
fn a_debit_on_its_way_keeps_the_trial() {
    let converting = after(&trial(), TrialTrigger::CheckoutUnpaid, day(12));
    let waiting = subscription(Product::Hosting, Observed { paid_at: None, ..active("sub_1", LAUNCH) });
    let standing = Standing { trial: Some(&converting), subscription: Some(&waiting), ..Standing::default() };
    assert_eq!(hosting(&standing), held("trial", Access::Full));
    let alone = Standing { subscription: Some(&waiting), ..Standing::default() };
    assert_eq!(hosting(&alone), None);
}

#[test]
fn what_is_paid_wins_over_the_trial() {
    let subscription = paid(SubscriptionStatus::Active);
    let grace = after(&trial(), TrialTrigger::Due, day(14));
    let standing = Standing { trial: Some(&grace), subscription: Some(&subscription), ..Standing::default() };
    let entitlement = entitlement(Product::Hosting, &standing).expect("paid");
    assert_eq!((entitlement.plan.as_str(), entitlement.access), ("launch", Access::Full));
    assert_eq!((entitlement.mode, entitlement.full_until), (Mode::Dedicated, None));
    assert_eq!(entitlement.limit_of("sites"), Limit::Count(3));
}

#[test]
fn each_status_opens_the_door_as_far_as_it_does() {
    use SubscriptionStatus::{Active, Canceled, Other, PastDue, Paused, Trialing, Unpaid};
    for (status, access) in [
        (Active, Access::Full),
        (Trialing, Access::Full),
        (PastDue, Access::Full),
        (Unpaid, Access::ReadOnly),
        (Paused, Access::None),
        (Canceled, Access::None),
        (Other("new".to_owned()), Access::Full),
    ] {
        let subscription = paid(status.clone());
        let standing = Standing { subscription: Some(&subscription), ..Standing::default() };
        assert_eq!(hosting(&standing), held("launch", access), "{status:?}");
    }
}

#[test]
fn the_worst_ladder_of_the_living_subscription_decides() {
    let subscription = paid(SubscriptionStatus::PastDue);
    let access = |ladders: &[Dunning]| {
        let standing =
            Standing { subscription: Some(&subscription), dunning: ladders, ..Standing::default() };
        hosting(&standing).map(|(_, access)| access)
    };
    let retrying = dunning("in_1");
    let restricted = retrying.step(&DunningTrigger::Due, day(7)).next;
    let suspended = restricted.step(&DunningTrigger::Due, day(14)).next;
    let settled = suspended.step(&DunningTrigger::InvoiceSettled, day(15)).next;
    assert_eq!(access(std::slice::from_ref(&retrying)), Some(Access::Full));
    assert_eq!(access(&[retrying.clone(), restricted.clone()]), Some(Access::ReadOnly));
    assert_eq!(access(&[suspended, restricted]), Some(Access::None));
    assert_eq!(access(&[settled]), Some(Access::Full));
    let of_old = Dunning {
        subscription: "sub_0".to_owned(),
        ..retrying.step(&DunningTrigger::SubscriptionEnded, day(1)).next
    };
    assert_eq!(access(&[of_old]), Some(Access::Full), "an ended subscription's debts bind no new one");
}

#[test]
fn a_product_with_a_free_plan_falls_back_to_it() {
    let costs = |subscription: Option<&Subscription>| {
        entitlement(Product::Costs, &Standing { subscription, ..Standing::default() })
            .map(|one| (one.plan, one.access))
    };
    assert_eq!(costs(None), held("free", Access::Full));
    let pro = active("sub_1", "costs_pro_month_usd");
    let live = subscription(Product::Costs, pro.clone());
    assert_eq!(costs(Some(&live)), held("pro", Access::Full));
    let over = subscription(Product::Costs, Observed { status: SubscriptionStatus::Canceled, ..pro });
    assert_eq!(costs(Some(&over)), held("free", Access::Full));
}

#[test]
fn the_version_grows_with_each_change_and_with_nothing_else() {
    let trial = trial();
    let standing = Standing { trial: Some(&trial), ..Standing::default() };
    let standings = BTreeMap::from([(Product::Hosting, standing), (Product::Costs, Standing::default())]);
    let (first, event) = recompute(&Entitlements::trial(), &standings).expect("the end of the trial is new");
    assert_eq!((first.version, event.version, &event.products), (2, 2, &first.products));
    assert_eq!(first.product("costs").map(|one| one.plan.as_str()), Some("free"));
    assert_eq!(recompute(&first, &standings), None);

    let subscription = paid(SubscriptionStatus::Active);
    let standing = Standing { trial: Some(&trial), subscription: Some(&subscription), ..Standing::default() };
    let (second, _) = recompute(&first, &BTreeMap::from([(Product::Hosting, standing)])).expect("paid");
    assert_eq!(second.version, 3);
    assert_eq!(
        second.products["costs"], first.products["costs"],
        "who is not asked about keeps what they have"
    );
}

#[test]
fn a_product_that_one_has_nothing_to_do_with_is_not_there() {
    assert_eq!(hosting(&Standing::default()), None);
    let only = Entitlements { version: 7, ..Entitlements::trial() };
    let (gone, _) =
        recompute(&only, &BTreeMap::from([(Product::Hosting, Standing::default())])).expect("gone");
    assert_eq!((gone.version, gone.products.len()), (8, 0));
}
