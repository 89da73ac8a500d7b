//! Verifying an address.

use std::time::Duration;

use local::Stack;
use local::harness::Answer;
use serde_json::{Value, json};

use super::{items, me, sign_up};

const EMAIL: &str = "anna@example.com";

/// The token in the last verification link that was requested.
fn token(stack: &Stack) -> Value {
    items(stack, "verification")[0]["event"]["data"]["token"].clone()
}

async fn verify(stack: &Stack, token: &Value) -> Answer {
    stack.client().post("/v1/auth/verify-email", json!({"token": token})).await
}

async fn resend(stack: &Stack, email: &str) -> Answer {
    stack.client().post("/v1/auth/verify-email/resend", json!({"email": email})).await
}

#[tokio::test]
async fn a_link_verifies_once_and_the_next_request_knows() {
    let stack = Stack::start().await;
    let entrance = sign_up(&stack, EMAIL).await;
    let token = token(&stack);
    let verified = verify(&stack, &token).await.expect(200);
    assert_eq!(verified["email"], EMAIL);
    assert_eq!(verified["user"], entrance["user"]["id"]);
    let person = me(&stack, &entrance["token"]).await.expect(200);
    assert_eq!(person["user"]["email_verified"], true);
    assert_eq!(items(&stack, "membership")[0]["verified"], true);
    assert_eq!(items(&stack, "user")[0]["event"]["type"], "accounts.email_verified");

    let answer = verify(&stack, &token).await;
    assert_eq!((answer.status, answer.code().as_str()), (410, "link_used_or_expired"));
    let kept = serde_json::to_string(&stack.table("accounts").items()).unwrap();
    assert!(!kept.contains(token.as_str().unwrap()), "a used token is gone");
    stack.settle().await;
}

#[tokio::test]
async fn of_two_at_once_one_verifies() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    let token = token(&stack);
    let (one, other) = tokio::join!(verify(&stack, &token), verify(&stack, &token));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
    stack.settle().await;
}

#[tokio::test]
async fn a_link_dies_after_a_day() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    let token = token(&stack);
    stack.advance(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(verify(&stack, &token).await.status, 410);
    stack.settle().await;
}

#[tokio::test]
async fn a_further_link_replaces_the_last_and_works_even_when_that_is_forgotten() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    let first = token(&stack);
    resend(&stack, EMAIL).await.expect(202);
    let second = token(&stack);
    assert_ne!(first, second);
    assert_eq!(verify(&stack, &first).await.status, 410);

    stack.travel(4).await;
    assert!(items(&stack, "verification").is_empty(), "the table forgets dead links");
    resend(&stack, EMAIL).await.expect(202);
    verify(&stack, &token(&stack)).await.expect(200);
    stack.settle().await;
}

#[tokio::test]
async fn asking_for_a_link_never_tells_who_has_an_account() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    sign_up(&stack, "bob@example.com").await;
    let unknown = resend(&stack, "nobody@example.com").await;
    assert_eq!((unknown.status, unknown.json()), (202, json!({"status": "accepted"})));
    for round in 1..=4 {
        let known = resend(&stack, EMAIL).await;
        assert_eq!((known.status, known.json()), (202, unknown.json()), "{round}");
    }
    let sent: Vec<_> = items(&stack, "verification").iter().map(|item| item["sent"].clone()).collect();
    assert!(
        sent.contains(&json!(3)) && sent.contains(&json!(1)),
        "three an hour, the first included: {sent:?}"
    );
    stack.settle().await;
}

#[tokio::test]
async fn a_verified_address_is_sent_no_link() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    verify(&stack, &token(&stack)).await.expect(200);
    let before = items(&stack, "verification");
    resend(&stack, EMAIL).await.expect(202);
    assert_eq!(items(&stack, "verification"), before);
    stack.settle().await;
}

#[tokio::test]
async fn opening_a_link_changes_nothing() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    let token = token(&stack);
    let opened =
        stack.client().get(&format!("/v1/auth/verify-email?token={}", token.as_str().unwrap())).await;
    assert_eq!(opened.status, 405);
    verify(&stack, &token).await.expect(200);
    stack.settle().await;
}

#[tokio::test]
async fn invented_links_are_dead_links() {
    let stack = Stack::start().await;
    sign_up(&stack, EMAIL).await;
    let genuine = token(&stack).as_str().unwrap().to_owned();
    let other = if genuine.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{other}", &genuine[..genuine.len() - 1]);
    for wrong in ["", "x", forged.as_str(), "🦀"] {
        let answer = verify(&stack, &json!(wrong)).await;
        assert_eq!((answer.status, answer.code().as_str()), (410, "link_used_or_expired"), "{wrong}");
    }
    stack.settle().await;
}
