//! Billing from outside: through the gateway, the queues and the clock, with the real functions.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod, reason = "the same tests run in other weathers too")]

mod a_year;
mod asked_by_the_bank;
mod audit;
mod buyers;
mod checkout;
mod crowds;
mod customers;
mod downgrades;
mod entitlements;
mod inbox;
mod invoicing;
mod kills;
mod ladders;
mod methods;
mod money;
mod nothing_to_pay;
mod one_event;
mod plans;
mod strangers;
mod stripe_away;
mod subscriptions;
mod taxes;
mod trials;
mod twice_bought;
mod two_quotes;
mod usage;
mod usage_caps;
mod usage_kills;
mod webhooks;

use local::Stack;
use local::harness::people::PASSWORD;
use local::harness::{Answer, Client};
use serde_json::{Value, json};

/// The same again while webhooks come twice each.
#[path = "."]
mod doubled {
    mod checkout;
    mod invoicing;
    mod money;
    mod subscriptions;
    mod twice_bought;

    use super::heard;

    async fn start() -> local::Stack {
        let stack = super::start().await;
        stack.stripe().webhooks().double();
        stack
    }
}

/// The same again while webhooks come in any order.
#[path = "."]
mod shuffled {
    mod checkout;
    mod invoicing;
    mod money;
    mod subscriptions;
    mod twice_bought;

    use super::heard;

    async fn start() -> local::Stack {
        let stack = super::start().await;
        stack.stripe().webhooks().shuffle();
        stack
    }
}

/// The same again while no webhook comes at all: what happened is found in Stripe's list.
#[path = "."]
mod dropped {
    mod checkout;
    mod invoicing;
    mod money;
    mod subscriptions;
    mod twice_bought;

    async fn start() -> local::Stack {
        let stack = super::start().await;
        stack.stripe().webhooks().drop_all();
        stack
    }

    /// Stripe's list is read at once here, and not within a quarter of an hour: sessions are no longer than that.
    async fn heard(stack: &local::Stack) {
        stack.settle().await;
        let tick = serde_json::json!({
            "version": "0", "id": "b7a1c3f2-0000-4000-8000-000000000001", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "000000000000", "time": stack.now(), "region": "eu-west-1",
            "resources": ["arn:aws:events:eu-west-1:000000000000:rule/tenantry-local-catch-up-events"], "detail": {},
        });
        stack.invoke("catch_up_events", tick).await.unwrap();
        stack.settle().await;
    }
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A stack whose webhooks come as they should.
async fn start() -> Stack {
    Stack::start().await
}

/// Until what Stripe told was taken in and worked on.
async fn heard(stack: &Stack) {
    stack.settle().await;
}

/// Somebody who signed up for that plan, with a verified address.
async fn verified_for(stack: &Stack, email: &str, plan: &str) -> Client {
    let client = stack.client();
    let body = json!({"email": email, "password": PASSWORD, "plan": plan});
    let session = client.post("/v1/auth/signup", body).await.expect(201);
    let client = client.with_session(session);
    stack.verify(&client).await;
    client
}

/// The same person, logged in again: sessions are shorter than what is lived through here.
async fn back(stack: &Stack, person: &Client) -> Client {
    let body = json!({"email": person.email(), "password": PASSWORD});
    let session = stack.client().post("/v1/auth/login", body).await.expect(200);
    stack.client().with_session(session)
}

/// A verified person of the platform's staff.
async fn staff(stack: &Stack) -> Client {
    let person = stack.verified("staff@example.org").await;
    let users = stack.table("accounts").of_kind("user");
    let mut user = users.into_iter().find(|user| user["id"] == person.user()).unwrap();
    user["operator"] = true.into();
    user.as_object_mut().unwrap().remove("event");
    stack.put_item("accounts", &user).await.unwrap();
    person
}

/// An organisation's items of a kind.
fn items(stack: &Stack, person: &Client, kind: &str) -> Vec<Value> {
    let pk = format!("ORG#{}", person.org());
    stack.table("billing").of_kind(kind).into_iter().filter(|item| item["pk"] == pk).collect()
}

/// What accounts holds that an organisation may use.
fn held(stack: &Stack, person: &Client) -> Value {
    let organisations = stack.table("accounts").of_kind("organisation");
    let found = organisations.into_iter().find(|organisation| organisation["id"] == person.org());
    found.unwrap()["entitlements"].take()
}

/// How many events of a type went onto the bus for an organisation.
fn told(stack: &Stack, person: &Client, kind: &str) -> usize {
    let puts = stack.calls_of("relay_events");
    let mut ids = std::collections::BTreeSet::new();
    for put in puts.iter().filter(|call| call.operation == "PutEvents" && call.status == 200) {
        let request: Value = serde_json::from_str(&put.request).unwrap_or_default();
        for entry in request["Entries"].as_array().into_iter().flatten() {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap_or_default()).unwrap();
            if detail["type"] == kind && detail["org"] == person.org() {
                ids.insert(detail["id"].as_str().unwrap().to_owned());
            }
        }
    }
    ids.len()
}

/// Status and code of a refusal.
async fn refused(answer: impl Future<Output = Answer>) -> (u16, String) {
    let answer = answer.await;
    (answer.status, answer.code())
}

/// Goes past midnight, UTC, if it comes within two minutes: what is counted by the day or the month begins anew then.
async fn past_midnight(stack: &Stack) {
    let left = 86_400 - stack.now().as_secs().rem_euclid(86_400);
    if left < 120 {
        after(stack, u64::try_from(left).unwrap() + 1).await;
    }
}

/// Moves the clock by so many seconds.
async fn after(stack: &Stack, seconds: u64) {
    stack.advance(std::time::Duration::from_secs(seconds)).await;
}
