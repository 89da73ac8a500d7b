//! A site from the request to the first page, and what it stands on then.

use local::Stack;
use serde_json::{Value, json};

use crate::{audit, deployed, item};

#[tokio::test]
async fn a_site_gets_one_of_everything() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    audit::check(&stack).await;

    let site = item(&stack, "site", &asked.site);
    assert_eq!((&site["state"], &site["current_op"]), (&json!("active"), &Value::Null));
    let bucket = site["bucket"].as_str().unwrap();
    let ulid = asked.site.trim_start_matches("site_").to_lowercase();
    assert_eq!(bucket, format!("tenantry-local-site-{ulid}"));

    let cloud = stack.cloud();
    assert_eq!(cloud.ec2().instances().len(), 1);
    assert_eq!(crate::buckets(&stack).await, [bucket]);
    let zone = cloud.route53().zones().remove(0).id;
    let records: Vec<String> = cloud
        .route53()
        .records(&zone)
        .into_iter()
        .filter(|record| record.name.contains("acme"))
        .map(|record| format!("{} {}", record.kind, record.ttl.unwrap_or_default()))
        .collect();
    let count = |kind: &str| records.iter().filter(|record| record.starts_with(kind)).count();
    assert_eq!((count("A "), count("CNAME "), count("MX "), count("TXT ")), (1, 3, 1, 3), "{records:?}");
    assert!(records.contains(&"A 60".to_owned()));

    let page = stack.browse("http://acme.sites.localhost/").await;
    assert_eq!((page.status, page.header("x-tenantry-site")), (200, asked.site.as_str()));
    assert!(page.text().contains("acme.sites.localhost is ready"));
}

#[tokio::test]
async fn a_mail_domain_is_verified_once_ses_sees_its_records() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let state = || stack.table("hosting").of_kind("email_identity")[0]["state"].clone();
    assert_eq!(state(), "pending");
    stack.run_until("the mail domain is verified", crate::PATIENCE * 2, async || state() == "verified").await;
    let identity = stack.table("hosting").of_kind("email_identity").remove(0);
    assert_eq!(identity["site"], asked.site);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_mail_domain_that_nobody_could_look_at_is_verified_late() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let answer = stack.faults().on("poll_email_identities", "ses", "GetIdentityDkimAttributes");
    answer.always().fail(503, "ServiceUnavailable");
    let asked = deployed(&stack, &anna, "acme").await;
    stack.advance(std::time::Duration::from_secs(73 * 3_600)).await;
    assert_eq!(stack.table("hosting").of_kind("email_identity")[0]["state"], "pending", "nobody could look");
    assert_eq!(item(&stack, "site", &asked.site)["state"], "active");
    stack.faults().clear();
    stack.advance(std::time::Duration::from_secs(600)).await;
    let state = stack.table("hosting").of_kind("email_identity")[0]["state"].clone();
    assert_eq!(state, "verified", "the records were there all the time");
    audit::check(&stack).await;
}

#[tokio::test]
async fn every_message_twice_and_in_any_order_makes_no_second_thing() {
    let stack = Stack::start().await;
    for function in ["run_operation", "apply_dns_changes", "scale_pool", "relay_events"] {
        stack.deliver_twice(function);
        stack.shuffle(function);
    }
    let mut sites = Vec::new();
    for number in 0..4 {
        let anna = stack.verified(&format!("anna{number}@example.com")).await;
        sites.push(crate::deploy(&anna, &format!("acme-{number}")).await);
    }
    for asked in &sites {
        crate::until_operation(&stack, &asked.operation, "succeeded").await;
    }
    audit::check(&stack).await;
    assert_eq!(stack.cloud().ec2().instances().len(), 1);
    assert_eq!(crate::buckets(&stack).await.len(), 4);
    let steps = stack.table("hosting").of_kind("step");
    assert_eq!(steps.len(), 4 * 14);
    let logged = stack.table("hosting").of_kind("operation_log");
    let done = logged.iter().filter(|line| line["message"] == "Done.").count();
    assert_eq!(done, 4 * 14, "each step was done once");
}

#[tokio::test]
async fn messages_that_nobody_understands_are_put_aside() {
    let stack = Stack::start().await;
    let envelope = |kind: &str, version: u32, data: Value| {
        json!({
            "id": "evt_00000000000000000000000001", "type": kind, "v": version, "at": "2026-11-21T03:44:00.000Z",
            "actor": "system:test", "request_id": "r", "data": data,
        })
    };
    let operation = "op_00000000000000000000000001";
    let operations = stack.queue("hosting-operations");
    operations.send(envelope("hosting.operation_due", 2, json!({"operation": operation}))).await;
    operations.send(envelope("hosting.site_requested", 1, json!({"operation": operation}))).await;
    operations.send(envelope("hosting.operation_due", 1, json!({"operation": operation}))).await;
    operations.send(json!("nonsense")).await;
    stack
        .queue("hosting-dns")
        .send(envelope("hosting.zone_due", 1, json!({"zone": "elsewhere.example"})))
        .await;
    stack
        .queue("hosting-capacity")
        .send(envelope("hosting.pool_due", 1, json!({"pool": "mars/shared"})))
        .await;
    let letters = stack.expect_dead_letters(5).await;
    assert!(letters.iter().all(|(_, letter)| letter.attributes.contains_key("reason")));
    audit::check(&stack).await;
}
