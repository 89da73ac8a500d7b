//! Ids of another organisation: every endpoint that takes one answers as if there were no such thing, and nothing happens.

use std::collections::BTreeSet;

use http::Method;
use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{
    CHECKOUT, COSTS, GROWTH, HOSTING, LAUNCH, METHODS, NEVER_PAYS, bill_by_hand, buyer, open, pay_with,
    quoted,
};
use crate::{audit, items};

/// The parts of billing's paths that are no ids of an organisation's things: every organisation has these.
const EVERYBODYS: [&str; 4] = ["product", "type", "meter", "category"];

/// What billing's table holds of somebody.
fn all_of(stack: &Stack, person: &Client) -> Vec<Value> {
    let pk = format!("ORG#{}", person.org());
    stack.table("billing").items().into_iter().filter(|item| item["pk"] == pk.as_str()).collect()
}

/// Calls of Stripe's that were made for endpoints, and not for a worker.
fn asked_of_stripe(stack: &Stack) -> usize {
    let calls = stack.stripe().calls();
    calls
        .iter()
        .filter(|call| !["project_stripe", "catch_up_events"].contains(&call.function.as_str()))
        .count()
}

/// Every path of billing's that takes an id of an organisation's thing, as the API's description has them.
fn described() -> BTreeSet<String> {
    let openapi: Value = serde_json::from_str(include_str!("../../../../openapi.json")).unwrap();
    let mut found = BTreeSet::new();
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        let ours = ["/v1/billing/", "/v1/usage", "/v1/trial"].iter().any(|start| path.starts_with(start));
        let takes = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        if !ours || takes.filter(|name| !EVERYBODYS.contains(name)).count() == 0 {
            continue;
        }
        for method in ["get", "put", "post", "patch", "delete"] {
            if methods.get(method).is_some() {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

#[tokio::test]
async fn e67_what_is_anothers_is_not_there() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    pay_with(&stack, &anna, "5555555555554444").await;
    let boris = buyer(&stack, "boris@example.org", LAUNCH).await;
    let method = pay_with(&stack, &boris, NEVER_PAYS).await;
    let invoice = bill_by_hand(&stack, &boris, 4_200);
    let checkout = open(&boris, COSTS).await;
    stack.settle().await;
    // A quote of one who can take it.
    let carla = buyer(&stack, "carla@example.net", LAUNCH).await;
    let quote = quoted(&carla, GROWTH, 1).await;

    // By the path, as the description has it: what to put for the id, and what to say.
    let end = json!({"exp_month": 12, "exp_year": 2040});
    let asked = [
        ("GET", format!("{CHECKOUT}/{{checkout}}"), checkout.as_str(), None),
        ("DELETE", format!("{CHECKOUT}/{{checkout}}"), checkout.as_str(), None),
        ("GET", "/v1/billing/invoices/{invoice}".to_owned(), invoice.as_str(), None),
        ("POST", "/v1/billing/invoices/{invoice}/pay".to_owned(), invoice.as_str(), None),
        ("PATCH", format!("{METHODS}/{{method}}"), method.as_str(), Some(end)),
        ("DELETE", format!("{METHODS}/{{method}}"), method.as_str(), None),
        ("PUT", format!("{METHODS}/{{method}}/default"), method.as_str(), Some(json!({}))),
        ("GET", "/v1/trial-status/{org}".to_owned(), boris.org(), None),
    ];
    let covered: BTreeSet<String> = asked.iter().map(|(verb, path, ..)| format!("{verb} {path}")).collect();
    // Use is voided by staff alone, whom no organisation bounds.
    let staffs = "POST /v1/usage/{id}/void".to_owned();
    assert_eq!(described().into_iter().filter(|path| *path != staffs).collect::<BTreeSet<_>>(), covered);

    let before = [&anna, &boris, &carla].map(|person| all_of(&stack, person));
    let calls = asked_of_stripe(&stack);
    for (verb, path, id, body) in asked {
        let name = path.split(['{', '}']).nth(1).unwrap();
        let path = path.replace(&format!("{{{name}}}"), id);
        let verb: Method = verb.parse().unwrap();
        let answer = anna.send(verb.clone(), &path, body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{verb} {path}: {}",
            answer.text()
        );
        // As if it had never been.
        let nothing = answer.text().replace(answer.json()["request_id"].as_str().unwrap(), "");
        assert!(!nothing.contains(id), "{nothing}");
    }
    // Ids that stand in a body.
    let with = json!({"price": COSTS, "payment_method": method});
    assert_eq!(anna.post("/v1/billing/subscriptions", with).await.status, 404);
    let taking = json!({"quote": quote["id"], "signature": quote["signature"]});
    assert_eq!(anna.patch(HOSTING, taking).await.status, 404);

    assert_eq!(asked_of_stripe(&stack), calls, "Stripe was not asked");
    stack.settle().await;
    for (person, before) in [&anna, &boris, &carla].into_iter().zip(before) {
        assert_eq!(all_of(&stack, person), before, "nothing was written");
    }
    assert_eq!(items(&stack, &boris, "subscription")[0]["status"], "past_due");
    audit::check(&stack).await;
}
