//! What becomes of trials, in every order of happenings.

use proptest::prelude::*;

use super::*;
use crate::billing::BillingEvent;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn start() -> StartTrial {
    StartTrial { org: OrgId::from_ulid(1), product: Product::Hosting, by: None, subscribed: false }
}

fn trial() -> Trial {
    Trial::start(&start(), None, NOW).expect("the first one").next
}

fn day(days: u32) -> Timestamp {
    NOW + DAY.saturating_mul(days)
}

fn step(trial: &Trial, trigger: TrialTrigger, now: Timestamp) -> Transition<Trial> {
    trial.step(&trigger, now).expect("no refusal")
}

fn name(step: &Transition<Trial>) -> Option<&'static str> {
    step.event.as_ref().map(BillingEvent::name)
}

/// What a sweep does that comes by at a moment: steps until nothing is due.
fn sweep(trial: &mut Trial, now: Timestamp) -> Vec<&'static str> {
    let mut told = Vec::new();
    loop {
        let moved = step(trial, TrialTrigger::Due, now);
        if !moved.changes(trial) {
            return told;
        }
        told.extend(name(&moved));
        *trial = moved.next;
    }
}

fn paid() -> TrialTrigger {
    TrialTrigger::Paid { plan: "launch".to_owned() }
}

fn extend(days: u32) -> TrialTrigger {
    TrialTrigger::Extend { days, by: None }
}

fn refused(trial: &Trial, trigger: &TrialTrigger, now: Timestamp) -> Option<&'static str> {
    trial.step(trigger, now).err().map(|refusal| refusal.code)
}

/// T1.
#[test]
fn a_trial_lasts_fourteen_days_and_there_is_one() {
    let trial = trial();
    assert_eq!((trial.state, trial.ends_at, trial.grace_ends_at), (TrialState::Active, day(14), day(17)));
    let again = |existing: Option<&Trial>, wanted: &StartTrial| {
        Trial::start(wanted, existing, NOW).err().map(|refusal| refusal.code)
    };
    assert_eq!(again(Some(&trial), &start()), Some("trial_used"));
    let over = Trial { state: TrialState::Purged, ..trial };
    assert_eq!(again(Some(&over), &start()), Some("trial_used"), "once is once");
    assert_eq!(again(None, &StartTrial { subscribed: true, ..start() }), Some("subscribed"));
    assert_eq!(again(None, &StartTrial { product: Product::Costs, ..start() }), Some("no_trial"));
}

/// T2, T4.
#[test]
fn a_life_without_payment_tells_each_step_once_though_the_sweep_runs_all_the_time() {
    let mut trial = trial();
    let mut told = Vec::new();
    for hour in 0..=24 * 60 {
        let now = NOW + Duration::from_secs(hour * 3_600);
        for event in sweep(&mut trial, now) {
            told.push((hour / 24, event));
        }
    }
    assert_eq!(
        told,
        [
            (7, "billing.trial_notice_due"),
            (11, "billing.trial_notice_due"),
            (13, "billing.trial_notice_due"),
            (14, "billing.trial_grace_begun"),
            (17, "billing.trial_expired"),
            (47, "billing.trial_purged"),
        ]
    );
}

#[test]
fn a_notice_says_how_many_days_are_left_and_overtakes_the_ones_before() {
    let days = |step: &Transition<Trial>| match &step.event {
        Some(BillingEvent::TrialNoticeDue(event)) => Some(event.days_left),
        _ => None,
    };
    let early = step(&trial(), TrialTrigger::Due, day(7));
    assert_eq!((days(&early), early.next.next_at), (Some(7), Some(day(11))));
    let late = step(&trial(), TrialTrigger::Due, day(12));
    assert_eq!((days(&late), late.next.next_at), (Some(2), Some(day(13))), "not seven and then three");
}

/// E17: whoever is faster, the payer has a paid plan and never loses the data.
#[test]
fn e17_a_payment_at_the_very_end_converts() {
    for moment in [day(14) - SECOND, day(14), day(14) + SECOND, day(17) - SECOND, day(17), day(17) + SECOND] {
        for swept_first in [true, false] {
            let mut trial = trial();
            if swept_first {
                sweep(&mut trial, moment);
            }
            let converted = step(&trial, paid(), moment);
            assert_eq!(name(&converted), Some("billing.trial_converted"));
            assert_eq!((converted.next.state, converted.next.next_at), (TrialState::Converted, None));
            let mut after = converted.next;
            assert!(sweep(&mut after, day(400)).is_empty(), "nothing expires or purges it");
            assert!(!step(&after, paid(), moment).changes(&after), "and it is told once");
        }
    }
}

/// E18.
#[test]
fn e18_after_days_without_sweep_the_steps_come_in_order_with_a_day_of_grace() {
    for (back_after, grace_ends) in
        [(13, day(17)), (15, day(17)), (16, day(17)), (18, day(19)), (40, day(41))]
    {
        let mut trial = trial();
        let told = sweep(&mut trial, day(back_after));
        if back_after < 14 {
            assert_eq!(told, ["billing.trial_notice_due"]);
            continue;
        }
        assert_eq!(told, ["billing.trial_grace_begun"], "one step, no stale notices");
        assert_eq!(trial.grace_ends_at, grace_ends, "back after {back_after} days");
        assert!(trial.grace_ends_at.since(day(back_after)) >= LEAST_GRACE);
        assert_eq!(sweep(&mut trial, grace_ends), ["billing.trial_expired"]);
    }
}

/// E19.
#[test]
fn e19_a_sweep_twice_or_with_an_older_time_changes_nothing() {
    let mut trial = trial();
    sweep(&mut trial, day(14));
    let at_grace = trial.clone();
    for moment in [day(14), day(7), day(0), day(17) - SECOND] {
        assert!(sweep(&mut trial, moment).is_empty());
        assert_eq!(trial, at_grace);
    }
}

/// E20.
#[test]
fn e20_staff_extend_once_also_out_of_the_grace() {
    let mut late = trial();
    sweep(&mut late, day(15));
    assert_eq!(late.state, TrialState::Grace);
    let extended = step(&late, extend(7), day(15));
    assert_eq!(name(&extended), Some("billing.trial_extended"));
    let mut extended = extended.next;
    assert_eq!(
        (extended.state, extended.ends_at, extended.grace_ends_at),
        (TrialState::Active, day(22), day(25))
    );
    assert_eq!(refused(&extended, &extend(1), day(16)), Some("already_extended"));
    assert_eq!(sweep(&mut extended, day(21)), ["billing.trial_notice_due"]);
    assert_eq!(sweep(&mut extended, day(22)), ["billing.trial_grace_begun"]);

    let early = step(&trial(), extend(14), day(2)).next;
    assert_eq!((early.ends_at, early.next_at), (day(28), Some(day(21))));
    for days in [0, 15, u32::MAX] {
        assert_eq!(refused(&trial(), &extend(days), NOW), Some("invalid"), "{days}");
    }
}

/// E21.
#[test]
fn e21_a_debit_on_its_way_keeps_the_door_open_and_its_failure_leaves_a_day() {
    let mut trial = step(&trial(), TrialTrigger::CheckoutUnpaid, day(12)).next;
    assert_eq!((trial.state, trial.next_at), (TrialState::Converting, Some(day(26))));
    assert!(sweep(&mut trial, day(20)).is_empty());
    assert_eq!(trial.access(day(20)), Access::Full);
    let failed = step(&trial, TrialTrigger::PaymentFailed, day(21));
    assert_eq!(name(&failed), Some("billing.trial_grace_begun"));
    let mut failed = failed.next;
    assert_eq!((failed.state, failed.grace_ends_at), (TrialState::Grace, day(22)));
    assert_eq!(sweep(&mut failed, day(22)), ["billing.trial_expired"]);
}

#[test]
fn a_second_failed_debit_gets_no_second_day_and_silence_is_failure() {
    let converting = |trial: &Trial, at| step(trial, TrialTrigger::CheckoutUnpaid, at).next;
    let mut once = converting(&trial(), day(12));
    assert_eq!(sweep(&mut once, day(26)), ["billing.trial_grace_begun"], "fourteen days of silence");
    assert_eq!(once.grace_ends_at, day(27));
    let twice = converting(&once, day(26));
    let failed = step(&twice, TrialTrigger::PaymentFailed, day(30));
    assert_eq!(name(&failed), Some("billing.trial_expired"));
    let within = step(&twice, TrialTrigger::PaymentFailed, day(26));
    assert_eq!((within.next.state, within.next.grace_ends_at), (TrialState::Grace, day(27)));
}

#[test]
fn a_debit_that_fails_while_the_trial_runs_lets_it_run() {
    let converting = step(&trial(), TrialTrigger::CheckoutUnpaid, day(1)).next;
    let failed = step(&converting, TrialTrigger::PaymentFailed, day(6));
    assert_eq!((name(&failed), failed.next.state), (Some("billing.trial_resumed"), TrialState::Active));
    assert_eq!((failed.next.ends_at, failed.next.next_at), (day(14), Some(day(7))));
}

/// E24, and the reason why a purge waits for money on its way.
#[test]
fn e24_a_late_payment_finds_the_data() {
    let mut expired = trial();
    sweep(&mut expired, day(14));
    sweep(&mut expired, day(17));
    let waiting = step(&expired, TrialTrigger::CheckoutUnpaid, day(46)).next;
    assert_eq!((waiting.state, waiting.next_at), (TrialState::Expired, Some(day(60))));
    let converted = step(&waiting, paid(), day(50));
    let late = matches!(&converted.event, Some(BillingEvent::TrialConverted(event)) if event.late);
    assert!(late, "hosting resumes what it kept");
}

#[test]
fn an_owner_ends_a_trial_once() {
    let cancel = TrialTrigger::Cancel { by: None };
    let canceled = step(&trial(), cancel.clone(), day(3));
    assert_eq!(name(&canceled), Some("billing.trial_canceled"));
    let canceled = canceled.next;
    assert_eq!((canceled.state, canceled.next_at), (TrialState::Canceled, Some(day(33))));
    assert!(!step(&canceled, cancel.clone(), day(4)).changes(&canceled));
    assert_eq!(refused(&canceled, &extend(3), day(4)), Some("trial_not_running"));
    let mut purged = canceled.clone();
    assert_eq!(sweep(&mut purged, day(33)), ["billing.trial_purged"]);
    assert_eq!(refused(&purged, &cancel, day(34)), Some("trial_not_running"));
    assert_eq!(step(&canceled, paid(), day(5)).next.state, TrialState::Converted, "money wins");
}

#[test]
fn the_door_follows_the_clock_and_not_the_sweep() {
    let trial = trial();
    assert_eq!(trial.access(day(14) - SECOND), Access::Full);
    assert_eq!(trial.access(day(14)), Access::ReadOnly, "no sweep has come by yet");
    assert_eq!(
        (trial.days_left(NOW), trial.days_left(day(14) - SECOND), trial.days_left(day(20))),
        (14, 1, 0)
    );
}

fn trigger() -> impl Strategy<Value = TrialTrigger> {
    prop_oneof![
        6 => Just(TrialTrigger::Due),
        1 => Just(TrialTrigger::CheckoutUnpaid),
        1 => Just(TrialTrigger::PaymentFailed),
        1 => Just(paid()),
        1 => (0..16_u32).prop_map(extend),
        1 => Just(TrialTrigger::Cancel { by: None }),
    ]
}

/// How far along a life is; time alone never leads back.
fn progress(trial: &Trial) -> (u8, usize) {
    let rank = match trial.state {
        TrialState::Active => 0,
        TrialState::Converting => 1,
        TrialState::Grace => 2,
        TrialState::Expired | TrialState::Canceled => 3,
        TrialState::Converted | TrialState::Purged => 4,
    };
    (rank, trial.notices.len())
}

proptest! {
    /// Every trigger in every state has an answer; machines hear no refusal; ends are ends; what a timer moved has
    /// moved on, so that the condition on state and `next_at` lets nothing happen twice.
    #[test]
    fn no_order_of_happenings_leads_astray(
        happenings in prop::collection::vec((trigger(), 0..60_i64, -2..3_i64), 0..60),
    ) {
        let mut trial = trial();
        for (trigger, days, hours) in happenings {
            let now = Timestamp::from_secs(NOW.as_secs() + days * 86_400 + hours * 3_600);
            let by_people = matches!(trigger, TrialTrigger::Extend { .. } | TrialTrigger::Cancel { .. });
            let Ok(moved) = trial.step(&trigger, now) else {
                prop_assert!(by_people, "{trigger:?} is refused");
                continue;
            };
            let next = moved.next.clone();
            match trial.state {
                TrialState::Converted | TrialState::Purged => prop_assert!(!moved.changes(&trial)),
                TrialState::Expired => prop_assert!(matches!(
                    next.state, TrialState::Expired | TrialState::Converted | TrialState::Purged)),
                TrialState::Canceled => prop_assert!(matches!(
                    next.state, TrialState::Canceled | TrialState::Converted | TrialState::Purged)),
                _ => {}
            }
            let at_rest = matches!(next.state, TrialState::Converted | TrialState::Purged);
            prop_assert_eq!(next.next_at.is_none(), at_rest);
            prop_assert!(next.ends_at >= trial.ends_at && next.grace_ends_at >= trial.grace_ends_at.min(next.ends_at));
            prop_assert_eq!(next.converting_until.is_some(), next.state == TrialState::Converting);
            if next.state != trial.state {
                prop_assert!(moved.event.is_some(), "a change of state is told");
            }
            if trigger == TrialTrigger::Due {
                if trial.next_at.is_none_or(|next_at| now < next_at) {
                    prop_assert!(!moved.changes(&trial), "before its time");
                } else {
                    prop_assert!(moved.event.is_some(), "what is due is told");
                    let resumed = trial.state == TrialState::Converting;
                    prop_assert!(resumed || progress(&next) > progress(&trial));
                    prop_assert!(next.next_at.is_none_or(|after| Some(after) > trial.next_at));
                }
            }
            if trigger == TrialTrigger::PaymentFailed || trigger == TrialTrigger::CheckoutUnpaid {
                let again = next.step(&trigger, now).expect("machines hear no refusal");
                let purge_put_off = matches!(next.state, TrialState::Expired | TrialState::Canceled);
                prop_assert!(!again.changes(&next) || purge_put_off, "told twice is told once");
            }
            trial = next;
        }
    }

    /// Two sweeps at one moment are one sweep, whatever came before.
    #[test]
    fn sweeping_is_idempotent(days in prop::collection::vec(0..60_u32, 1..30)) {
        let mut trial = trial();
        for days in days {
            sweep(&mut trial, day(days));
            let after = trial.clone();
            prop_assert!(sweep(&mut trial, day(days)).is_empty());
            prop_assert_eq!(&trial, &after);
        }
    }

    /// However the sweep comes by, nobody is full a moment longer, and the notice of the end leaves a day at least.
    #[test]
    fn lateness_gives_no_free_time_and_takes_none(sweeps in prop::collection::btree_set(0..1_500_u32, 1..60)) {
        let mut trial = trial();
        let mut told_at = None;
        for hours in sweeps {
            let now = NOW + Duration::from_secs(u64::from(hours) * 3_600);
            for event in sweep(&mut trial, now) {
                match event {
                    "billing.trial_grace_begun" => told_at = Some(now),
                    "billing.trial_expired" => prop_assert!(
                        told_at.is_some_and(|told_at| now.since(told_at) >= LEAST_GRACE)),
                    _ => {}
                }
            }
            if now >= day(14) {
                prop_assert_ne!(trial.access(now), Access::Full);
            }
        }
    }
}
