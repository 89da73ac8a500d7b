//! Checkouts: opened once, paid on Stripe's page, and what they make of a trial.

use std::time::Duration;

use local::Stack;
use local::aws::faults::When;
use local::harness::Client;
use local::stripe::PaidBy;
use serde_json::{Value, json};

use super::{heard, start};
use crate::{audit, held, items, refused, staff, told};

const CHECKOUT: &str = "/v1/billing/checkout";
const LAUNCH: &str = "hosting_launch_month_usd";

fn paid() -> PaidBy {
    PaidBy::card("4242424242424242").country("DE").postal_code("10115")
}

async fn open(client: &Client, price: &str) -> Value {
    client.post(CHECKOUT, json!({ "price": price })).await.expect(201)
}

fn id(checkout: &Value) -> String {
    checkout["id"].as_str().unwrap().to_owned()
}

fn state(stack: &Stack, client: &Client, kind: &str) -> Value {
    items(stack, client, kind)[0]["state"].clone()
}

/// What is the same however a purchase came to be known.
fn outcome(stack: &Stack, client: &Client) -> Value {
    json!({
        "trial": state(stack, client, "trial"),
        "checkout": state(stack, client, "checkout"),
        "subscription": items(stack, client, "subscription")[0]["status"],
        "hosting": held(stack, client)["products"]["hosting"]["plan"],
        "access": held(stack, client)["products"]["hosting"]["access"],
    })
}

fn bought() -> Value {
    json!({
        "trial": "converted", "checkout": "done", "subscription": "active", "hosting": "launch", "access": "full",
    })
}

#[tokio::test]
async fn a_paid_checkout_converts_the_trial() {
    let stack = start().await;
    stack.deliver_twice("project_stripe");
    let anna = stack.verified("anna@example.com").await;
    let checkout = open(&anna, LAUNCH).await;
    insta::assert_json_snapshot!(checkout, {".id" => "[id]", ".url" => "[url]", ".valid_until" => "[then]"}, @r#"
    {
      "id": "[id]",
      "price": "hosting_launch_month_usd",
      "product": "hosting",
      "quantity": 1,
      "state": "open",
      "url": "[url]",
      "valid_until": "[then]"
    }
    "#);
    let path = format!("{CHECKOUT}/{}", id(&checkout));
    assert_eq!(anna.get(&path).await.ok()["state"], "open");
    stack.stripe().pay_checkout(&id(&checkout), &paid()).unwrap();
    heard(&stack).await;
    assert_eq!(outcome(&stack, &anna), bought());
    assert_eq!(anna.get(&path).await.ok()["state"], "done");
    for (kind, times) in [
        ("checkout_completed", 1),
        ("subscription_activated", 1),
        ("trial_converted", 1),
        ("subscription_canceled", 0),
    ] {
        assert_eq!(told(&stack, &anna, &format!("billing.{kind}")), times, "{kind}");
    }
    let again = refused(anna.post(CHECKOUT, json!({"price": LAUNCH}))).await;
    assert_eq!(again, (409, "already_subscribed".to_owned()));
    assert_eq!(refused(anna.post_empty("/v1/trials/hosting")).await.0, 409);
    audit::check(&stack).await;
}

#[tokio::test]
async fn the_return_page_knows_before_any_webhook() {
    let stack = start().await;
    stack.stripe().webhooks().hold();
    let anna = stack.verified("anna@example.com").await;
    let checkout = open(&anna, LAUNCH).await;
    stack.stripe().pay_checkout(&id(&checkout), &paid()).unwrap();
    assert_eq!(anna.get(&format!("{CHECKOUT}/{}", id(&checkout))).await.ok()["state"], "done");
    heard(&stack).await;
    assert_eq!(outcome(&stack, &anna), bought());
    stack.stripe().webhooks().release();
    heard(&stack).await;
    assert_eq!(outcome(&stack, &anna), bought());
    assert_eq!(told(&stack, &anna, "billing.subscription_activated"), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn one_price_is_one_session_and_another_takes_its_place() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let first = open(&anna, LAUNCH).await;
    assert_eq!(open(&anna, LAUNCH).await, first);
    let alias = anna.post("/v1/create-checkout-session", json!({"price": LAUNCH})).await.expect(201);
    assert_eq!(alias, first);
    let other = open(&anna, "hosting_growth_month_usd").await;
    assert_ne!(id(&other), id(&first));
    let sessions = stack.stripe().objects("checkout.session");
    let statuses: Vec<&str> = sessions.iter().map(|session| session["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["expired", "open"]);
    assert_eq!(refused(anna.get(&format!("{CHECKOUT}/{}", id(&first)))).await.0, 404);

    let path = format!("{CHECKOUT}/{}", id(&other));
    // Who is first to tell of its end: who asked for it, or Stripe.
    let state = anna.delete(&path).await.ok()["state"].clone();
    assert!(["superseded", "expired"].contains(&state.as_str().unwrap()), "{state}");
    assert_eq!(refused(anna.get(&path)).await, (410, "expired".to_owned()));
    for wrong in ["hosting_trial_month_usd", "rockets_big_month_usd", ""] {
        assert_eq!(refused(anna.post(CHECKOUT, json!({"price": wrong}))).await.0, 422, "{wrong}");
    }
    audit::check(&stack).await;
}

#[tokio::test]
async fn wishes_at_once_make_one_customer_and_one_session() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let wish = || anna.post(CHECKOUT, json!({"price": LAUNCH}));
    let answers = futures_util::future::join_all((0..5).map(|_| wish())).await;
    let opened: Vec<Value> =
        answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.json()).collect();
    assert!(!opened.is_empty() && opened.iter().all(|checkout| *checkout == opened[0]), "{opened:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert!([409, 503].contains(&answer.status), "{}", answer.text());
    }
    assert_eq!(stack.stripe().objects("customer").len(), 1);
    assert_eq!(stack.stripe().objects("checkout.session").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_session() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    for call in ["POST /v1/customers", "POST /v1/checkout/sessions"] {
        stack.faults().on("create_checkout", "stripe", call).times(3).lose_answer();
    }
    for _ in 0..3 {
        if anna.post(CHECKOUT, json!({"price": LAUNCH})).await.status == 201 {
            break;
        }
    }
    open(&anna, LAUNCH).await;
    assert_eq!(stack.stripe().objects("customer").len(), 1);
    assert_eq!(stack.stripe().objects("checkout.session").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_maker_who_dies_at_any_call_leaves_nothing_double() {
    for nth in 1.. {
        let stack = start().await;
        let anna = stack.verified("anna@example.com").await;
        stack.faults().kill("create_checkout", nth, if nth % 2 == 0 { When::Before } else { When::After });
        let first = anna.post(CHECKOUT, json!({"price": LAUNCH})).await;
        let is_over = stack.faults().kills_left() > 0;
        stack.faults().clear();
        stack.advance(Duration::from_secs(180)).await;
        let checkout = open(&anna, LAUNCH).await;
        assert_eq!(stack.stripe().objects("customer").len(), 1, "call {nth}");
        assert_eq!(stack.stripe().objects("checkout.session").len(), 1, "call {nth}");
        if first.status == 201 {
            assert_eq!(first.json(), checkout);
        }
        if is_over {
            break;
        }
    }
}

#[tokio::test]
async fn a_failure_that_stripe_keeps_is_got_round() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.faults().on("create_checkout", "stripe", "POST /v1/checkout/sessions").fail(500, "api_error");
    assert_eq!(anna.post(CHECKOUT, json!({"price": LAUNCH})).await.status, 503);
    stack.advance(Duration::from_secs(180)).await;
    open(&anna, LAUNCH).await;
    assert_eq!(stack.stripe().objects("checkout.session").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_debit_on_its_way_keeps_the_trial_until_it_fails() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let checkout = open(&anna, "hosting_launch_month_eur").await;
    let by = PaidBy::sepa("DE62370400440532013001").country("DE").postal_code("10115");
    stack.stripe().pay_checkout(&id(&checkout), &by).unwrap();
    heard(&stack).await;
    assert_eq!(state(&stack, &anna, "trial"), "converting");
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "trial");
    stack.travel(6).await;
    assert_eq!(state(&stack, &anna, "trial"), "active", "the trial goes on where it was");
    assert_eq!(told(&stack, &anna, "billing.trial_converted"), 0);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_debit_that_arrives_converts_on_the_day_it_does() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let checkout = open(&anna, "hosting_launch_month_eur").await;
    let by = PaidBy::sepa("DE89370400440532013000").country("DE").postal_code("10115");
    stack.stripe().pay_checkout(&id(&checkout), &by).unwrap();
    stack.travel(4).await;
    assert_eq!(state(&stack, &anna, "trial"), "converting");
    stack.travel(2).await;
    assert_eq!(outcome(&stack, &anna), bought());
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_checkout_that_nobody_pays_is_over_after_its_time() {
    let stack = start().await;
    stack.stripe().webhooks().drop_all();
    let anna = stack.verified("anna@example.com").await;
    let checkout = open(&anna, LAUNCH).await;
    stack.advance(Duration::from_secs(3_700)).await;
    stack.advance(Duration::from_secs(16 * 60)).await;
    assert_eq!(state(&stack, &anna, "checkout"), "expired");
    let anna = crate::back(&stack, &anna).await;
    assert_eq!(
        refused(anna.get(&format!("{CHECKOUT}/{}", id(&checkout)))).await,
        (410, "expired".to_owned())
    );
    assert_ne!(id(&open(&anna, LAUNCH).await), id(&checkout));
    audit::check(&stack).await;
}

#[tokio::test]
async fn another_organisations_checkout_is_not_found() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let path = format!("{CHECKOUT}/{}", id(&open(&anna, LAUNCH).await));
    assert_eq!(refused(boris.get(&path)).await, (404, "not_found".to_owned()));
    assert_eq!(refused(boris.delete(&path)).await, (404, "not_found".to_owned()));
    let member = stack.join(&anna, "member@example.com", domain::accounts::Role::Member).await;
    assert_eq!(refused(member.post(CHECKOUT, json!({"price": LAUNCH}))).await.0, 403);
    audit::check(&stack).await;
}

#[tokio::test]
async fn the_catalogue_is_brought_to_stripe_once() {
    let stack = start().await;
    let staff = staff(&stack).await;
    let path = "/v1/admin/catalog/sync";
    let first = staff.post_empty(path).await.ok();
    assert!(first["prices"].as_u64().unwrap() > 20, "{first}");
    assert_eq!(staff.post_empty(path).await.ok(), json!({"products": 0, "prices": 0, "meters": 0}));
    let prices = stack.stripe().objects("price");
    let launch = prices.iter().find(|price| price["lookup_key"] == LAUNCH).unwrap();
    assert_eq!((&launch["unit_amount"], &launch["currency"]), (&json!(29_900), &json!("usd")));
    let anna = stack.verified("anna@example.com").await;
    assert_eq!(refused(anna.post_empty(path)).await, (403, "not_staff".to_owned()));
    audit::check(&stack).await;
}
