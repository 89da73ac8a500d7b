//! Processes of functions: started, used again, killed; and their deliveries.

use std::time::Duration;

use local::Stack;
use local::aws::faults::When;
use serde_json::{Value, json};

async fn record(stack: &Stack, function: &str) -> Value {
    let functions = stack.client().get("/_local/functions").await.expect(200);
    let found = functions.as_array().into_iter().flatten().find(|record| record["name"] == function);
    found.cloned().unwrap_or_else(|| panic!("no function {function}"))
}

#[tokio::test]
async fn a_process_is_started_once_and_used_again() {
    let stack = Stack::start().await;
    for _ in 0..5 {
        stack.client().get("/v1/health").await.expect(200);
    }
    let health = record(&stack, "get_health").await;
    assert_eq!((&health["cold"], &health["warm"], &health["failed"]), (&json!(1), &json!(4), &json!(0)));
    assert_eq!(record(&stack, "get_version").await["cold"], 0);
}

#[tokio::test]
async fn a_killed_process_fails_one_request_alone() {
    let stack = Stack::start().await;
    stack.faults().kill("sign_up", 1, When::Before);
    let body = json!({ "email": "anna@example.com", "password": "Test123!", "first_name": "Anna" });
    let killed = stack.client().post("/v1/auth/signup", body.clone()).await;
    assert_eq!((killed.status, killed.text().as_str()), (500, r#"{"message":"Internal Server Error"}"#));
    stack.client().post("/v1/auth/signup", body).await.expect(201);
    let record = record(&stack, "sign_up").await;
    assert_eq!((&record["cold"], &record["failed"]), (&json!(2), &json!(1)));
    assert!(record["last_error"].as_str().is_some_and(|error| error.contains("signal: 9")), "{record}");
}

#[tokio::test]
async fn a_message_delivered_twice_sends_one_mail() {
    let stack = Stack::start().await;
    stack.deliver_twice("send_mail");
    stack.shuffle("route_notification");
    stack.sign_up("anna@example.com").await;
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
    let sent = record(&stack, "send_mail").await;
    assert!(sent["cold"].as_u64().unwrap_or(0) + sent["warm"].as_u64().unwrap_or(0) >= 2, "{sent}");
}

#[tokio::test]
async fn a_stream_waits_and_tries_again_until_its_function_succeeds() {
    let stack = Stack::start().await;
    // Once for the whole batch, once for the first half of it: a single record is not halved again.
    for nth in 1..=2 {
        stack.faults().on("relay_events", "events", "PutEvents").kill_at(nth, When::Before);
    }
    stack.sign_up("anna@example.com").await;
    // Quiet, although the relay has not succeeded: it waits for its next try.
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 0);
    let arrived = async || !stack.mails_to("anna@example.com").await.is_empty();
    stack.run_until("the mail", Duration::from_secs(600), arrived).await;
}
