//! Processes that die before and after any of their calls lose no use and count none twice.

use local::Stack;
use local::aws::faults::When;
use serde_json::json;

use crate::usage::{SMS, USAGE, campaigner, everything_adds_up, items_of_use, record, records};
use crate::{HOUR, after, back, items, told};

const MOMENTS: [When; 2] = [When::Before, When::After];

#[tokio::test]
async fn record_usage_dies_at_any_call() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let cap = json!({"window": "month", "hard": true, "limit": {"minor": 800_000, "currency": "usd"}});
    anna.put(&format!("/v1/billing/caps/{SMS}"), cap).await.expect(200);
    let mut deaths = 0;
    for (moment, when) in MOMENTS.into_iter().enumerate() {
        for nth in 1.. {
            let ids = [format!("{moment}-{nth}-a"), format!("{moment}-{nth}-b")];
            let body = records(&ids.map(|id| record(&id, "1.5", stack.now())));
            stack.faults().kill("record_usage", nth, when);
            let first = anna.post(USAGE, body.clone()).await;
            let is_over = stack.faults().kills_left() > 0;
            stack.faults().clear();
            let again = anna.post(USAGE, body).await.ok();
            for result in again["results"].as_array().unwrap() {
                assert!([200, 201].contains(&result["status"].as_u64().unwrap()), "call {nth}: {again}");
            }
            if is_over {
                assert_eq!(first.status, 200);
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 10, "it died {deaths} times");
    assert_eq!(items_of_use(&stack, &anna).len(), 2 * (deaths + MOMENTS.len()));
    everything_adds_up(&stack, &anna).await;
}

#[tokio::test]
async fn seal_usage_dies_at_any_call() {
    let stack = Stack::start().await;
    let mut anna = campaigner(&stack, "anna@example.com").await;
    let mut told_so_far = 0;
    for when in MOMENTS {
        for nth in 1.. {
            anna = back(&stack, &anna).await;
            let body = records(&[record(&format!("{}-{nth}", stack.now()), "1", stack.now())]);
            anna.post(USAGE, body).await.expect(200);
            told_so_far += 1;
            stack.faults().kill("seal_usage", nth, when);
            after(&stack, 2 * HOUR).await;
            let is_over = stack.faults().kills_left() > 0;
            stack.faults().clear();
            after(&stack, HOUR).await;
            assert_eq!(told(&stack, &anna, "billing.usage_sealed"), told_so_far, "call {nth}");
            if is_over {
                break;
            }
        }
    }
    everything_adds_up(&stack, &anna).await;
    assert_eq!(stack.stripe().objects("billing.meter_event").len(), told_so_far);
}

#[tokio::test]
async fn send_meter_events_dies_at_any_call() {
    let stack = Stack::start().await;
    let mut anna = campaigner(&stack, "anna@example.com").await;
    let mut hours = 0;
    for when in MOMENTS {
        for nth in 1.. {
            anna = back(&stack, &anna).await;
            let body = records(&[record(&format!("{}-{nth}", stack.now()), "1", stack.now())]);
            anna.post(USAGE, body).await.expect(200);
            hours += 1;
            stack.faults().kill("send_meter_events", nth, when);
            after(&stack, 2 * HOUR).await;
            let is_over = stack.faults().kills_left() > 0;
            stack.faults().clear();
            after(&stack, HOUR).await;
            let parts = items(&stack, &anna, "rollup");
            assert!(parts.iter().all(|part| part["state"] == "confirmed"), "call {nth}: {parts:#?}");
            if is_over {
                break;
            }
        }
    }
    assert!(hours > 8, "it died {} times", hours - 2);
    everything_adds_up(&stack, &anna).await;
    assert_eq!(stack.stripe().objects("billing.meter_event").len(), hours);
}
