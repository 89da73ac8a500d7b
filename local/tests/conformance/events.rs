//! EventBridge: patterns, delivery into queues, and what it refuses.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Target};
use serde_json::{Map, Value, json};

use crate::served::{Served, code};

const PATTERN: &str = r#"{"source":["tenantry.hosting"],"detail-type":[{"prefix":"hosting.site_"}],"detail":{"n":[{"numeric":[">",5]}]}}"#;

fn open_policy(arn: &str) -> Value {
    json!({"Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }]})
}

/// A bus whose rule delivers to the queue `q`.
async fn start() -> (Served, Client) {
    let served = Served::still().await;
    let client = Client::new(&served.config());
    let sqs = served.cloud.sqs();
    sqs.create_queue("q", &Map::new()).unwrap();
    sqs.set_policy("q", &open_policy(&sqs.arn("q"))).unwrap();
    let arn = served.cloud.events().create_bus("tenantry").await.unwrap();
    assert_eq!(arn, "arn:aws:events:eu-west-1:000000000000:event-bus/tenantry");
    client.put_rule().name("r").event_bus_name("tenantry").event_pattern(PATTERN).send().await.unwrap();
    let target = Target::builder().id("1").arn(sqs.arn("q")).build().unwrap();
    let put = client.put_targets().rule("r").event_bus_name("tenantry").targets(target).send().await.unwrap();
    assert_eq!(put.failed_entry_count(), 0);
    (served, client)
}

fn entry(source: &str, kind: &str, detail: Value) -> PutEventsRequestEntry {
    let entry = PutEventsRequestEntry::builder().event_bus_name("tenantry").source(source).detail_type(kind);
    entry.detail(detail.to_string()).build()
}

fn bodies(served: &Served) -> Vec<Value> {
    let messages = served.cloud.sqs().peek("q").unwrap();
    messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
}

#[tokio::test]
async fn what_matches_is_in_the_queue_when_put_events_answers() {
    let (served, client) = start().await;
    served.advance(86_400);
    let entries = [
        entry("tenantry.hosting", "hosting.site_requested", json!({"n": 7})),
        entry("tenantry.hosting", "hosting.site_requested", json!({"n": 3})),
        entry("tenantry.other", "hosting.site_requested", json!({"n": 9})),
        entry("tenantry.hosting", "hosting.host_lost", json!({"n": 9})),
    ];
    let put = client.put_events().set_entries(Some(entries.to_vec())).send().await.unwrap();
    assert_eq!((put.failed_entry_count(), put.entries().len()), (0, 4));
    let delivered = bodies(&served);
    assert_eq!(delivered.len(), 1);
    let event = &delivered[0];
    assert_eq!((&event["detail-type"], &event["detail"]["n"]), (&json!("hosting.site_requested"), &json!(7)));
    assert_eq!((&event["version"], &event["account"]), (&json!("0"), &json!("000000000000")));
    assert!(event.get("event-bus-name").is_none());
    let today = served.clock.now().to_string();
    let time = event["time"].as_str().unwrap();
    assert!(time.starts_with(&today[..13]) && time.len() == 20, "{time} is not about {today}");
}

#[tokio::test]
async fn a_queue_that_does_not_let_events_in_gets_none() {
    let (served, client) = start().await;
    let sqs = served.cloud.sqs();
    sqs.set_policy("q", &json!({"Statement": []})).unwrap();
    let put =
        client.put_events().entries(entry("tenantry.hosting", "hosting.site_requested", json!({"n": 7})));
    assert_eq!(put.send().await.unwrap().failed_entry_count(), 0);
    assert!(bodies(&served).is_empty());
    let lost = served.cloud.events().undelivered();
    assert!(lost[0].reason.contains("policy of the queue q"), "{lost:?}");
    assert!(served.cloud.events().check_target(&sqs.arn("q")).is_err());
}

#[tokio::test]
async fn bad_entries_and_unknown_buses_are_refused() {
    let (_served, client) = start().await;
    let fine = entry("a", "b", json!({}));
    let many = client.put_events().set_entries(Some(vec![fine.clone(); 11])).send().await;
    assert_eq!(code(many), "ValidationException");
    let large = entry("a", "b", json!({"text": "x".repeat(256 * 1_024)}));
    assert_eq!(code(client.put_events().entries(large).send().await), "ValidationException");
    let mut elsewhere = PutEventsRequestEntry::builder().event_bus_name("none").source("a").detail_type("b");
    elsewhere = elsewhere.detail("{}");
    let elsewhere = client.put_events().entries(elsewhere.build()).send().await;
    assert_eq!(code(elsewhere), "ResourceNotFoundException");
    let entries = [entry("a", "b", json!(["no object"])), fine];
    let mixed = client.put_events().set_entries(Some(entries.to_vec())).send().await.unwrap();
    assert_eq!(mixed.failed_entry_count(), 1);
    assert_eq!(mixed.entries()[0].error_code(), Some("MalformedDetail"));
    let broken =
        client.put_rule().name("x").event_bus_name("tenantry").event_pattern("{\"source\": 5}").send().await;
    assert_eq!(code(broken), "InvalidEventPatternException");
}

#[tokio::test]
async fn patterns_can_be_tried_and_rules_listed() {
    let (_served, client) = start().await;
    let event = r#"{"id":"1","account":"1","source":"a","time":"2026-01-01T00:00:00Z","region":"r","resources":[],"detail-type":"x","detail":{}}"#;
    let tried =
        client.test_event_pattern().event_pattern(r#"{"source":["a"]}"#).event(event).send().await.unwrap();
    assert!(tried.result());
    let listed = client.list_rules().event_bus_name("tenantry").send().await.unwrap();
    assert_eq!(listed.rules().len(), 1);
    client.describe_event_bus().name("tenantry").send().await.unwrap();
    assert_eq!(code(client.describe_event_bus().name("none").send().await), "ResourceNotFoundException");
}

#[tokio::test]
async fn many_relays_at_once_lose_nothing() {
    let (served, client) = start().await;
    let putting = (0..40).map(|_| {
        let entries = vec![entry("tenantry.hosting", "hosting.site_requested", json!({"n": 7})); 10];
        client.put_events().set_entries(Some(entries)).send()
    });
    let mut accepted = 0;
    for put in futures_util::future::join_all(putting).await {
        accepted += 10 - usize::try_from(put.unwrap().failed_entry_count()).unwrap();
    }
    assert_eq!(bodies(&served).len(), accepted);
}
