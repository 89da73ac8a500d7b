//! Logging out.

use std::time::Duration;

use local::Stack;
use serde_json::json;

use super::{PASSWORD, items, log_in, me};

const EMAIL: &str = "anna@example.com";

#[tokio::test]
async fn ends_this_session_at_once_and_no_other() {
    let stack = Stack::start().await;
    let anna = stack.sign_up(EMAIL).await;
    let elsewhere = log_in(&stack, EMAIL, PASSWORD).await.expect(200);
    anna.post_empty("/v1/auth/logout").await.expect(204);
    let answer = anna.get("/v1/me").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "session_revoked"));
    assert_eq!(me(&stack, &elsewhere["token"]).await.status, 200);
    stack.settle().await;
}

#[tokio::test]
async fn may_be_repeated() {
    let stack = Stack::start().await;
    let anna = stack.sign_up(EMAIL).await;
    anna.post_empty("/v1/auth/logout").await.expect(204);
    let ended = items(&stack, "session");
    anna.post_empty("/v1/auth/logout").await.expect(204);
    assert_eq!(items(&stack, "session"), ended, "the second changes nothing");
    stack.settle().await;
}

#[tokio::test]
async fn ends_the_session_though_the_access_token_has_run_out() {
    let stack = Stack::start().await;
    let anna = stack.sign_up(EMAIL).await;
    stack.advance(Duration::from_secs(3_600)).await;
    assert_eq!(anna.get("/v1/me").await.code(), "token_expired");
    anna.post_empty("/v1/auth/logout").await.expect(204);
    assert!(items(&stack, "session")[0]["revoked_at"].is_string(), "its refresh token is worth nothing now");
    stack.settle().await;
}

#[tokio::test]
async fn takes_no_invented_token() {
    let stack = Stack::start().await;
    assert_eq!(stack.client().post_empty("/v1/auth/logout").await.status, 401);
    let stranger = stack.client().with_header("authorization", "Bearer nonsense");
    assert_eq!(stranger.post_empty("/v1/auth/logout").await.status, 401);
    let anna = stack.sign_up(EMAIL).await;
    assert_eq!(anna.post("/v1/auth/logout", json!({"all": true})).await.status, 400);
    assert_eq!(anna.get("/v1/me").await.status, 200);
    stack.settle().await;
}
