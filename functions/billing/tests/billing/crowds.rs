//! Sixty-four at once: who comes first gets it, and everybody else hears so.

use std::collections::BTreeMap;

use domain::Timestamp;
use futures_util::future::join_all;
use local::Stack;
use local::harness::{Answer, Client};
use serde_json::{Value, json};

use crate::buyers::{CHECKOUT, HOSTING, LAUNCH, MASTERCARD, buyer, card, pay_with};
use crate::{audit, items, told, verified_for};

const CROWD: usize = 64;

/// How often each status and code was answered.
fn answers(all: &[Answer]) -> BTreeMap<(u16, String), usize> {
    let mut counts = BTreeMap::new();
    for answer in all {
        *counts.entry((answer.status, answer.code())).or_insert(0) += 1;
    }
    counts
}

/// Of a crowd in one organisation, who may ask twenty times a minute, so many were sent away.
fn sent_away(stack: &Stack, begun: Timestamp, counts: &BTreeMap<(u16, String), usize>) {
    // One more may each three seconds.
    let more = usize::try_from(stack.now().since(begun).as_secs() / 3).unwrap();
    let away = of(counts, 429);
    assert!(
        ((CROWD - 20).saturating_sub(more)..=CROWD - 20).contains(&away),
        "{away} in {more} times three seconds: {counts:?}"
    );
}

fn of(counts: &BTreeMap<(u16, String), usize>, status: u16) -> usize {
    counts.iter().filter(|((was, _), _)| *was == status).map(|(_, count)| count).sum()
}

#[tokio::test]
async fn a_checkout_that_a_crowd_wants_is_opened_once_and_paid_once() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let begun = stack.now();
    // People of one organisation, each at a desk of their own.
    let all = join_all((0..CROWD).map(|number| {
        let address = std::net::Ipv4Addr::new(203, 0, 113, u8::try_from(number).unwrap());
        let desk = anna.clone().at(address.into());
        async move { desk.post(CHECKOUT, json!({ "price": LAUNCH })).await }
    }))
    .await;
    let counts = answers(&all);
    let opened: Vec<Value> = all.iter().filter(|answer| answer.status == 201).map(Answer::json).collect();
    assert!(!opened.is_empty() && opened.iter().all(|one| *one == opened[0]), "{counts:?}");
    assert_eq!(
        of(&counts, 201) + of(&counts, 409) + of(&counts, 429) + of(&counts, 503),
        CROWD,
        "{counts:?}"
    );
    sent_away(&stack, begun, &counts);
    for answer in all.iter().filter(|answer| [429, 503].contains(&answer.status)) {
        assert!(answer.header("retry-after").parse::<u64>().is_ok(), "{}", answer.text());
    }
    assert_eq!(stack.stripe().objects("customer").len(), 1);
    assert_eq!(stack.stripe().objects("checkout.session").len(), 1);

    let session = opened[0]["id"].as_str().unwrap();
    let paid = (0..CROWD).filter(|_| stack.stripe().pay_checkout(session, &card(MASTERCARD)).is_ok()).count();
    assert_eq!(paid, 1);
    stack.settle().await;
    assert_eq!(items(&stack, &anna, "subscription").len(), 1);
    assert_eq!(told(&stack, &anna, "billing.subscription_activated"), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_trial_that_a_crowd_starts_is_started_once() {
    let stack = Stack::start().await;
    let anna = verified_for(&stack, "anna@example.com", "launch").await;
    let begun = stack.now();
    let all = join_all((0..CROWD).map(|_| anna.post_empty("/v1/trials/hosting"))).await;
    let counts = answers(&all);
    assert_eq!(of(&counts, 201), 1, "{counts:?}");
    assert_eq!(of(&counts, 409) + of(&counts, 429), CROWD - 1, "{counts:?}");
    sent_away(&stack, begun, &counts);
    stack.settle().await;
    assert_eq!(items(&stack, &anna, "trial").len(), 1);
    assert_eq!(told(&stack, &anna, "billing.trial_started"), 1);
    audit::check(&stack).await;
}

/// Colleagues of one company and owners of one mailbox, each with an organisation of their own.
#[tokio::test]
async fn a_company_of_sixty_four_tries_once() {
    let stack = Stack::start().await;
    let mut people = Vec::new();
    for number in 0..CROWD {
        people.push(verified_for(&stack, &format!("person{number}@northwind.io"), "launch").await);
    }
    let all = join_all(people.iter().map(|person| person.post_empty("/v1/trials/hosting"))).await;
    let expected = [((201, String::new()), 1), ((409, "trial_used".to_owned()), CROWD - 1)];
    assert_eq!(answers(&all), expected.into());
    stack.settle().await;
    assert_eq!(stack.table("billing").of_kind("trial").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn the_last_sites_of_a_plan_go_to_as_many_as_it_holds() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let plans = stack.client().get("/v1/plans?product=hosting").await.ok();
    let plans = plans["products"][0]["plans"].as_array().unwrap();
    let launch = plans.iter().find(|plan| plan["name"] == "launch").unwrap();
    let holds = usize::try_from(launch["limits"]["sites"].as_u64().unwrap()).unwrap();
    let wish = |number: usize| json!({"label": format!("shop-{number}")});
    let all = join_all((0..CROWD).map(|number| anna.post("/v1/hosting/sites", wish(number)))).await;
    let counts = answers(&all);
    assert_eq!(of(&counts, 202), holds, "{counts:?}");
    assert_eq!(
        of(&counts, 402) + of(&counts, 409) + of(&counts, 429) + of(&counts, 503),
        CROWD - holds,
        "{counts:?}"
    );
    stack.settle().await;
    assert_eq!(stack.table("hosting").of_kind("site").len(), holds);
    assert_eq!(items(&stack, &anna, "site_count").len(), holds, "and as many are counted");
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_end_that_a_crowd_wants_is_told_once() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    pay_with(&stack, &anna, MASTERCARD).await;
    let path = format!("{HOSTING}?when=now");
    let all = join_all((0..CROWD).map(|_| anna.delete(&path))).await;
    let counts = answers(&all);
    // Ended twice it is ended; who cannot store that for all the others tries again.
    assert_eq!(of(&counts, 200) + of(&counts, 409) + of(&counts, 429), CROWD, "{counts:?}");
    assert!(of(&counts, 200) >= 1, "{counts:?}");
    stack.settle().await;
    assert_eq!(told(&stack, &anna, "billing.subscription_canceled"), 1);
    audit::check(&stack).await;
}

/// Somebody who has not bought, what they ask for to subscribe with their card, and no word of Stripe's for now.
async fn with_saved_card(stack: &Stack) -> (Client, Value) {
    let anna = stack.verified("anna@example.com").await;
    let address = json!({"line1": "1 Main St", "postal_code": "94103", "country": "US"});
    anna.put("/v1/billing/account", json!({ "address": address })).await.expect(200);
    let saved = pay_with(stack, &anna, MASTERCARD).await;
    stack.stripe().webhooks().hold();
    (anna, json!({ "price": LAUNCH, "payment_method": saved }))
}

#[tokio::test]
async fn a_page_that_is_opened_while_a_saved_card_subscribes_is_closed() {
    let stack = Stack::start().await;
    let (anna, wanted) = with_saved_card(&stack).await;
    let made = stack.faults().on("create_subscription", "stripe", "POST /v1/subscriptions").hold();
    let subscribe = anna.post("/v1/billing/subscriptions", wanted);
    let (begun, page) = tokio::join!(subscribe, async {
        made.reached().await;
        let page = anna.post(CHECKOUT, json!({ "price": LAUNCH })).await;
        made.let_go();
        page
    });
    assert_eq!(begun.expect(201)["status"], "active");
    let session = page.expect(201)["id"].as_str().unwrap().to_owned();
    assert!(stack.stripe().pay_checkout(&session, &card(MASTERCARD)).is_err(), "nobody pays twice");
    stack.stripe().webhooks().release();
    stack.settle().await;
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "active");
    assert_eq!(stack.stripe().objects("subscription").len(), 1);
    assert_eq!(stack.stripe().objects("refund"), Vec::<Value>::new());
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_page_that_comes_after_what_a_saved_card_subscribed_is_refused() {
    let stack = Stack::start().await;
    let (anna, wanted) = with_saved_card(&stack).await;
    let faults = stack.faults();
    let made = faults.on("create_subscription", "stripe", "POST /v1/subscriptions").hold();
    let opened = faults.on("create_checkout", "stripe", "POST /v1/checkout/sessions").hold();
    let page = async {
        made.reached().await;
        anna.post(CHECKOUT, json!({ "price": LAUNCH })).await
    };
    let begun = async {
        let begun = anna.post("/v1/billing/subscriptions", wanted).await;
        opened.let_go();
        begun
    };
    let ((), begun, page) = tokio::join!(
        async {
            opened.reached().await;
            made.let_go();
        },
        begun,
        page
    );
    assert_eq!(begun.expect(201)["status"], "active");
    assert_eq!((page.status, page.code().as_str()), (409, "already_subscribed"));
    assert_eq!(stack.stripe().objects("checkout.session")[0]["status"], "expired");
    stack.stripe().webhooks().release();
    stack.settle().await;
    assert_eq!(stack.stripe().objects("subscription").len(), 1);
    audit::check(&stack).await;
}
