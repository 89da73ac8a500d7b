//! What a customer lives, from sign-up to the end, seen only from outside: over HTTP, by mail, in a browser.

use local::harness::Stack;
use serde_json::json;

use crate::cast::{text, until_state};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_writes_arabic_reads_arabic() {
    let stack = Stack::start().await;
    let body = json!({"email": "amal@example.com", "password": "Test123!", "locale": "ar"});
    stack.client().post("/v1/auth/signup", body).await.expect(201);
    stack.settle().await;
    let mail = stack.mails_to("amal@example.com").await.remove(0);
    assert!(mail.html.contains("dir=\"rtl\"") && mail.html.contains("lang=\"ar\""), "{}", mail.html);
}
