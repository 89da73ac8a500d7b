//! What is written on invoices: who buys, where, with which tax.

use local::Stack;
use local::harness::Client;
use local::stripe::PaidBy;
use serde_json::{Value, json};

use super::{heard, start};
use crate::{audit, refused};

const LAUNCH: &str = "hosting_launch_month_eur";

async fn buy(stack: &Stack, person: &Client) -> Value {
    let checkout = person.post("/v1/billing/checkout", json!({"price": LAUNCH})).await.expect(201);
    let by = PaidBy::card("4242424242424242").country("DE").postal_code("10115");
    stack.stripe().pay_checkout(checkout["id"].as_str().unwrap(), &by).unwrap();
    heard(stack).await;
    person.get("/v1/billing/invoices").await.ok()["items"][0].clone()
}

#[tokio::test]
async fn a_consumer_pays_the_tax_of_their_country() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let invoice = buy(&stack, &anna).await;
    assert_eq!((&invoice["status"], &invoice["subtotal"]["minor"]), (&json!("paid"), &json!(27_900)));
    assert_eq!((&invoice["tax"]["minor"], &invoice["total"]["minor"]), (&json!(5_301), &json!(33_201)));
    assert!(invoice["pdf_url"].is_string() && invoice["number"].is_string(), "{invoice}");
    let one = anna.get(&format!("/v1/billing/invoices/{}", invoice["id"].as_str().unwrap())).await.ok();
    assert_eq!(one, invoice);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_business_of_another_country_owes_the_tax_itself() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let address =
        json!({"line1": "Invalidenstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"});
    let update = json!({"name": "Nordwind GmbH", "address": address});
    anna.put("/v1/billing/account", update).await.expect(200);
    let path = "/v1/billing/tax-ids/eu_vat";
    assert_eq!(refused(anna.put(path, json!({"value": "nonsense"}))).await.0, 422);
    let account = anna.put(path, json!({"value": "DE 000 000 000"})).await.ok();
    assert_eq!(account["tax_ids"][0]["verification"], "verified", "{account}");
    let invoice = buy(&stack, &anna).await;
    assert_eq!((&invoice["tax"]["minor"], &invoice["total"]["minor"]), (&json!(0), &json!(27_900)));
    assert_eq!(anna.delete(path).await.ok()["tax_ids"], json!([]));
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_is_wrong_in_an_address_is_told_with_its_place() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let wrong =
        anna.put("/v1/billing/account", json!({"address": {"line1": "x", "country": "Germany"}})).await;
    assert_eq!((wrong.status, &wrong.json()["problems"][0]["pointer"]), (422, &json!("/address/country")));
    let stale = anna.with_header("if-match", "\"99\"");
    let answer = refused(stale.put("/v1/billing/account", json!({"name": "Late"}))).await;
    assert_eq!(answer, (409, "version_conflict".to_owned()));
    assert_eq!(refused(anna.post_empty("/v1/billing/portal")).await, (409, "no_customer".to_owned()));
    let member = stack.join(&anna, "member@example.com", domain::accounts::Role::Member).await;
    for path in ["/v1/billing/account", "/v1/billing/invoices", "/v1/billing/payment-methods"] {
        assert_eq!(refused(member.get(path)).await, (403, "role_too_low".to_owned()), "{path}");
    }
    audit::check(&stack).await;
}
