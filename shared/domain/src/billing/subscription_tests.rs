//! What looks at Stripe make of a subscription, in every order of events.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const MONTH: i64 = 30 * 86_400;
const LAUNCH: &str = "hosting_launch_month_usd";
const GROWTH: &str = "hosting_growth_month_usd";

/// A paid subscription of this price, as Stripe has it.
pub(in crate::billing) fn active(stripe_id: &str, price: &str) -> Observed {
    let known = catalog().price(price);
    Observed {
        stripe_id: stripe_id.to_owned(),
        status: SubscriptionStatus::Active,
        price: price.to_owned(),
        quantity: 1,
        items: vec![SubscriptionItem {
            id: "si_1".to_owned(),
            price: format!("price_{price}"),
            lookup_key: Some(price.to_owned()),
            quantity: Some(1),
        }],
        currency: known.map_or(Currency::USD, |price| price.price.currency),
        interval: known.map_or(Interval::Month, |price| price.price.interval),
        started_at: NOW,
        period_start: NOW,
        period_end: Timestamp::from_secs(NOW.as_secs() + MONTH),
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        pending: None,
        schedule: None,
        latest_invoice: Some("in_1".to_owned()),
        paid_at: Some(NOW),
        default_payment_method: None,
    }
}

/// The mirror of what Stripe has.
pub(in crate::billing) fn subscription(product: Product, observed: Observed) -> Subscription {
    project(None, product, observed).next
}

fn project(previous: Option<&Subscription>, product: Product, observed: Observed) -> Projection {
    Subscription::project(previous, OrgId::from_ulid(1), product, observed).expect("no second one")
}

fn look(previous: Option<&Subscription>, observed: Observed) -> (Subscription, Option<&'static str>) {
    let Projection { next, event, .. } = project(previous, Product::Hosting, observed);
    (next, event.map(|event| event.name()))
}

fn unpaid() -> Observed {
    Observed { status: SubscriptionStatus::Incomplete, paid_at: None, ..active("sub_1", LAUNCH) }
}

fn canceled() -> Observed {
    Observed { status: SubscriptionStatus::Canceled, ended_at: Some(NOW), ..active("sub_1", LAUNCH) }
}

#[test]
fn a_subscription_counts_from_its_first_payment() {
    let (incomplete, event) = look(None, unpaid());
    assert_eq!((incomplete.first_paid_at, event), (None, None));
    let waiting = Observed { status: SubscriptionStatus::Active, ..unpaid() };
    let (waiting, event) = look(Some(&incomplete), waiting);
    assert_eq!(
        (waiting.first_paid_at, event),
        (None, Some("billing.subscription_changed")),
        "a debit on its way"
    );
    let (paid, event) = look(Some(&waiting), active("sub_1", LAUNCH));
    assert_eq!((paid.first_paid_at, event), (Some(NOW), Some("billing.subscription_activated")));
    assert_eq!(look(Some(&paid), active("sub_1", LAUNCH)).1, None, "the same look twice");
}

#[test]
fn each_difference_is_told_by_its_weightiest_event() {
    let paid = subscription(Product::Hosting, active("sub_1", LAUNCH));
    let told = |observed: Observed| look(Some(&paid), observed).1;
    let base = || active("sub_1", LAUNCH);
    for observed in [
        active("sub_1", GROWTH),
        active("sub_1", "hosting_launch_year_usd"),
        Observed { quantity: 3, ..base() },
        Observed { cancel_at_period_end: true, ..base() },
        Observed { status: SubscriptionStatus::Paused, ..base() },
        Observed { status: SubscriptionStatus::Other("asleep".to_owned()), ..base() },
    ] {
        assert_eq!(told(observed.clone()), Some("billing.subscription_changed"), "{observed:?}");
    }
    let past_due = Observed { status: SubscriptionStatus::PastDue, paid_at: None, ..base() };
    assert_eq!(told(past_due.clone()), Some("billing.subscription_past_due"));
    assert_eq!(told(canceled()), Some("billing.subscription_canceled"));
    let (owing, _) = look(Some(&paid), past_due.clone());
    assert_eq!(owing.first_paid_at, Some(NOW), "what was paid once was paid");
    let given_up = Observed { status: SubscriptionStatus::Unpaid, ..past_due };
    assert_eq!(look(Some(&owing), given_up).1, Some("billing.subscription_changed"));
}

#[test]
fn a_change_names_both_plans() {
    let paid = subscription(Product::Hosting, active("sub_1", LAUNCH));
    let Some(BillingEvent::SubscriptionChanged(event)) =
        project(Some(&paid), Product::Hosting, active("sub_1", GROWTH)).event
    else {
        panic!("a change")
    };
    assert_eq!((event.previous_plan.as_str(), event.plan.as_str()), ("launch", "growth"));
    assert!(event.changes.contains(&SubscriptionChange::Plan));
}

/// E3.
#[test]
fn e3_a_second_one_beside_a_living_one_is_refused() {
    let first = subscription(Product::Hosting, active("sub_1", LAUNCH));
    let second = Subscription::project(Some(&first), first.org, first.product, active("sub_2", GROWTH));
    assert_eq!(second.map_err(|no| no.code), Err("second_subscription"));
}

/// E5.
#[test]
fn e5_what_is_first_seen_when_it_is_over_is_over() {
    let (over, event) = look(None, canceled());
    assert_eq!((over.is_live(), event), (false, Some("billing.subscription_canceled")));
    let (still, event) = look(Some(&over), active("sub_1", LAUNCH));
    assert_eq!((still, event), (over, None), "a stale answer brings nothing back");
}

#[test]
fn a_new_one_after_the_end_is_the_next_generation() {
    let over = subscription(Product::Hosting, canceled());
    let later =
        Observed { started_at: Timestamp::from_secs(NOW.as_secs() + MONTH), ..active("sub_2", GROWTH) };
    let Projection { next, closed, event } = project(Some(&over), Product::Hosting, later);
    assert_eq!((next.generation, closed.as_ref()), (2, Some(&over)));
    let previous = match event {
        Some(BillingEvent::SubscriptionActivated(event)) => event.previous_plan,
        other => panic!("{other:?}"),
    };
    assert_eq!(previous.as_deref(), Some("launch"));
    let over_again =
        subscription(Product::Hosting, Observed { status: SubscriptionStatus::Canceled, ..next.observed });
    let late = project(Some(&over_again), Product::Hosting, canceled());
    assert_eq!((late.next, late.event), (over_again, None), "an old one's late event");
}

#[test]
fn an_unheard_of_price_keeps_the_plan() {
    let paid = subscription(Product::Hosting, active("sub_1", LAUNCH));
    let (odd, _) = look(Some(&paid), active("sub_1", "hosting_gift"));
    assert_eq!(odd.plan, "launch");
    assert_eq!(odd.plan_item().map(|item| item.id.as_str()), Some("si_1"));
    let foreign = subscription(Product::Hosting, active("sub_1", "costs_pro_month_usd"));
    assert_eq!(foreign.plan, "", "another product's price holds nothing here");
}

#[test]
fn it_is_stored_flat_and_read_back() {
    let pending = Pending::Payment { price: GROWTH.to_owned(), quantity: 1, valid_until: NOW };
    let status = SubscriptionStatus::Other("asleep".to_owned());
    let observed = Observed { pending: Some(pending), status, ..active("sub_1", LAUNCH) };
    let kept = subscription(Product::Hosting, observed);
    let json = serde_json::to_value(&kept).expect("JSON");
    assert_eq!((&json["status"], &json["stripe_id"]), (&"asleep".into(), &"sub_1".into()));
    assert_eq!(serde_json::from_value::<Subscription>(json).ok(), Some(kept));
}

/// The year of a subscription, as Stripe has it after each event.
fn year() -> Vec<Observed> {
    let mut year = vec![unpaid()];
    let mut now = active("sub_1", LAUNCH);
    for month in 0..12 {
        let start = NOW.as_secs() + month * MONTH;
        now.period_start = Timestamp::from_secs(start);
        now.period_end = Timestamp::from_secs(start + MONTH);
        now.latest_invoice = Some(format!("in_{month}"));
        match month {
            3 => year.push(Observed { status: SubscriptionStatus::PastDue, paid_at: None, ..now.clone() }),
            5 => now = Observed { price: GROWTH.to_owned(), ..now },
            8 => year.push(Observed { status: SubscriptionStatus::Paused, ..now.clone() }),
            10 => now.cancel_at_period_end = true,
            _ => {}
        }
        year.push(now.clone());
    }
    year.push(Observed { status: SubscriptionStatus::Canceled, ended_at: Some(now.period_end), ..now });
    year
}

fn status() -> impl Strategy<Value = SubscriptionStatus> {
    use SubscriptionStatus::{
        Active, Canceled, Incomplete, IncompleteExpired, Other, PastDue, Paused, Trialing, Unpaid,
    };
    prop::sample::select(vec![
        Incomplete,
        IncompleteExpired,
        Trialing,
        Active,
        PastDue,
        Unpaid,
        Paused,
        Canceled,
        Other("new".to_owned()),
    ])
}

proptest! {
    /// E6: events are hints. Each makes a worker fetch what Stripe has by then, so 500 events, shuffled and doubled,
    /// that are worked off over the year end as one look at its end does, and the end is told once.
    #[test]
    fn e6_shuffled_and_doubled_events_end_as_in_order(looks in prop::collection::vec(0..14_usize, 1..500)) {
        let year = year();
        let mut looks = looks;
        looks.iter_mut().for_each(|at| *at = (*at).min(year.len() - 1));
        // Time passes while the events are worked off, whatever their own order.
        looks.sort_unstable();
        looks.extend([year.len() - 1, year.len() - 1]);
        let mut mirror: Option<Subscription> = None;
        let mut told = Vec::new();
        for at in looks {
            let (next, event) = look(mirror.as_ref(), year[at].clone());
            told.extend(event);
            mirror = Some(next);
        }
        let mirror = mirror.expect("at least one look");
        prop_assert_eq!(&mirror.observed, &year[year.len() - 1]);
        let count = |name: &str| told.iter().filter(|told| **told == name).count();
        prop_assert_eq!(count("billing.subscription_canceled"), 1);
        prop_assert!(count("billing.subscription_activated") <= 1);
    }

    /// Any status after any other is taken but out of an end, and only a first payment makes it count.
    #[test]
    fn the_mirror_follows_stripe_to_an_end_and_no_further(
        looks in prop::collection::vec((status(), any::<bool>()), 1..40),
    ) {
        let mut mirror: Option<Subscription> = None;
        for (status, paid) in looks {
            let observed = Observed { status, paid_at: paid.then_some(NOW), ..active("sub_1", LAUNCH) };
            let (next, event) = look(mirror.as_ref(), observed.clone());
            match &mirror {
                Some(before) if !before.is_live() && !observed.status.is_final() => {
                    prop_assert_eq!((&next, event), (before, None));
                }
                _ => prop_assert_eq!(&next.observed, &observed),
            }
            if let Some(before) = &mirror {
                prop_assert!(before.first_paid_at.is_none() || next.first_paid_at == before.first_paid_at);
                prop_assert_eq!(next.generation, before.generation);
                let again = look(Some(&next), observed);
                prop_assert_eq!(again, (next.clone(), None));
            }
            mirror = Some(next);
        }
    }
}
