//! The inbox as staff keep it, and the list of events from which it is filled when no word comes.

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{LAUNCH, at_stripe, buy, calls, customer};
use crate::{after, audit, back, held, items, refused, staff, told};

const FAILED: &str = "/v1/admin/webhooks";
const REDRIVE: &str = "/v1/admin/webhooks/redrive";

fn poison(id: &str, org: &str) -> Value {
    json!({
        "id": id, "object": "event", "type": "customer.subscription.updated", "created": 1_795_232_640,
        "livemode": false, "api_version": "2026-10-28.endive", "pending_webhooks": 1, "request": null,
        "data": {"object": {
            "id": format!("sub_{id}"), "object": "subscription", "metadata": {"org": org, "product": "hosting"},
        }},
    })
}

async fn failed(staff: &Client) -> usize {
    staff.get(FAILED).await.ok()["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_could_not_be_worked_on_is_looked_into_all_at_once() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let staff = staff(&stack).await;
    stack.stripe().webhooks().hold();
    buy(&stack, &anna, LAUNCH).await;
    // The key of the API is wrong for a while.
    stack.faults().on("project_stripe", "stripe", "*").always().fail(401, "api_key_expired");
    for number in 0..3 {
        stack.stripe().webhooks().forge(poison(&format!("evt_poison_{number}"), staff.org()));
    }
    stack.stripe().webhooks().release();
    stack.settle().await;
    for _ in 0..5 {
        after(&stack, 200).await;
    }
    let dead = stack.dead_letters().len();
    assert!(dead > 3, "{dead}");
    let letters = stack.expect_dead_letters(dead).await;
    assert!(letters.iter().all(|(queue, _)| queue.ends_with("billing-inbox-dead-letters")));
    assert_eq!(items(&stack, &anna, "subscription"), Vec::<Value>::new());

    let staff = back(&stack, &staff).await;
    let anna = back(&stack, &anna).await;
    assert_eq!(failed(&staff).await, dead);
    assert_eq!(refused(anna.post_empty(REDRIVE)).await, (403, "not_staff".to_owned()));
    // The cause is not mended yet: they fail once more, and are there again.
    let driven = staff.post_empty(REDRIVE).await.expect(202);
    assert_eq!(driven["items"].as_array().unwrap().len(), dead);
    stack.settle().await;
    for _ in 0..5 {
        after(&stack, 200).await;
    }
    stack.expect_dead_letters(dead).await;
    let staff = back(&stack, &staff).await;
    assert_eq!(failed(&staff).await, dead);

    stack.faults().clear();
    // Twice, as an impatient person does it.
    staff.post_empty(REDRIVE).await.expect(202);
    staff.post_empty(REDRIVE).await.expect(202);
    stack.settle().await;
    assert_eq!(failed(&staff).await, 0);
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "launch");
    assert_eq!(told(&stack, &anna, "billing.subscription_activated"), 1);
    let none = staff.post_empty(REDRIVE).await.expect(202);
    assert_eq!(none["items"], json!([]));
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_was_missed_is_found_on_the_last_of_many_pages() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.stripe().webhooks().drop_all();
    buy(&stack, &anna, LAUNCH).await;
    // What is newest is listed first.
    let path = format!("/v1/customers/{}", customer(&stack, &anna));
    for number in 0..320 {
        at_stripe(&stack, &path, &format!("description={number}"));
    }
    after(&stack, 16 * 60).await;
    let pages = calls(&stack, "catch_up_events", "GET /v1/events");
    assert!(pages >= 4, "{pages} pages");
    let listed = stack.stripe().events();
    let taken: Vec<Value> = stack.table("billing").of_kind("stripe_event");
    assert!(listed.len() > 330 && taken.len() == listed.len(), "{} of {}", taken.len(), listed.len());
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "launch");

    // The next run has nothing new to take in.
    after(&stack, 15 * 60).await;
    assert_eq!(stack.table("billing").of_kind("stripe_event").len(), taken.len());
    assert_eq!(told(&stack, &anna, "billing.subscription_activated"), 1);
    audit::check(&stack).await;
}
