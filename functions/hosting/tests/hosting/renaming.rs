//! A site takes another name: the new one is ready before the old one goes, and the old one is kept from others.

use futures_util::future::join;
use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{Asked, audit, deployed, item, refused, until_operation};

async fn rename(client: &Client, asked: &Asked, label: &str) -> Value {
    client.post(&format!("{}/rename", asked.path()), json!({ "label": label })).await.expect(202)
}

fn id(operation: &Value) -> String {
    operation["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_site_takes_another_name_and_the_old_one_leads_nowhere() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let once = anna.with_key("rename");
    let operation = rename(&once, &asked, "acme-shop").await;
    assert_eq!((&operation["kind"], &operation["cancellable"]), (&json!("rename"), &json!(true)));
    assert_eq!(
        id(&rename(&once, &asked, "acme-shop").await),
        id(&operation),
        "the same key is the same rename"
    );
    until_operation(&stack, &id(&operation), "succeeded").await;

    let site = anna.get(&asked.path()).await.ok();
    assert_eq!(
        (&site["fqdn"], &site["state"], &site["current_operation"]),
        (&json!("acme-shop.sites.localhost"), &json!("active"), &Value::Null)
    );
    let page = stack.browse("http://acme-shop.sites.localhost/").await;
    assert_eq!((page.status, page.header("x-tenantry-site")), (200, asked.site.as_str()));
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 502, "the old name is gone");
    let host = stack.table("hosting").of_kind("reservation").remove(0);
    assert_eq!((&host["fqdn"], &host["also"]), (&json!("acme-shop.sites.localhost"), &Value::Null));
    assert_eq!(stack.table("hosting").of_kind("email_identity").len(), 1);

    let boris = stack.verified("boris@example.com").await;
    let taken = refused(boris.post("/v1/hosting/sites", json!({"label": "acme"}))).await;
    assert_eq!(taken, (409, "label_taken".to_owned()), "links to the old owner lead to nobody else");
    let back = rename(&anna, &asked, "acme").await;
    until_operation(&stack, &id(&back), "succeeded").await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    audit::check(&stack).await;
}

#[tokio::test]
async fn the_site_answers_at_every_moment_of_its_rename() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let operation = id(&rename(&anna, &asked, "acme-shop").await);
    let answers = async || {
        let old = stack.browse("http://acme.sites.localhost/").await.status == 200;
        let new = stack.browse("http://acme-shop.sites.localhost/").await.status == 200;
        let named = item(&stack, "site", &asked.site)["label"].clone();
        assert!(if named == "acme" { old } else { new }, "its name is {named}: {old} {new}");
        item(&stack, "operation", &operation)["state"] == "succeeded"
    };
    stack.run_until("it is renamed", crate::PATIENCE, answers).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn only_an_idle_site_takes_a_free_label() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let building = crate::deploy(&anna, "acme").await;
    let path = format!("{}/rename", building.path());
    let ask =
        async |client: &Client, label: &str| refused(client.post(&path, json!({ "label": label }))).await;
    assert_eq!(ask(&anna, "shop").await, (409, "busy".to_owned()));
    until_operation(&stack, &building.operation, "succeeded").await;
    deployed(&stack, &boris, "shop").await;

    assert_eq!(ask(&anna, "www").await, (422, "invalid".to_owned()));
    assert_eq!(ask(&anna, "acme").await, (409, "same_label".to_owned()));
    assert_eq!(ask(&anna, "shop").await, (409, "label_taken".to_owned()));
    assert_eq!(ask(&boris, "other").await, (404, "not_found".to_owned()));
    let admin = stack.join(&anna, "admin@example.com", domain::accounts::Role::Admin).await;
    assert_eq!(ask(&admin, "other").await, (403, "role_too_low".to_owned()));

    let body = json!({"label": "wanted"});
    let deploy = stack.verified("clara@example.com").await;
    let (one, other) = join(anna.post(&path, body.clone()), deploy.post("/v1/hosting/sites", body)).await;
    let mut both = [one.status, other.status];
    both.sort_unstable();
    assert_eq!(both, [202, 409], "of two who want it one gets it");
    let idle = |site: &Value| site["current_op"].is_null();
    let over = async || stack.table("hosting").of_kind("site").iter().all(idle);
    stack.run_until("both are what they shall be", crate::PATIENCE, over).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_rename_that_is_cancelled_leaves_the_site_as_it_was() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    // Until the site has its new name; cancelled at each step before that.
    for cursor in 0..8_u64 {
        let label = format!("acme-{cursor}");
        let owner = crate::kills::signed_in(&stack, &anna).await;
        let operation = id(&rename(&owner, &asked, &label).await);
        let here = async || item(&stack, "operation", &operation)["cursor"].as_u64() >= Some(cursor);
        stack.run_until("its step is next", crate::PATIENCE, here).await;
        let cancelled = owner.post_empty(&format!("/v1/hosting/operations/{operation}/cancel")).await;
        if cancelled.status == 409 {
            until_operation(&stack, &operation, "succeeded").await;
            continue;
        }
        cancelled.expect(202);
        until_operation(&stack, &operation, "rolled_back").await;
        audit::check(&stack).await;
        let site = item(&stack, "site", &asked.site);
        assert_eq!((&site["label"], &site["target_label"]), (&json!("acme"), &Value::Null));
        let claims = stack.table("hosting").of_kind("label_claim");
        assert!(claims.iter().all(|claim| claim["label"] == "acme"), "a name that was never its own is free");
        assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
        stack.advance(std::time::Duration::from_secs(30)).await;
    }
}

#[tokio::test]
async fn every_message_twice_renames_once() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    for function in ["run_operation", "apply_dns_changes", "relay_events"] {
        stack.deliver_twice(function);
        stack.shuffle(function);
    }
    let operation = id(&rename(&anna, &asked, "acme-shop").await);
    until_operation(&stack, &operation, "succeeded").await;
    let steps = stack.table("hosting").of_kind("step");
    assert_eq!(steps.iter().filter(|step| step["operation"] == operation).count(), 12);
    audit::check(&stack).await;
}
