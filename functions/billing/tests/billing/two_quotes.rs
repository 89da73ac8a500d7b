//! Two quotes of one state of a subscription: whichever is taken first is made, and the other one is not.

use futures_util::future::join;
use local::Stack;
use local::aws::faults::When;
use local::harness::{Answer, Client};
use serde_json::{Value, json};

use crate::buyers::{
    GROWTH, HOSTING, LAUNCH, MASTERCARD, METHODS, add_card, buyer, quoted, subscription, take,
};
use crate::{after, audit, back, items, refused, told};

const SCALE: &str = "hosting_scale_month_usd";

fn changes(stack: &Stack, person: &Client) -> Vec<Value> {
    let all = items(stack, person, "invoice");
    all.into_iter().filter(|invoice| invoice["reason"] == "subscription_update").collect()
}

/// One of two changes was made, and it is the one that was said to be.
async fn one_was_made(stack: &Stack, anna: &Client, answers: [(&str, Answer); 2]) {
    let statuses = [answers[0].1.status, answers[1].1.status];
    assert!([[200, 409], [409, 200]].contains(&statuses), "{}\n{}", answers[0].1.text(), answers[1].1.text());
    stack.settle().await;
    let (plan, _) = answers.iter().find(|(_, answer)| answer.status == 200).unwrap();
    assert_eq!(items(stack, anna, "subscription")[0]["plan"], *plan);
    let changes = changes(stack, anna);
    assert_eq!((changes.len(), &changes[0]["status"]), (1, &json!("paid")), "one change is paid");
    assert_eq!(told(stack, anna, "billing.subscription_changed"), 1);
    audit::check(stack).await;
}

#[tokio::test]
async fn e26_of_two_quotes_taken_at_once_one_is_made() {
    for _ in 0..4 {
        let stack = Stack::start().await;
        let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
        let (growth, scale) = (quoted(&anna, GROWTH, 1).await, quoted(&anna, SCALE, 1).await);
        assert_eq!(growth["subscription_version"], scale["subscription_version"]);
        let (one, other) = join(take(&anna, &growth), take(&anna, &scale)).await;
        one_was_made(&stack, &anna, [("growth", one), ("scale", other)]).await;
    }
}

#[tokio::test]
async fn e26_while_one_change_is_under_way_another_is_refused() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let (growth, scale) = (quoted(&anna, GROWTH, 1).await, quoted(&anna, SCALE, 1).await);
    // Stripe has made the change, and nobody has heard of it.
    let slow = stack.faults().on("change_subscription", "stripe", "POST /v1/subscriptions/{id}").hold();
    let (one, other) = join(take(&anna, &growth), async {
        slow.reached().await;
        let other = take(&anna, &scale).await;
        slow.let_go();
        other
    })
    .await;
    assert_eq!((one.status, other.status), (200, 409), "{}\n{}", one.text(), other.text());
    one_was_made(&stack, &anna, [("growth", one), ("scale", other)]).await;
}

#[tokio::test]
async fn e26_an_end_and_a_change_at_once_leave_one_state() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let growth = quoted(&anna, GROWTH, 1).await;
    let (changed, ended) = join(take(&anna, &growth), anna.delete(HOSTING)).await;
    let both = [changed.status, ended.status];
    assert!([[200, 200], [200, 409], [409, 200]].contains(&both), "{}\n{}", changed.text(), ended.text());
    stack.settle().await;
    let kept = &items(&stack, &anna, "subscription")[0];
    let there = stack.stripe().get(&subscription(&stack, &anna)).unwrap();
    assert_eq!(kept["cancel_at_period_end"], there["cancel_at_period_end"]);
    assert_eq!(kept["plan"], if changed.status == 200 { "growth" } else { "launch" });
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_change_without_an_answer_is_made_before_anything_else_is_decided() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let growth = quoted(&anna, GROWTH, 1).await;
    let called = stack.faults().on("change_subscription", "stripe", "POST /v1/subscriptions/{id}");
    called.always().fail(500, "api_error");
    assert_eq!(take(&anna, &growth).await.status, 503);
    stack.faults().clear();
    let pending = (409, "change_pending".to_owned());
    let wanted = json!({"price": SCALE, "quantity": 1});
    assert_eq!(refused(anna.post(&format!("{HOSTING}/preview"), wanted)).await, pending);
    assert_eq!(refused(anna.delete(HOSTING)).await, pending);
    assert_eq!(refused(anna.post_empty(&format!("{HOSTING}/pause"))).await, pending);
    after(&stack, 180).await;
    assert_eq!(items(&stack, &anna, "subscription")[0]["plan"], "growth");
    let anna = back(&stack, &anna).await;
    let scale = quoted(&anna, SCALE, 1).await;
    take(&anna, &scale).await.expect(200);
    stack.settle().await;
    assert_eq!(changes(&stack, &anna).len(), 2, "each is paid once");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_change_that_stripe_refuses_leaves_room_for_another() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let growth = quoted(&anna, GROWTH, 1).await;
    let called = stack.faults().on("change_subscription", "stripe", "POST /v1/subscriptions/{id}");
    called.always().fail(400, "parameter_invalid");
    assert!(take(&anna, &growth).await.status >= 400);
    stack.faults().clear();
    let again = quoted(&anna, GROWTH, 1).await;
    take(&anna, &again).await.expect(200);
    audit::check(&stack).await;
}

/// A downgrade takes two calls of Stripe: whoever dies between them leaves nothing half made.
#[tokio::test]
async fn change_subscription_dies_at_every_call_of_a_downgrade() {
    for when in [When::Before, When::After] {
        let stack = Stack::start().await;
        let mut anna = buyer(&stack, "anna@example.com", GROWTH).await;
        let mut deaths = 0;
        for nth in 1.. {
            anna = back(&stack, &anna).await;
            let quote = quoted(&anna, LAUNCH, 1).await;
            stack.faults().kill("change_subscription", nth, when);
            take(&anna, &quote).await;
            let is_over = stack.faults().kills_left() > 0;
            stack.faults().clear();
            // Longer than a call of Stripe's waits whose maker died.
            for _ in 0..3 {
                after(&stack, 180).await;
            }
            stack.settle().await;
            let pending = |stack: &Stack| items(stack, &anna, "subscription")[0]["pending"].clone();
            if pending(&stack).is_null() {
                assert!(!is_over, "it was said to be made");
                let quote = quoted(&anna, LAUNCH, 1).await;
                take(&anna, &quote).await.expect(200);
            }
            assert_eq!(pending(&stack)["price"], LAUNCH, "call {nth}");
            let schedules = stack.stripe().objects("subscription_schedule");
            let active =
                schedules.iter().filter(|schedule| schedule["status"] == "active").collect::<Vec<_>>();
            assert_eq!(active.len(), 1, "call {nth}");
            assert_eq!(active[0]["phases"].as_array().unwrap().len(), 2, "call {nth}");
            audit::check(&stack).await;
            anna = back(&stack, &anna).await;
            let resumed = anna.post_empty(&format!("{HOSTING}/resume")).await.ok();
            assert!(resumed["pending"].is_null(), "call {nth}: {resumed}");
            stack.settle().await;
            if is_over {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 10, "it died {deaths} times");
    }
}

#[tokio::test]
async fn what_renewals_are_paid_with_stays_while_something_renews() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let visa = anna.get(METHODS).await.ok()["items"][0]["id"].as_str().unwrap().to_owned();
    anna.put(&format!("{METHODS}/{visa}/default"), json!({})).await.expect(200);
    let other = add_card(&stack, &anna, MASTERCARD).await;
    // Another one is there, which pays for nothing.
    assert_eq!(anna.delete(&format!("{METHODS}/{visa}")).await.status, 409);
    anna.put(&format!("{METHODS}/{other}/default"), json!({})).await.expect(200);
    assert_eq!(anna.delete(&format!("{METHODS}/{visa}")).await.status, 200);
    audit::check(&stack).await;
}
