//! What a customer lives, from sign-up to the end, seen only from outside: over HTTP, by mail, in a browser.

use std::time::Duration;

use local::harness::{Client, Stack};
use local::stripe::PaidBy;
use serde_json::json;

use crate::cast::{text, until_state};
use crate::hosting_story::again;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn a_site_from_sign_up_to_its_removal() {
    let stack = Stack::start().await;

    // Anna signs up, and may look around, but may not deploy before her address is verified.
    let anna = stack.sign_up("anna@example.com").await;
    assert!(anna.get("/v1/hosting/sites").await.expect(200)["items"].as_array().unwrap().is_empty());
    let refused = anna.post("/v1/hosting/sites", json!({"label": "acme"})).await.expect(403);
    assert_eq!(refused["code"], "email_unverified");

    // The mail's link verifies her, and she is welcomed.
    stack.verify(&anna).await;
    stack.settle().await;
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 2, "verification and welcome");

    // She deploys; before the site is there, its name leads nowhere; afterwards it is served, and she is told.
    let deployed = anna.post("/v1/hosting/sites", json!({"label": "acme"})).await.expect(202);
    let site = text(&deployed, "/site");
    assert!(stack.browse("http://acme.sites.localhost/").await.status >= 400);
    until_state(&stack, &anna, &site, "active").await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    stack.settle().await;
    let mails = stack.mails_to("anna@example.com").await;
    let ready = mails.last().unwrap();
    assert!(ready.text.contains("acme.sites.localhost"), "{}", ready.text);

    // Somebody else can neither take the name nor see the site.
    let bert = stack.verified("bert@example.net").await;
    let taken = bert.post("/v1/hosting/sites", json!({"label": "acme"})).await.expect(409);
    assert_eq!(taken["code"], "label_taken");
    bert.get(&format!("/v1/hosting/sites/{site}")).await.expect(404);

    // She deletes it: it is no longer served, its name leads nowhere, and nothing of it is left running.
    anna.delete(&format!("/v1/hosting/sites/{site}")).await.expect(202);
    until_state(&stack, &anna, &site, "retained").await;
    assert!(stack.browse("http://acme.sites.localhost/").await.status >= 400);
}

/// Deploys `acme`; answers the site's id.
async fn deploy(stack: &Stack, person: &Client) -> String {
    let deployed = person.post("/v1/hosting/sites", json!({"label": "acme"})).await.expect(202);
    let site = text(&deployed, "/site");
    until_state(stack, person, &site, "active").await;
    site
}

/// Opens Stripe's page for a plan of hosting, and pays there.
async fn subscribe(stack: &Stack, person: &Client) {
    let wanted = json!({"price": "hosting_launch_month_usd"});
    let checkout = person.post("/v1/billing/checkout", wanted).await.expect(201);
    let card = PaidBy::card("4242424242424242").country("US").postal_code("94103");
    stack.stripe().pay_checkout(&text(&checkout, "/id"), &card).unwrap();
    stack.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_on_stripes_page_gets_a_machine_of_their_own() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let site = deploy(&stack, &anna).await;
    let kept = || stack.table("hosting").of_kind("site").remove(0);
    let shared = kept()["host"].clone();
    subscribe(&stack, &anna).await;
    let moved = async || kept()["mode"] == "dedicated" && kept()["state"] == "active";
    stack.run_until("the site has moved", Duration::from_secs(2 * 3_600), moved).await;
    assert_ne!(kept()["host"], shared);
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    let operations = stack.table("hosting").of_kind("operation");
    let moves: Vec<_> = operations.iter().filter(|operation| operation["workflow"] == "migrate").collect();
    assert_eq!((moves.len(), &moves[0]["site"]), (1, &json!(site)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_nobody_pays_for_takes_the_site_down_and_a_payment_brings_it_back() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    deploy(&stack, &anna).await;
    let state = || stack.table("hosting").of_kind("site").remove(0)["state"].clone();
    stack.travel(16).await;
    assert_eq!(state(), "active", "in its grace it can still be read");
    let down = async || state() == "suspended";
    stack.run_until("the site is down", 10 * DAY, down).await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 503);

    let anna = again(&stack, &anna).await;
    subscribe(&stack, &anna).await;
    let up = async || state() == "active";
    stack.run_until("the site is up again", Duration::from_secs(2 * 3_600), up).await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_writes_arabic_reads_arabic() {
    let stack = Stack::start().await;
    let body = json!({"email": "amal@example.com", "password": "Test123!", "locale": "ar"});
    stack.client().post("/v1/auth/signup", body).await.expect(201);
    stack.settle().await;
    let mail = stack.mails_to("amal@example.com").await.remove(0);
    assert!(mail.html.contains("dir=\"rtl\"") && mail.html.contains("lang=\"ar\""), "{}", mail.html);
}
