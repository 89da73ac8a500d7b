//! Subscriptions: begun, changed by a quote, ended, resumed, paused; and what an unpaid one comes to.

use std::time::Duration;

use domain::accounts::Role;
use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use super::{heard, start};
use crate::buyers::{COSTS, GROWTH, HOSTING, LAUNCH, METHODS, buy, card, quoted, take};
use crate::{DAY, audit, back, held, items, refused, told};

/// Somebody who bought Launch.
async fn subscribed(stack: &Stack, email: &str) -> Client {
    let person = stack.verified(email).await;
    buy(stack, &person, LAUNCH).await;
    heard(stack).await;
    assert_eq!(held(stack, &person)["products"]["hosting"]["plan"], "launch");
    person
}

/// Pays renewals with another card from now on.
async fn pay_with(stack: &Stack, person: &Client, number: &str) -> Value {
    let setup = person.post_empty(METHODS).await.expect(201);
    let by = card(number);
    stack.stripe().confirm_setup(setup["setup_intent"].as_str().unwrap(), &by).unwrap();
    heard(stack).await;
    let listed = person.get(METHODS).await.ok();
    let last4 = &number[number.len() - 4..];
    let added =
        listed["items"].as_array().unwrap().iter().find(|method| method["last4"] == last4).unwrap().clone();
    let put =
        person.put(&format!("{METHODS}/{}/default", added["id"].as_str().unwrap()), json!({})).await.ok();
    assert_eq!((&put["items"][0]["id"], &put["items"][0]["is_default"]), (&added["id"], &json!(true)));
    added["id"].clone()
}

#[tokio::test]
async fn an_upgrade_costs_what_its_quote_says() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    stack.advance(Duration::from_secs(10 * DAY + 1_234)).await;
    let anna = back(&stack, &anna).await;
    let quote = quoted(&anna, GROWTH, 1).await;
    assert_eq!((&quote["change"]["direction"], &quote["change"]["when"]), (&json!("upgrade"), &json!("now")));
    let promised = quote["preview"]["due_now"]["minor"].as_i64().unwrap();
    assert!(promised > 0, "{quote}");

    // The quote binds nobody else, and no other amount.
    let boris = stack.verified("boris@example.com").await;
    assert_eq!(refused(take(&boris, &quote)).await.0, 404);
    let forged = json!({"quote": quote["id"], "signature": "00"});
    assert_eq!(refused(anna.patch(HOSTING, forged)).await.0, 422);

    stack.advance(Duration::from_secs(9 * 60)).await;
    let changed = take(&anna, &quote).await.ok();
    assert_eq!((&changed["plan"], &changed["status"]), (&json!("growth"), &json!("active")));
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "growth");
    let invoices = anna.get("/v1/billing/invoices").await.ok();
    let paid = &invoices["items"][0];
    assert_eq!(
        (&paid["status"], paid["total"]["minor"].as_i64()),
        (&json!("paid"), Some(promised)),
        "{paid}"
    );
    assert_eq!(refused(take(&anna, &quote)).await, (409, "quote_used".to_owned()));
    assert_eq!(told(&stack, &anna, "billing.subscription_changed"), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_quote_is_good_for_ten_minutes() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    let quote = quoted(&anna, GROWTH, 1).await;
    stack.core().clock.advance(Duration::from_secs(601)).unwrap();
    assert_eq!(refused(take(&anna, &quote)).await, (410, "quote_expired".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_downgrade_waits_for_the_periods_end_and_can_be_taken_back() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    let up = quoted(&anna, GROWTH, 1).await;
    take(&anna, &up).await.expect(200);
    let down = quoted(&anna, LAUNCH, 1).await;
    assert_eq!(
        (&down["change"]["when"], &down["preview"]["due_now"]["minor"]),
        (&json!("period_end"), &json!(0))
    );
    let waiting = take(&anna, &down).await.ok();
    assert_eq!(
        (&waiting["plan"], &waiting["pending"]["price"]),
        (&json!("growth"), &json!(LAUNCH)),
        "{waiting}"
    );
    let busy =
        refused(anna.post(&format!("{HOSTING}/preview"), json!({"price": LAUNCH, "quantity": 2}))).await;
    assert_eq!(busy, (409, "change_pending".to_owned()));
    assert_eq!(refused(anna.delete(HOSTING)).await, (409, "has_schedule".to_owned()));

    let resumed = anna.post_empty(&format!("{HOSTING}/resume")).await.ok();
    assert!(resumed["pending"].is_null(), "{resumed}");
    let down = quoted(&anna, LAUNCH, 1).await;
    take(&anna, &down).await.expect(200);
    stack.travel(32).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "launch");
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_upgrade_that_is_declined_does_not_take_place() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    // A card that can be kept and never charged.
    pay_with(&stack, &anna, "4000000000000341").await;
    let quote = quoted(&anna, GROWTH, 1).await;
    let answer = take(&anna, &quote).await;
    assert!([200, 402].contains(&answer.status), "{}", answer.text());
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "launch");
    assert_eq!(items(&stack, &anna, "subscription")[0]["plan"], "launch");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_subscription_is_ended_resumed_and_ended_for_good() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    let member = stack.join(&anna, "member@example.com", Role::Member).await;
    assert_eq!(refused(member.delete(HOSTING)).await.0, 403);
    assert_eq!(member.get(HOSTING).await.status, 200);

    let ending = anna.delete(HOSTING).await.ok();
    assert!(ending["ends_at"].is_string() && ending["access"] == "full", "{ending}");
    assert_eq!(anna.delete(HOSTING).await.ok()["ends_at"], ending["ends_at"], "asking again changes nothing");
    assert!(anna.post_empty(&format!("{HOSTING}/resume")).await.ok()["ends_at"].is_null());
    assert_eq!(
        refused(anna.post_empty(&format!("{HOSTING}/resume"))).await,
        (409, "nothing_to_resume".to_owned())
    );

    let ended = anna.delete(&format!("{HOSTING}?when=now")).await.ok();
    assert_eq!((&ended["status"], &ended["access"]), (&json!("canceled"), &json!("none")));
    assert_eq!(anna.delete(&format!("{HOSTING}?when=now")).await.status, 200);
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "none");
    assert_eq!(told(&stack, &anna, "billing.subscription_canceled"), 1);
    assert_eq!(refused(anna.post_empty(&format!("{HOSTING}/resume"))).await, (409, "period_over".to_owned()));

    // Bought again, it is another generation of the same.
    buy(&stack, &anna, LAUNCH).await;
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "full");
    assert_eq!(items(&stack, &anna, "closed_subscription").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_pause_shuts_the_door_until_it_is_over() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    assert_eq!(anna.post_empty(&format!("{HOSTING}/pause")).await.ok()["status"], "paused");
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "none");
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["paused"], true, "nothing of theirs may go");
    assert_eq!(anna.post_empty(&format!("{HOSTING}/resume")).await.ok()["status"], "active");
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "full");
    audit::check(&stack).await;
}

#[tokio::test]
async fn who_does_not_pay_is_restricted_suspended_and_ended() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    // A card that can be kept and never charged.
    pay_with(&stack, &anna, "4000000000000341").await;
    let access = || held(&stack, &anna)["products"]["hosting"]["access"].clone();
    stack.travel(32).await;
    let ladder = || items(&stack, &anna, "dunning")[0].clone();
    assert_eq!((&ladder()["state"], access()), (&json!("retrying"), json!("full")));
    assert!(told(&stack, &anna, "billing.payment_failed") >= 1);
    stack.travel(7).await;
    assert_eq!((&ladder()["state"], access()), (&json!("restricted"), json!("read_only")));
    let person = back(&stack, &anna).await;
    let seen = person.get(HOSTING).await.ok();
    assert_eq!((&seen["status"], &seen["unpaid"][0]["state"]), (&json!("past_due"), &json!("restricted")));
    stack.travel(7).await;
    assert_eq!((&ladder()["state"], access()), (&json!("suspended"), json!("none")));
    stack.travel(8).await;
    assert_eq!((&ladder()["state"], access()), (&json!("canceled"), json!("none")));
    assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "canceled");
    assert_eq!(told(&stack, &anna, "billing.subscription_canceled"), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn another_card_and_a_payment_open_the_door_again() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    // A card that can be kept and never charged.
    pay_with(&stack, &anna, "4000000000000341").await;
    stack.travel(40).await;
    let anna = back(&stack, &anna).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "read_only");
    let visa = pay_with(&stack, &anna, "5555555555554444").await;
    let visa = visa.as_str().unwrap();

    let invoices = anna.get("/v1/billing/invoices").await.ok();
    let open =
        invoices["items"].as_array().unwrap().iter().find(|invoice| invoice["status"] == "open").unwrap();
    let path = format!("/v1/billing/invoices/{}", open["id"].as_str().unwrap());
    assert_eq!(anna.post_empty(&format!("{path}/pay")).await.ok()["status"], "paid");
    assert_eq!(refused(anna.post_empty(&format!("{path}/pay"))).await, (409, "not_open".to_owned()));
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "full");
    assert_eq!(items(&stack, &anna, "dunning")[0]["state"], "resolved");

    let boris = stack.verified("boris@example.com").await;
    assert_eq!(refused(boris.get(&path)).await, (404, "not_found".to_owned()));
    assert_eq!(refused(boris.delete(&format!("{METHODS}/{visa}"))).await, (404, "not_found".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn the_card_that_pays_is_not_taken_away() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    let first = items(&stack, &anna, "payment_method")[0]["id"].as_str().unwrap().to_owned();
    let last = refused(anna.delete(&format!("{METHODS}/{first}"))).await;
    assert_eq!(last, (409, "last_method".to_owned()));
    let second = pay_with(&stack, &anna, "5555555555554444").await;
    let pays = refused(anna.delete(&format!("{METHODS}/{}", second.as_str().unwrap()))).await;
    assert_eq!(pays, (409, "default_method".to_owned()));
    let left = anna.delete(&format!("{METHODS}/{first}")).await.ok();
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    audit::check(&stack).await;
}

#[tokio::test]
async fn without_stripes_page_the_browser_pays_with_a_secret() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    let path = "/v1/billing/subscriptions";
    let update = json!({"name": "Northwind", "address": {"line1": "1 Main St", "postal_code": "94103", "country": "US"}});
    assert_eq!(anna.put("/v1/billing/account", update).await.ok()["name"], "Northwind");
    let body = json!({"price": COSTS});
    let begun = anna.post(path, body.clone()).await.expect(201);
    assert_eq!((&begun["status"], &begun["access"]), (&json!("incomplete"), &json!("none")));
    let secret = begun["client_secret"].as_str().unwrap();
    assert_eq!(
        anna.post(path, body).await.expect(201)["client_secret"],
        secret,
        "asked again it is the same"
    );
    assert_eq!(held(&stack, &anna)["products"]["costs"]["plan"], "free");

    let intent = secret.split_once("_secret").unwrap().0;
    let by = card("4242424242424242");
    stack.stripe().confirm_payment(intent, &by).unwrap();
    heard(&stack).await;
    assert_eq!(held(&stack, &anna)["products"]["costs"]["plan"], "pro");
    let account = anna.get("/v1/billing/account").await.ok();
    assert_eq!((&account["subscriptions"][0]["plan"], &account["currency"]), (&json!("pro"), &json!("usd")));
    assert!(anna.post_empty("/v1/billing/portal").await.expect(201)["url"].is_string());
    let again = refused(anna.post(path, json!({"price": COSTS}))).await;
    assert_eq!(again, (409, "already_subscribed".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn who_leaves_and_comes_back_has_paid_for_both() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    assert_eq!(anna.delete(&format!("{HOSTING}?when=now")).await.ok()["status"], "canceled");
    heard(&stack).await;
    stack.travel(1).await;
    let anna = back(&stack, &anna).await;
    buy(&stack, &anna, LAUNCH).await;
    heard(&stack).await;
    // The nightly comparison sees the old one beside the new one.
    stack.travel(2).await;
    heard(&stack).await;
    assert_eq!(stack.stripe().objects("refund"), Vec::<Value>::new());
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["plan"], "launch");
    let invoices = back(&stack, &anna).await.get("/v1/billing/invoices").await.ok();
    assert_eq!(invoices["items"].as_array().unwrap().len(), 2, "{invoices}");
    audit::check(&stack).await;
}

#[tokio::test]
async fn who_has_just_paid_on_stripes_page_does_not_pay_again_beside_it() {
    let stack = start().await;
    let anna = stack.verified("anna@example.com").await;
    // Nothing is heard of the payment yet.
    stack.stripe().webhooks().hold();
    buy(&stack, &anna, LAUNCH).await;
    let beside = refused(anna.post("/v1/billing/subscriptions", json!({"price": LAUNCH}))).await;
    assert_eq!(beside, (409, "already_subscribed".to_owned()));
    stack.stripe().webhooks().release();
    heard(&stack).await;
    assert_eq!(stack.stripe().objects("subscription").len(), 1);
    assert_eq!(stack.stripe().objects("refund"), Vec::<Value>::new());
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_first_payment_that_is_declined_is_made_with_another_card() {
    let stack = start().await;
    let anna = subscribed(&stack, "anna@example.com").await;
    let good = items(&stack, &anna, "payment_method")[0]["id"].clone();
    let bad = pay_with(&stack, &anna, "4000000000000341").await;
    let path = "/v1/billing/subscriptions";
    let wanted = |method: &Value| json!({"price": COSTS, "payment_method": method});
    assert_eq!(refused(anna.post(path, wanted(&bad))).await.0, 402);
    let other = json!({"price": "costs_pro_year_usd", "payment_method": good});
    assert_eq!(refused(anna.post(path, other)).await.0, 409);
    let begun = anna.post(path, wanted(&good)).await.expect(201);
    assert_eq!((&begun["status"], &begun["access"]), (&json!("active"), &json!("full")), "{begun}");
    heard(&stack).await;
    assert_eq!(stack.stripe().objects("subscription").len(), 2);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_trial_after_a_paid_life_runs_its_time() {
    let stack = start().await;
    let anna = crate::verified_for(&stack, "anna@example.com", "launch").await;
    buy(&stack, &anna, LAUNCH).await;
    heard(&stack).await;
    anna.delete(&format!("{HOSTING}?when=now")).await.expect(200);
    heard(&stack).await;
    anna.post_empty("/v1/trials/hosting").await.expect(201);
    stack.travel(2).await;
    heard(&stack).await;
    assert_eq!(items(&stack, &anna, "trial")[0]["state"], "active");
    assert_eq!(told(&stack, &anna, "billing.trial_converted"), 0);
    audit::check(&stack).await;
}
