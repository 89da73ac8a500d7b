//! Logging in.

use local::Stack;
use serde_json::{Value, json};

use super::{PASSWORD, change, items, log_in, me, sign_up};

#[tokio::test]
async fn a_right_password_starts_a_session_of_its_own() {
    let stack = Stack::start().await;
    let first = sign_up(&stack, "anna@example.com").await;
    let second = log_in(&stack, " ANNA@example.com", PASSWORD).await.expect(200);
    assert_eq!(second["user"], first["user"]);
    assert_eq!(second["organisation"], first["organisation"]);
    for entrance in [&first, &second] {
        assert_eq!(me(&stack, &entrance["token"]).await.status, 200);
    }
    let sessions = items(&stack, "session");
    assert_eq!(sessions.len(), 2);
    let events: Vec<_> = sessions.iter().filter_map(|session| session.get("event")).collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["type"], "accounts.session_started");
    assert_eq!(events[0]["data"]["known_device"], false);
    assert!(items(&stack, "attempts").is_empty(), "a right password clears the count");
    stack.settle().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_and_cost_alike() {
    let stack = Stack::start().await;
    sign_up(&stack, "anna@example.com").await;
    // The first call of a process also reads the secret.
    log_in(&stack, "warm@example.com", "wrong password").await;

    let mut seen = Vec::new();
    for email in ["anna@example.com", "nobody@example.com"] {
        let before = stack.calls_of("log_in").len();
        let answer = log_in(&stack, email, "wrong password").await;
        let calls: Vec<String> = stack.calls_of("log_in")[before..]
            .iter()
            .map(|call| format!("{} {}", call.service, call.operation))
            .collect();
        let mut body = answer.json();
        body["request_id"] = Value::Null;
        body["instance"] = Value::Null;
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        seen.push((answer.status, body, headers, calls));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0, 401);
    assert_eq!(seen[0].1["code"], "invalid_credentials");
    stack.settle().await;
}

#[tokio::test]
async fn a_password_that_nobody_can_have_is_just_a_wrong_one() {
    let stack = Stack::start().await;
    sign_up(&stack, "anna@example.com").await;
    let heavy = "x".repeat(1_025);
    for typed in ["", "short", "nul\0inside", heavy.as_str()] {
        let answer = log_in(&stack, "anna@example.com", typed).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_credentials"), "{typed}");
    }
    stack.settle().await;
}

#[tokio::test]
async fn a_suspended_person_gets_the_ordinary_no() {
    let stack = Stack::start().await;
    sign_up(&stack, "anna@example.com").await;
    change(&stack, "user", json!({"state": "suspended"})).await;
    let answer = log_in(&stack, "anna@example.com", PASSWORD).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_credentials"));
    stack.settle().await;
}
