//! Plans that hold less than what is in use are not changed to.

use std::time::Duration;

use local::Stack;
use serde_json::{Value, json};

use crate::buyers::{GROWTH, HOSTING, LAUNCH, buyer, quoted, take};
use crate::{audit, refused};

#[tokio::test]
async fn e28_a_plan_that_holds_less_than_is_used_is_refused_with_what_exceeds_it() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", GROWTH).await;
    let launch = stack.client().get("/v1/plans?product=hosting").await.ok();
    let plans = launch["products"][0]["plans"].as_array().unwrap();
    let holds =
        plans.iter().find(|plan| plan["name"] == "launch").unwrap()["limits"]["sites"].as_u64().unwrap();
    for number in 0..=holds {
        let body = json!({"label": format!("shop-{number}")});
        anna.post("/v1/hosting/sites", body).await.expect(202);
    }
    stack.settle().await;
    let wanted = json!({"price": LAUNCH, "quantity": 1});
    let answer = anna.post(&format!("{HOSTING}/preview"), wanted.clone()).await.expect(409);
    insta::assert_json_snapshot!(answer, {".request_id" => "[id]"}, @r#"
    {
      "code": "over_limit",
      "detail": "More is in use than the plan launch holds: sites.",
      "exceeding": [
        {
          "allowed": 3,
          "limit": "sites",
          "used": 4
        }
      ],
      "plan": "launch",
      "request_id": "[id]",
      "status": 409,
      "title": "Conflict",
      "type": "urn:tenantry:problem:over_limit"
    }
    "#);

    assert_eq!(anna.get(HOSTING).await.ok().get("pending"), None, "and nothing has changed");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_site_that_was_never_built_is_not_in_use() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", GROWTH).await;
    let mut last = Value::Null;
    for number in 0..4 {
        last = anna.post("/v1/hosting/sites", json!({"label": format!("shop-{number}")})).await.expect(202);
    }
    stack.settle().await;
    let wanted = json!({"price": LAUNCH, "quantity": 1});
    let preview = format!("{HOSTING}/preview");
    assert_eq!(refused(anna.post(&preview, wanted)).await, (409, "over_limit".to_owned()));
    let operation = last["id"].as_str().unwrap();
    anna.post_empty(&format!("/v1/hosting/operations/{operation}/cancel")).await.expect(202);
    let site = format!("/v1/hosting/sites/{}", last["site"].as_str().unwrap());
    let taken_back = async || anna.get(&site).await.ok()["state"] == "rolled_back";
    stack.run_until("it is taken back", Duration::from_secs(600), taken_back).await;
    let quote = quoted(&anna, LAUNCH, 1).await;
    assert_eq!(take(&anna, &quote).await.ok()["pending"]["price"], LAUNCH);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e28_what_fits_is_changed_to() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", GROWTH).await;
    anna.post("/v1/hosting/sites", json!({"label": "shop"})).await.expect(202);
    stack.settle().await;
    let quote = quoted(&anna, LAUNCH, 1).await;
    assert_eq!(take(&anna, &quote).await.ok()["pending"]["price"], LAUNCH);
    let preview = format!("{HOSTING}/preview");
    let unknown = anna.post(&preview, json!({"price": "hosting_moon_month_usd", "quantity": 1}));
    assert_eq!(refused(unknown).await.0, 422);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e28_a_quote_that_fitted_is_looked_at_again_when_it_is_taken() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", GROWTH).await;
    let quote = quoted(&anna, LAUNCH, 1).await;
    for number in 0..6 {
        let body = json!({"label": format!("shop-{number}")});
        anna.post("/v1/hosting/sites", body).await.expect(202);
    }
    stack.settle().await;
    assert_eq!(refused(take(&anna, &quote)).await, (409, "over_limit".to_owned()));
    assert!(anna.get(HOSTING).await.ok()["pending"].is_null());
    audit::check(&stack).await;
}
