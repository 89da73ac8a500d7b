//! Sites over HTTP: asked for, watched, read, by whoever may.

use domain::accounts::Role;
use local::Stack;
use serde_json::{Value, json};

use crate::{deploy, deployed, refused};

const SITES: &str = "/v1/hosting/sites";

#[tokio::test]
async fn a_site_is_asked_for_watched_and_served() {
    let stack = Stack::start().await;
    let anna = stack.sign_up("anna@example.com").await;
    let early = refused(anna.post(SITES, json!({"label": "acme"}))).await;
    assert_eq!(early, (403, "email_unverified".to_owned()));
    stack.verify(&anna).await;

    let operation = anna.post(SITES, json!({"label": "acme"})).await.expect(202);
    insta::assert_json_snapshot!(operation, {".id" => "[id]", ".site" => "[id]", ".created_at" => "[time]"}, @r#"
    {
      "cancellable": true,
      "created_at": "[time]",
      "fqdn": "acme.sites.localhost",
      "id": "[id]",
      "kind": "provision",
      "percent": 0,
      "site": "[id]",
      "state": "queued",
      "step": "check_plan"
    }
    "#);
    let site = format!("{SITES}/{}", operation["site"].as_str().unwrap());
    let status = anna.get(&format!("{site}/deployment")).await.ok();
    assert_eq!((&status["id"], status["steps"].as_array().unwrap().len()), (&operation["id"], 14));
    assert_eq!(anna.get(&format!("{site}/deployment")).await.ok()["id"], operation["id"]);
    let alias = format!("/v1/deployment-status/{}", operation["site"].as_str().unwrap());
    assert_eq!(anna.get(&alias).await.ok()["id"], operation["id"]);

    crate::until_operation(&stack, operation["id"].as_str().unwrap(), "succeeded").await;
    let status = anna.get(&format!("{site}/deployment")).await.ok();
    assert_eq!((&status["percent"], &status["state"]), (&json!(100), &json!("succeeded")));
    assert_eq!((&status["cancellable"], &status["step"]), (&json!(false), &Value::Null));
    let mut last = String::new();
    for step in status["steps"].as_array().unwrap() {
        assert_eq!((&step["state"], &step["failures"]), (&json!("done"), &json!(0)), "{step}");
        let (started, ended) = (step["started_at"].as_str().unwrap(), step["ended_at"].as_str().unwrap());
        assert!(started >= last.as_str() && ended >= started, "{step} after {last}");
        last = started.to_owned();
    }

    let found = anna.get(&site).await;
    assert_eq!((found.status, found.header("etag").is_empty()), (200, false));
    let found = found.json();
    assert_eq!((&found["state"], &found["fqdn"]), (&json!("active"), &json!("acme.sites.localhost")));
    assert!(found["mail"]["state"] == "pending" || found["mail"]["state"] == "verified", "{found}");
    assert_eq!(anna.get(SITES).await.ok()["items"][0]["id"], found["id"]);
    let page = stack.browse("http://acme.sites.localhost/").await;
    assert_eq!((page.status, page.header("x-tenantry-site")), (200, found["id"].as_str().unwrap()));
    assert_eq!(stack.browse("http://other.sites.localhost/").await.status, 502, "no such name");
}

#[tokio::test]
async fn a_log_is_read_in_pages_and_holds_no_secret() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let logs = asked.operation("logs");

    let whole = anna.get(&logs).await.ok();
    let lines = whole["items"].as_array().unwrap();
    assert!(lines.len() >= 14 && whole["next_cursor"].is_null(), "{whole}");
    let mut collected: Vec<Value> = Vec::new();
    let mut path = format!("{logs}?limit=5");
    loop {
        let page = anna.get(&path).await.ok();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 5);
        collected.extend(items.clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{logs}?limit=5&cursor={cursor}");
    }
    assert_eq!(&collected, lines);
    let fields = |line: &Value| {
        line.as_object().unwrap().keys().all(|key| ["at", "step", "message"].contains(&key.as_str()))
    };
    assert!(lines.iter().all(fields));
    let text = whole.to_string();
    for secret in stack.table("hosting").of_kind("host").iter().filter_map(|host| host["key_hash"].as_str()) {
        assert!(!text.contains(secret));
    }
    for word in ["token", "secret", "password", "AKIA", "ASIA"] {
        assert!(!text.contains(word), "{word} in {text}");
    }

    // A cursor opens the list it came from and no other.
    let cursor = anna.get(&format!("{logs}?limit=2")).await.ok()["next_cursor"].as_str().unwrap().to_owned();
    let wrong = refused(anna.get(&format!("{SITES}?cursor={cursor}"))).await;
    assert_eq!(wrong, (400, "invalid_cursor".to_owned()));
    assert_eq!(anna.get(&format!("{logs}?limit=0")).await.status, 422);
    assert_eq!(anna.get(&format!("{logs}?colour=red")).await.status, 422);
}

#[tokio::test]
async fn e61_the_same_key_is_the_same_site() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let once = anna.with_key("first-site");
    let first = once.post(SITES, json!({"label": "acme"})).await;
    let operation = first.expect(202);
    let again = once.post(SITES, json!({"label": "acme"})).await;
    assert_eq!((again.expect(202), again.header("idempotent-replayed")), (operation.clone(), "true"));
    let other = refused(once.post(SITES, json!({"label": "other"}))).await;
    assert_eq!(other, (409, "idempotency_mismatch".to_owned()));
    let elsewhere = refused(once.post("/v1/deploy", json!({"label": "acme"}))).await;
    assert_eq!(elsewhere, (409, "idempotency_mismatch".to_owned()));

    crate::until_operation(&stack, operation["id"].as_str().unwrap(), "succeeded").await;
    let after = once.post(SITES, json!({"label": "acme"})).await.expect(202);
    assert_eq!(after, operation, "also after the success");
    assert_eq!(anna.get(SITES).await.ok()["items"].as_array().unwrap().len(), 1);

    // The key is the organisation's own, and a refusal is not kept under it.
    let his = boris.with_key("first-site");
    assert_eq!(refused(his.post(SITES, json!({"label": "acme"}))).await, (409, "label_taken".to_owned()));
    let operation = his.post(SITES, json!({"label": "boris"})).await.expect(202);
    assert_eq!(his.post(SITES, json!({"label": "boris"})).await.expect(202), operation);
}

#[tokio::test]
async fn e61_the_same_key_after_a_failure_is_the_same_operation() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await.with_key("first-site");
    stack.faults().on("scale_pool", "ec2", "RunInstances").always().fail(400, "VcpuLimitExceeded");
    let first = anna.post(SITES, json!({"label": "acme"})).await.expect(202);
    let operation = first["id"].as_str().unwrap();
    crate::until_operation(&stack, operation, "needs_attention").await;
    assert_eq!(anna.post(SITES, json!({"label": "acme"})).await.expect(202), first);
    stack.settle().await;
    assert_eq!(stack.table("hosting").of_kind("operation").len(), 1);
    stack.faults().clear();
    stack.advance(std::time::Duration::from_secs(60)).await;
    let retry = anna.with_key("retry").post_empty(&format!("/v1/hosting/operations/{operation}/retry")).await;
    retry.expect(202);
    crate::until_operation(&stack, operation, "succeeded").await;
    assert_eq!(anna.post(SITES, json!({"label": "acme"})).await.expect(202), first);
}

#[tokio::test]
async fn two_requests_with_one_key_at_once_make_one_site() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await.with_key("at-once");
    let body = json!({"label": "acme"});
    let answers = futures_util::future::join_all((0..4).map(|_| anna.post(SITES, body.clone()))).await;
    let operations: Vec<Value> = answers.iter().map(|answer| answer.expect(202)).collect();
    assert!(operations.iter().all(|operation| *operation == operations[0]));
    stack.settle().await;
    assert_eq!(stack.table("hosting").of_kind("site").len(), 1);
}

#[tokio::test]
async fn a_trial_holds_one_site() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let body = |label: &str| json!({ "label": label });
    let both = futures_util::future::join(anna.post(SITES, body("one")), anna.post(SITES, body("two"))).await;
    let mut codes = [both.0.status, both.1.status];
    codes.sort_unstable();
    assert_eq!(codes, [202, 402], "also when both are asked for at once");
    let refused = anna.post("/v1/deploy", body("three")).await;
    insta::assert_json_snapshot!(refused.expect(402), {".request_id" => "[id]"}, @r#"
    {
      "allowed": 1,
      "code": "limit_reached",
      "detail": "The plan trial holds 1 sites.",
      "limit": "sites",
      "plan": "trial",
      "request_id": "[id]",
      "status": 402,
      "title": "Payment Required",
      "type": "urn:tenantry:problem:limit_reached",
      "upgrade": "launch"
    }
    "#);
}

#[tokio::test]
async fn another_organisations_ids_are_not_found() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let unknown = "00000000000000000000000001";
    let routes = |site: &str, operation: &str| {
        let site = format!("{SITES}/{site}");
        let operation = format!("/v1/hosting/operations/{operation}");
        [
            ("GET", site.clone(), None),
            ("GET", format!("{site}/deployment"), None),
            ("DELETE", site.clone(), None),
            ("POST", format!("{site}/access"), Some(json!({"kind": "session"}))),
            ("GET", format!("{operation}/logs"), None),
            ("POST", format!("{operation}/retry"), None),
            ("POST", format!("{operation}/cancel"), None),
        ]
    };
    let before = stack.table("hosting").of_kind("operation").len();
    for (who, site, operation) in [
        (&boris, asked.site.as_str(), asked.operation.as_str()),
        (&anna, &*format!("site_{unknown}"), &*format!("op_{unknown}")),
        (&anna, "acme", "acme"),
        (&anna, asked.operation.as_str(), asked.site.as_str()),
    ] {
        for (method, path, body) in routes(site, operation) {
            let answer = who.send(method.parse().unwrap(), &path, body).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{method} {path}");
        }
    }
    assert_eq!(boris.get(SITES).await.ok()["items"], json!([]));
    assert_eq!(stack.table("hosting").of_kind("operation").len(), before);
    for (method, path, body) in routes(&asked.site, &asked.operation) {
        assert_eq!(
            stack.client().send(method.parse().unwrap(), &path, body).await.status,
            401,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn roles_decide_who_may_what() {
    let stack = Stack::start().await;
    let owner = stack.verified("owner@example.com").await;
    let viewer = stack.join(&owner, "viewer@example.com", Role::Viewer).await;
    let member = stack.join(&owner, "member@example.com", Role::Member).await;
    let admin = stack.join(&owner, "admin@example.com", Role::Admin).await;
    for client in [&viewer, &member] {
        let answer = refused(client.post(SITES, json!({"label": "acme"}))).await;
        assert_eq!(answer, (403, "role_too_low".to_owned()));
    }
    let asked = deploy(&admin, "acme").await;
    for client in [&viewer, &member] {
        for path in [SITES.to_owned(), asked.path(), asked.deployment(), asked.operation("logs")] {
            assert_eq!(client.get(&path).await.status, 200, "{path}");
        }
        assert_eq!(client.get("/v1/hosting/subdomains/other").await.status, 200);
        for what in ["retry", "cancel"] {
            assert_eq!(client.post_empty(&asked.operation(what)).await.status, 403, "{what}");
        }
        let access = format!("{}/access", asked.path());
        assert_eq!(client.post(&access, json!({"kind": "session"})).await.status, 403);
        assert_eq!(client.delete(&asked.path()).await.status, 403);
    }
    assert_eq!(refused(admin.delete(&asked.path())).await, (403, "role_too_low".to_owned()));
    assert_eq!(owner.delete(&asked.path()).await.status, 202);
    crate::until_operation(&stack, &asked.operation, "rolled_back").await;
}

#[tokio::test]
async fn bodies_that_are_not_what_is_asked_for_are_refused() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    for (body, pointer) in [
        (json!({}), "/label"),
        (json!({"label": 7}), "/label"),
        (json!({"label": "acme", "plan": "scale"}), "/plan"),
    ] {
        let answer = anna.post(SITES, body).await;
        assert_eq!((answer.status, &answer.json()["problems"][0]["pointer"]), (422, &json!(pointer)));
    }
    let typed = anna.with_header("content-type", "text/plain");
    assert_eq!(typed.post(SITES, json!({"label": "acme"})).await.status, 415);
    assert_eq!(anna.patch(SITES, json!({})).await.status, 405);
    assert_eq!(anna.get("/v1/hosting/nothing").await.status, 404);
    assert_eq!(anna.with_token("forged").get(SITES).await.status, 401);
}
