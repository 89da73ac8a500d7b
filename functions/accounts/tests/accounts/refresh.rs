//! Refresh tokens: rotation, repeats and theft.

use std::time::Duration;

use futures_util::future::join_all;
use local::Stack;
use local::aws::faults::When;
use serde_json::{Value, json};

use super::{items, me, refresh, sign_up};

const EMAIL: &str = "anna@example.com";

fn ended_for(stack: &Stack, reason: &str) -> usize {
    let sessions = items(stack, "session");
    sessions.iter().filter(|session| session["event"]["data"]["reason"] == reason).count()
}

#[tokio::test]
async fn a_token_is_replaced_and_its_repeat_gets_the_same_successor_for_thirty_seconds() {
    let stack = Stack::start().await;
    let client = stack.client();
    let first = sign_up(&stack, EMAIL).await["refresh_token"].clone();
    let second = refresh(&client, &first).await.expect(200);
    assert_ne!(second["refresh_token"], first);
    assert_eq!(me(&stack, &second["token"]).await.status, 200);

    stack.advance(Duration::from_secs(15)).await;
    let again = refresh(&client, &first).await.expect(200);
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    assert_eq!(items(&stack, "session")[0]["refresh"]["generation"], 2);

    stack.advance(Duration::from_secs(16)).await;
    let answer = refresh(&client, &first).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "session_revoked"));
    let answer = refresh(&client, &second["refresh_token"]).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "session_revoked"));
    assert_eq!(me(&stack, &second["token"]).await.status, 401, "the access token dies with its session");
    assert_eq!(ended_for(&stack, "refresh_reused"), 1);
    stack.settle().await;
}

#[tokio::test]
async fn a_used_token_is_stolen_once_its_successor_was_used_however_soon() {
    let stack = Stack::start().await;
    let client = stack.client();
    let first = sign_up(&stack, EMAIL).await["refresh_token"].clone();
    let second = refresh(&client, &first).await.expect(200)["refresh_token"].clone();
    let third = refresh(&client, &second).await.expect(200);
    stack.advance(Duration::from_secs(5)).await;
    assert_eq!(refresh(&client, &first).await.status, 401);
    assert_eq!(refresh(&client, &third["refresh_token"]).await.status, 401);
    assert_eq!(me(&stack, &third["token"]).await.status, 401);
    stack.settle().await;
}

#[tokio::test]
async fn twenty_at_once_make_one_successor() {
    let stack = Stack::start().await;
    let client = stack.client();
    let first = sign_up(&stack, EMAIL).await["refresh_token"].clone();
    let answers = join_all((0..20).map(|_| refresh(&client, &first))).await;
    let successors: Vec<Value> =
        answers.into_iter().map(|answer| answer.expect(200)["refresh_token"].clone()).collect();
    assert!(successors.iter().all(|successor| *successor == successors[0]));
    assert_eq!(items(&stack, "session")[0]["refresh"]["generation"], 2);
    stack.settle().await;
}

#[tokio::test]
async fn a_function_killed_after_its_write_loses_nobody_the_session() {
    let stack = Stack::start().await;
    let client = stack.client();
    let first = sign_up(&stack, EMAIL).await["refresh_token"].clone();
    stack.faults().on("refresh_session", "dynamodb", "PutItem").kill_at(1, When::After);
    let lost = refresh(&client, &first).await;
    assert!(lost.status >= 500, "{}", lost.status);
    assert_eq!(items(&stack, "session")[0]["refresh"]["generation"], 2, "the write was done");

    let second = refresh(&client, &first).await.expect(200);
    assert_eq!(me(&stack, &second["token"]).await.status, 200);
    assert_eq!(items(&stack, "session")[0]["refresh"]["generation"], 2, "and not done again");
    refresh(&client, &second["refresh_token"]).await.expect(200);
    stack.settle().await;
}

#[tokio::test]
async fn a_stolen_token_after_logging_out_gets_nothing_and_says_nothing() {
    let stack = Stack::start().await;
    let anna = stack.sign_up(EMAIL).await;
    let first = anna.session["refresh_token"].clone();
    let second = refresh(&stack.client(), &first).await.expect(200);
    anna.post_empty("/v1/auth/logout").await.expect(204);
    let event = items(&stack, "session")[0]["event"]["id"].clone();
    for token in [&first, &second["refresh_token"], &first] {
        let answer = refresh(&stack.client(), token).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "session_revoked"));
    }
    let session = items(&stack, "session")[0].clone();
    assert_eq!(session["event"]["id"], event, "no new event");
    assert_eq!(session["event"]["data"]["reason"], "logged_out");
    stack.settle().await;
}

#[tokio::test]
async fn a_session_ends_after_seven_idle_days() {
    let stack = Stack::start().await;
    let client = stack.client();
    let first = sign_up(&stack, EMAIL).await["refresh_token"].clone();
    stack.advance(Duration::from_secs(6 * 86_400)).await;
    let second = refresh(&client, &first).await.expect(200)["refresh_token"].clone();
    stack.advance(Duration::from_secs(7 * 86_400)).await;
    let answer = refresh(&client, &second).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "session_expired"));
    stack.settle().await;
}

#[tokio::test]
async fn invented_tokens_cost_no_read_and_end_no_session() {
    let stack = Stack::start().await;
    let client = stack.client();
    let genuine = sign_up(&stack, EMAIL).await["refresh_token"].as_str().unwrap().to_owned();
    let mut forged = genuine.clone();
    forged.replace_range(70..71, if &genuine[70..71] == "A" { "B" } else { "A" });
    for token in ["", "tnt_rt_", "null", forged.as_str(), &genuine[..genuine.len() - 1]] {
        let answer = refresh(&client, &json!(token)).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_refresh_token"), "{token}");
    }
    assert!(stack.calls_of("refresh_session").iter().all(|call| call.operation != "GetItem"));
    refresh(&client, &json!(genuine)).await.expect(200);
    stack.settle().await;
}
