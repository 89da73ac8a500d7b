//! Lockout of those who try passwords.

use std::time::Duration;

use futures_util::future::join_all;
use local::Stack;
use serde_json::json;

use super::{PASSWORD, items, log_in, sign_up};

const EMAIL: &str = "anna@example.com";

#[tokio::test]
async fn ten_failures_shut_strangers_out_for_a_quarter_of_an_hour_but_no_known_device() {
    let stack = Stack::start().await;
    let device = sign_up(&stack, EMAIL).await["device"].clone();
    for attempt in 1..=10 {
        assert_eq!(log_in(&stack, EMAIL, "wrong password").await.status, 401, "{attempt}");
    }
    assert_eq!(log_in(&stack, EMAIL, PASSWORD).await.status, 401, "the eleventh, with the right password");
    let known = json!({"email": EMAIL, "password": PASSWORD, "device": device});
    let entrance = stack.client().post("/v1/auth/login", known).await.expect(200);
    assert_eq!(entrance["user"]["email"], EMAIL);
    let forged = json!({"email": EMAIL, "password": PASSWORD, "device": "AAAA"});
    assert_eq!(stack.client().post("/v1/auth/login", forged).await.status, 401);
    // Ten failures of one account shut nobody else out.
    sign_up(&stack, "bob@example.com").await;
    log_in(&stack, "bob@example.com", PASSWORD).await.expect(200);

    stack.settle().await;
    let pool = &items(&stack, "attempts")[0];
    let until: domain::Timestamp = pool["until"].as_str().unwrap().parse().unwrap();
    let left = until.since(stack.now());
    assert!(left > Duration::from_secs(800) && left <= Duration::from_secs(900), "{left:?}");
    stack.advance(left.saturating_sub(Duration::from_secs(120))).await;
    assert_eq!(log_in(&stack, EMAIL, PASSWORD).await.status, 401, "shut to the end");
    stack.advance(Duration::from_secs(120)).await;
    log_in(&stack, EMAIL, PASSWORD).await.expect(200);
    stack.settle().await;
}

#[tokio::test]
async fn fifty_wrong_passwords_at_once_count_fifty() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    let answers = join_all((0..50).map(|_| log_in(&stack, EMAIL, "wrong password"))).await;
    assert!(answers.iter().all(|answer| answer.status == 401));
    let pools = items(&stack, "attempts");
    assert_eq!(pools.len(), 1);
    assert_eq!(pools[0]["count"], 50);
    stack.settle().await;
}

#[tokio::test]
async fn an_unknown_address_is_counted_and_shut_like_a_known_one() {
    let stack = Stack::start().await;
    for _ in 0..11 {
        assert_eq!(log_in(&stack, "nobody@example.com", "wrong password").await.status, 401);
    }
    assert_eq!(items(&stack, "attempts")[0]["count"], 11);
}
