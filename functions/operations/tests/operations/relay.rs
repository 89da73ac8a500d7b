//! The relay: each event of each table reaches the bus, whatever happens on the way.

use std::time::Duration;

use local::Stack;
use local::aws::faults::When;
use serde_json::{Value, json};

/// An item of hosting with an event on it. Its event is of a type that nobody subscribes to.
fn item(number: usize, data: &str) -> Value {
    json!({
        "pk": format!("ITEM#{number}"), "sk": "META", "kind": "test", "v": 1,
        "event": {
            "id": format!("evt_01KAJ3YC0000000000000{number:05}"), "type": "hosting.tested", "v": 1,
            "org": "org_01KAJ3YC00000000000000ARG1", "at": "2026-11-21T03:44:00.000Z", "actor": "system:test",
            "request_id": "test", "data": {"text": data},
        },
    })
}

/// The numbers of the test's events in what the relay has put on the bus, in order, repeats included.
fn put(stack: &Stack) -> Vec<usize> {
    let mut numbers = Vec::new();
    for call in stack
        .calls_of("relay_events")
        .iter()
        .filter(|call| call.operation == "PutEvents" && call.status == 200)
    {
        let request: Value = serde_json::from_str(&call.request).unwrap();
        for entry in request["Entries"].as_array().unwrap() {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            let id = detail["id"].as_str().unwrap();
            if detail["type"] == "hosting.tested" {
                assert_eq!(entry["Source"], "tenantry.hosting");
                assert_eq!(entry["DetailType"], "hosting.tested");
                assert!(detail["data"]["text"].is_string());
                numbers.push(id[id.len() - 5..].parse().unwrap());
            }
        }
    }
    numbers
}

#[tokio::test]
async fn every_event_reaches_the_bus_in_order_and_in_batches() {
    let stack = Stack::start().await;
    for number in 0..45 {
        stack.put_item("hosting", &item(number, "x")).await.unwrap();
    }
    stack.settle().await;
    assert_eq!(put(&stack), (0..45).collect::<Vec<_>>());
    let calls = stack.calls_of("relay_events");
    assert!(calls.iter().all(|call| {
        serde_json::from_str::<Value>(&call.request).unwrap()["Entries"].as_array().unwrap().len() <= 10
    }));
}

#[tokio::test]
async fn a_write_that_keeps_its_event_is_no_new_event() {
    let stack = Stack::start().await;
    let mut item = item(1, "x");
    stack.put_item("hosting", &item).await.unwrap();
    stack.settle().await;
    item["v"] = json!(2);
    stack.put_item("hosting", &item).await.unwrap();
    stack.put_item("hosting", &json!({"pk": "ITEM#2", "sk": "META", "kind": "test", "v": 1})).await.unwrap();
    stack.settle().await;
    assert_eq!(put(&stack), [1]);
}

#[tokio::test]
async fn a_bus_that_is_down_loses_nothing() {
    let stack = Stack::start().await;
    stack.faults().on("relay_events", "events", "PutEvents").times(40).fail(500, "InternalException");
    stack.sign_up("anna@example.com").await;
    let told = async || !stack.mails_to("anna@example.com").await.is_empty();
    stack.run_until("the mail of the event leaves", Duration::from_secs(3_600), told).await;
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
}

#[tokio::test]
async fn a_relay_that_dies_after_putting_puts_again_and_nobody_notices() {
    let stack = Stack::start().await;
    stack.faults().on("relay_events", "events", "PutEvents").kill_at(1, When::After);
    stack.sign_up("anna@example.com").await;
    let told = async || !stack.mails_to("anna@example.com").await.is_empty();
    stack.run_until("the mail of the event leaves", Duration::from_secs(3_600), told).await;
    stack.advance(Duration::from_secs(600)).await;
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
}

#[tokio::test]
async fn an_event_that_the_bus_can_never_take_stops_no_other() {
    let stack = Stack::start().await;
    let broken = json!({"pk": "ITEM#3", "sk": "META", "kind": "test", "v": 1, "event": {"id": "evt_x"}});
    for item in [item(1, "x"), item(2, &"x".repeat(300_000)), broken, item(4, "x")] {
        stack.put_item("hosting", &item).await.unwrap();
    }
    stack.settle().await;
    assert_eq!(put(&stack), [1, 4]);
    let letters = stack.expect_dead_letters(2).await;
    let told: Vec<_> =
        letters.iter().map(|(queue, letter)| (queue.as_str(), &letter.attributes["reason"])).collect();
    assert!(
        told.iter().all(|(queue, _)| *queue == "tenantry-local-operations-relay-dead-letters"),
        "{told:?}"
    );
    assert!(letters.iter().any(|(_, letter)| letter.body.len() > 300_000), "the event itself is kept");
    assert!(letters.iter().any(|(_, letter)| letter.body.contains("ITEM#3")), "the item is named");
}
