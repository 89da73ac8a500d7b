//! Taxes: ids that are put, replaced and found wrong later, and invoices that wait because nobody knows where the buyer is.

use local::Stack;
use local::harness::Client;
use local::stripe::PaidBy;
use serde_json::{Value, json};

use crate::buyers::{at_stripe, counted, customer, open};
use crate::{audit, back, items, refused};

const VAT: &str = "/v1/billing/tax-ids/eu_vat";
const LAUNCH: &str = "hosting_launch_month_eur";

/// A business in Berlin that has bought.
async fn business(stack: &Stack) -> Client {
    let anna = stack.verified("anna@example.com").await;
    let address =
        json!({"line1": "Invalidenstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"});
    anna.put("/v1/billing/account", json!({"name": "Nordwind GmbH", "address": address})).await.expect(200);
    anna.put(VAT, json!({"value": "DE000000000"})).await.expect(200);
    let checkout = open(&anna, LAUNCH).await;
    let by = PaidBy::card("4242424242424242").country("DE").postal_code("10115");
    stack.stripe().pay_checkout(&checkout, &by).unwrap();
    stack.settle().await;
    anna
}

async fn newest(person: &Client) -> Value {
    person.get("/v1/billing/invoices").await.ok()["items"][0].clone()
}

#[tokio::test]
async fn a_tax_id_is_put_replaced_and_refused() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let ids = |account: &Value| {
        let all = account["tax_ids"].as_array().unwrap().clone();
        all.iter().map(|id| id["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = anna.put(VAT, json!({"value": "DE 000 000 000"})).await.ok();
    assert_eq!(ids(&first), ["DE000000000"]);
    // The same again is the same one.
    let same = anna.put(VAT, json!({"value": "de000000000"})).await.ok();
    assert_eq!(same["tax_ids"], first["tax_ids"]);
    let other = anna.put(VAT, json!({"value": "FR12345678901"})).await.ok();
    assert_eq!(ids(&other), ["FR12345678901"], "it took the other's place");
    assert_eq!(stack.stripe().objects("tax_id").len(), 1);

    // What cannot be one leaves what there is.
    for (value, why) in [("FR1", "too short"), ("XX123456789", "of no country"), ("", "nothing")] {
        let answer = anna.put(VAT, json!({ "value": value })).await;
        assert_eq!(answer.status, 422, "{why}: {}", answer.text());
        assert_eq!(answer.json()["problems"][0]["pointer"], "/value", "{why}: {}", answer.text());
    }
    assert_eq!(refused(anna.put("/v1/billing/tax-ids/moon_vat", json!({"value": "M1"}))).await.0, 422);
    assert_eq!(ids(&anna.get("/v1/billing/account").await.ok()), ["FR12345678901"]);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e38_a_tax_id_that_is_found_wrong_later_brings_the_tax_back() {
    let stack = Stack::start().await;
    let anna = business(&stack).await;
    assert_eq!(newest(&anna).await["tax"]["minor"], 0, "the buyer owes the tax");
    let tax_id = stack.stripe().objects("tax_id")[0]["id"].as_str().unwrap().to_owned();
    stack.stripe().verify_tax_id(&tax_id, "unverified").unwrap();
    stack.settle().await;
    let account = anna.get("/v1/billing/account").await.ok();
    assert_eq!(account["tax_ids"][0]["verification"], "unverified", "and its people can see why");
    stack.travel(32).await;
    let anna = back(&stack, &anna).await;
    let renewal = newest(&anna).await;
    assert_eq!((&renewal["status"], &renewal["tax"]["minor"]), (&json!("paid"), &json!(5_301)), "{renewal}");
    audit::check(&stack).await;
}

#[tokio::test]
async fn e38_an_invoice_whose_place_nobody_knows_waits_and_is_not_lost() {
    let stack = Stack::start().await;
    let anna = business(&stack).await;
    let path = format!("/v1/customers/{}", customer(&stack, &anna));
    at_stripe(&stack, &path, "address=");
    stack.settle().await;
    stack.travel(32).await;
    let anna = back(&stack, &anna).await;
    let waiting = newest(&anna).await;
    assert_eq!(
        (&waiting["status"], &waiting["finalization_error"]),
        (&json!("draft"), &json!("customer_tax_location_invalid")),
        "{waiting}"
    );
    assert_eq!(items(&stack, &anna, "dunning"), Vec::<Value>::new(), "nobody is in arrears for it");

    // They say where they are, and somebody has Stripe go on.
    let address =
        json!({"line1": "Rue de Rivoli 1", "city": "Paris", "postal_code": "75001", "country": "FR"});
    anna.put("/v1/billing/account", json!({ "address": address })).await.expect(200);
    let id = waiting["id"].as_str().unwrap();
    at_stripe(&stack, &format!("/v1/invoices/{id}/pay"), "");
    stack.settle().await;
    let paid = newest(&anna).await;
    assert_eq!((&paid["id"], &paid["status"]), (&waiting["id"], &json!("paid")));
    assert_eq!(paid.get("finalization_error"), None, "{paid}");
    assert_eq!(paid["tax"]["minor"], 5_580, "at home the seller owes the tax");
    audit::check(&stack).await;
}

#[tokio::test]
async fn whoever_has_not_said_where_they_are_is_asked_to() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let path = "/v1/billing/subscriptions";
    let wish = json!({"price": "costs_pro_month_usd"});
    let answer = refused(anna.post(path, wish.clone())).await;
    assert_eq!(answer, (409, "address_missing".to_owned()));
    let address = json!({"line1": "1 Main St", "postal_code": "94103", "country": "US"});
    anna.put("/v1/billing/account", json!({ "address": address })).await.expect(200);
    assert_eq!(anna.post(path, wish).await.expect(201)["status"], "incomplete");
    assert_eq!(stack.stripe().objects("subscription").len(), 1);
    assert_eq!(counted(&stack, "create_subscription", "StripeOpsFailed"), 0, "no fault of ours");
    audit::check(&stack).await;
}
