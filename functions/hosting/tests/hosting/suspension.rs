//! Sites that are held down, by operators or because nobody pays, and come back with everything they had.

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{Asked, audit, deploy, deployed, item, refused, staff, until_operation};

async fn suspend(operator: &Client, asked: &Asked) -> Value {
    let body = json!({"reason": "The pages collect passwords of a bank."});
    operator.post(&format!("{}/suspend", asked.path()), body).await.expect(202)
}

async fn until_state(stack: &Stack, asked: &Asked, state: &str) {
    let what = format!("the site is {state}");
    let there = async || {
        let site = item(stack, "site", &asked.site);
        site["state"] == state && site["current_op"].is_null()
    };
    stack.run_until(&what, crate::PATIENCE, there).await;
}

#[tokio::test]
async fn a_site_is_held_down_by_an_operator_and_let_go() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let operator = staff(&stack).await;
    let asked = deployed(&stack, &anna, "acme").await;
    let session = json!({"kind": "session"});
    let access = format!("{}/access", asked.path());
    anna.post(&access, session.clone()).await.expect(200);

    let change = suspend(&operator, &asked).await;
    assert_eq!(change["operation"]["kind"], "suspend");
    until_operation(&stack, change["operation"]["id"].as_str().unwrap(), "succeeded").await;
    let page = stack.browse("http://acme.sites.localhost/").await;
    assert_eq!((page.status, page.header("retry-after")), (503, "3600"));
    let site = anna.get(&asked.path()).await.ok();
    assert_eq!(site["state"], "suspended");
    assert_eq!(site["held"], "The pages collect passwords of a bank.", "the customer is told why");
    assert_eq!(refused(anna.post(&access, session.clone())).await, (409, "site_not_active".to_owned()));
    let told = item(&stack, "site", &asked.site)["event"]["data"].clone();
    assert_eq!(told["reason"], "The pages collect passwords of a bank.");
    audit::check(&stack).await;

    let again = refused(operator.post(&format!("{}/suspend", asked.path()), json!({"reason": "x"}))).await;
    assert_eq!(again, (409, "already_suspended".to_owned()));
    let change = operator.post_empty(&format!("{}/resume", asked.path())).await.expect(202);
    until_operation(&stack, change["operation"]["id"].as_str().unwrap(), "succeeded").await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    anna.post(&access, session).await.expect(200);
    let again = refused(operator.post_empty(&format!("{}/resume", asked.path()))).await;
    assert_eq!(again, (409, "not_suspended".to_owned()));
    assert_eq!(item(&stack, "site", &asked.site)["event"]["type"], "hosting.site_resumed");
    audit::check(&stack).await;
}

#[tokio::test]
async fn suspension_is_for_the_platforms_staff() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let operator = staff(&stack).await;
    let asked = deployed(&stack, &anna, "acme").await;
    let path = format!("{}/suspend", asked.path());
    let body = json!({"reason": "Because."});
    assert_eq!(refused(anna.post(&path, body.clone())).await, (403, "not_staff".to_owned()));
    assert_eq!(refused(anna.post_empty(&format!("{}/resume", asked.path()))).await.0, 403);
    let unknown = "/v1/hosting/sites/site_00000000000000000000000001/suspend";
    assert_eq!(refused(operator.post(unknown, body)).await, (404, "not_found".to_owned()));
    for wrong in [json!({}), json!({"reason": " "}), json!({"reason": "x".repeat(501)})] {
        assert_eq!(operator.post(&path, wrong).await.status, 422);
    }
}

#[tokio::test]
async fn a_wish_during_an_operation_is_fulfilled_at_its_end() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let operator = staff(&stack).await;
    let asked = deployed(&stack, &anna, "acme").await;
    let renaming = anna.post(&format!("{}/rename", asked.path()), json!({"label": "shop"})).await.expect(202);
    let change = suspend(&operator, &asked).await;
    assert!(change.get("operation").is_none(), "another one is at work: {change}");
    until_operation(&stack, renaming["id"].as_str().unwrap(), "succeeded").await;
    until_state(&stack, &asked, "suspended").await;
    assert_eq!(stack.browse("http://shop.sites.localhost/").await.status, 503);

    // Held and let go at once: the site ends as the last wish says.
    operator.post_empty(&format!("{}/resume", asked.path())).await.expect(202);
    suspend(&operator, &asked).await;
    operator.post_empty(&format!("{}/resume", asked.path())).await.expect(202);
    until_state(&stack, &asked, "active").await;
    assert_eq!(stack.browse("http://shop.sites.localhost/").await.status, 200);
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_is_held_before_it_is_built_is_not_built() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let operator = staff(&stack).await;
    let asked = deploy(&anna, "acme").await;
    suspend(&operator, &asked).await;
    // The first step may have looked before the operator did; then the site is built, and held down at once.
    let held = async || {
        let site = item(&stack, "site", &asked.site);
        site["current_op"].is_null() && (site["state"] == "rolled_back" || site["state"] == "suspended")
    };
    stack.run_until("it is held down", crate::PATIENCE, held).await;
    assert_ne!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_suspended_site_can_be_deleted() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let operator = staff(&stack).await;
    let asked = deployed(&stack, &anna, "acme").await;
    suspend(&operator, &asked).await;
    until_state(&stack, &asked, "suspended").await;
    anna.delete(&asked.path()).await.expect(202);
    until_state(&stack, &asked, "retained").await;
    audit::check(&stack).await;
    let gone = refused(operator.post_empty(&format!("{}/resume", asked.path()))).await;
    assert_eq!(gone, (410, "site_gone".to_owned()));
}
