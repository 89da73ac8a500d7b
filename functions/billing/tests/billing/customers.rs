//! What Stripe knows of an organisation: its customer, its name and its address.

use local::Stack;
use local::aws::faults::When;
use serde_json::json;

use crate::{after, audit, back};

#[tokio::test]
async fn an_address_reaches_stripe_whenever_its_maker_dies() {
    for nth in 1.. {
        let stack = Stack::start().await;
        let anna = stack.verified("anna@example.com").await;
        anna.post("/v1/billing/checkout", json!({"price": "costs_pro_month_usd"})).await.expect(201);
        let when = if nth % 2 == 0 { When::Before } else { When::After };
        stack.faults().kill("update_account", nth, when);
        let update = json!({"name": "Northwind", "address": {"line1": "1 Main St", "postal_code": "94103", "country": "US"}});
        anna.put("/v1/billing/account", update).await;
        let is_over = stack.faults().kills_left() > 0;
        stack.faults().clear();
        after(&stack, 180).await;
        stack.settle().await;
        let here = anna.get("/v1/billing/account").await.ok();
        let there = &stack.stripe().objects("customer")[0];
        if here["name"] == "Northwind" {
            assert_eq!(
                (&there["name"], &there["address"]["line1"]),
                (&json!("Northwind"), &json!("1 Main St")),
                "call {nth}"
            );
        } else {
            assert_ne!(there["name"], "Northwind", "call {nth}");
        }
        audit::check(&stack).await;
        if is_over {
            break;
        }
    }
}

#[tokio::test]
async fn of_two_addresses_the_newer_one_stays_however_they_reach_stripe() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    anna.post("/v1/billing/checkout", json!({"price": "costs_pro_month_usd"})).await.expect(201);
    let called = |name: &str| json!({"name": name, "address": {"line1": "1 Main St", "postal_code": "94103", "country": "US"}});
    let slow = stack.faults().on("update_account", "stripe", "POST /v1/customers/{id}").hold();
    let (first, ()) = tokio::join!(anna.put("/v1/billing/account", called("Northwind")), async {
        slow.reached().await;
        anna.put("/v1/billing/account", called("Southwind")).await.expect(200);
        // The first one was on its way longer.
        let path = format!("/v1/customers/{}", stack.stripe().objects("customer")[0]["id"].as_str().unwrap());
        crate::buyers::at_stripe(&stack, &path, "name=Northwind");
        slow.let_go();
    });
    assert_eq!(first.status, 200, "{}", first.text());
    after(&stack, 180).await;
    assert_eq!(stack.stripe().objects("customer")[0]["name"], "Southwind");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_customer_that_is_deleted_at_stripe_is_made_anew() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    anna.post("/v1/billing/checkout", json!({"price": "costs_pro_month_usd"})).await.expect(201);
    let customer = stack.stripe().objects("customer")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/customers/{customer}");
    let (status, gone) = stack.stripe().request(&http::Method::DELETE, &path, "");
    assert_eq!(status, 200, "{gone}");
    stack.settle().await;
    after(&stack, 2 * 3_600).await;
    let anna = back(&stack, &anna).await;
    anna.post("/v1/billing/checkout", json!({"price": "costs_pro_month_usd"})).await.expect(201);
    let customers = stack.table("billing").of_kind("account");
    let own = customers.iter().find(|account| account["pk"] == format!("ORG#{}", anna.org())).unwrap();
    assert_ne!(own["stripe_customer"], customer.as_str());
    audit::check(&stack).await;
}
