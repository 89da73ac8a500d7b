//! Taking back: a cancelled operation leaves nothing, wherever it stood and whatever fails meanwhile.

use std::time::Duration;

use domain::hosting::OperationKind;
use local::Stack;
use local::aws::faults::When;
use serde_json::json;

use crate::kills::{Ground, raised};
use crate::{audit, deploy, deployed, item, read, until_operation};

#[tokio::test]
async fn a_cancel_at_every_step_leaves_nothing() {
    let stack = Stack::start().await;
    let ground = Ground::prepare(&stack).await;
    let before =
        OperationKind::Provision.steps().iter().position(|step| step.as_str() == "activate").unwrap();
    for (number, step) in OperationKind::Provision.steps()[..=before].iter().enumerate() {
        let asked = ground.deploy(&stack, &format!("cancel-{number}")).await;
        let here =
            async || item(&stack, "operation", &asked.operation)["cursor"].as_u64() >= Some(number as u64);
        stack.run_until(&format!("{} is next", step.as_str()), crate::PATIENCE, here).await;
        let answer = ground.client(&stack).await.post_empty(&asked.operation("cancel")).await;
        if answer.status == 409 {
            // It was faster: what is active is the customer's.
            until_operation(&stack, &asked.operation, "succeeded").await;
            continue;
        }
        answer.expect(202);
        until_operation(&stack, &asked.operation, "rolled_back").await;
        audit::check(&stack).await;
    }
    assert!(crate::buckets(&stack).await.len() <= 2, "only sites that were faster have buckets");
}

#[tokio::test]
async fn e57_a_compensation_that_keeps_failing_waits_for_people_and_goes_on_when_they_ask() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let made = async || item(&stack, "operation", &asked.operation)["cursor"].as_u64() >= Some(7);
    stack.run_until("the bucket is made", crate::PATIENCE, made).await;

    stack.faults().on("run_operation", "s3", "DeleteBucket").always().fail(403, "AccessDenied");
    anna.post_empty(&asked.operation("cancel")).await.expect(202);
    until_operation(&stack, &asked.operation, "needs_attention").await;
    let operation = item(&stack, "operation", &asked.operation);
    assert_eq!(
        (&operation["direction"], &operation["error"]["step"]),
        (&json!("back"), &json!("create_bucket"))
    );
    assert!(operation["error"]["remedy"].as_str().unwrap().contains("AccessDenied"), "{operation}");
    assert_ne!(item(&stack, "site", &asked.site)["state"], "active");
    let site = item(&stack, "site", &asked.site);
    assert!(site["bucket"].is_string(), "what is left is named: {site}");
    audit::check(&stack).await;

    stack.faults().clear();
    let anna = raised(&stack, &anna).await;
    anna.post_empty(&asked.operation("retry")).await.expect(202);
    until_operation(&stack, &asked.operation, "rolled_back").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn e50_a_bucket_with_thousands_of_versions_is_emptied_page_by_page() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deploy(&anna, "acme").await;
    let made = async || item(&stack, "operation", &asked.operation)["cursor"].as_u64() >= Some(7);
    stack.run_until("the bucket is locked up", crate::PATIENCE, made).await;
    let bucket = item(&stack, "site", &asked.site)["bucket"].as_str().unwrap().to_owned();
    for number in 0..2_500 {
        let key = format!("file-{}", number % 625);
        stack.cloud().s3().put(&bucket, &key, "text/plain", "x".into()).await.unwrap();
    }
    for number in 0..20 {
        crate::s3(&stack, "DELETE", &format!("/{bucket}/file-{number}"), "").await;
        crate::s3(&stack, "POST", &format!("/{bucket}/upload-{number}?uploads"), "").await;
    }
    // An upload that was faster than the policy is there when the bucket seems empty.
    stack.faults().on("run_operation", "s3", "DeleteBucket").times(2).fail(409, "BucketNotEmpty");
    anna.post_empty(&asked.operation("cancel")).await.expect(202);
    until_operation(&stack, &asked.operation, "rolled_back").await;
    assert!(crate::buckets(&stack).await.is_empty());
    let pages =
        stack.calls_of("run_operation").iter().filter(|call| call.operation == "DeleteObjects").count();
    assert!(pages >= 3, "{pages} pages");
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_is_past_the_point_of_no_return_goes_forward_over_failures() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    stack.faults().on("run_operation", "ses", "DeleteIdentity").times(3).fail(503, "ServiceUnavailable");
    anna.delete(&asked.path()).await.expect(202);
    let gone = async || item(&stack, "site", &asked.site)["state"] == "retained";
    stack.run_until("the site is taken down", crate::PATIENCE, gone).await;
    audit::check(&stack).await;
    let claim = stack.table("hosting").of_kind("label_claim").remove(0);
    assert_eq!(claim["state"], "quarantine", "a name that was served is kept from others");
    let boris = stack.verified("boris@example.com").await;
    assert_eq!(boris.post("/v1/hosting/sites", json!({"label": "acme"})).await.status, 409);
    stack.advance(Duration::from_secs(90 * 86_400)).await;
    // By now his trial is over.
    let limits =
        json!({"sites": 1, "units": 1, "storage_bytes": 1_000_000, "mails_per_month": 10, "users": 1});
    let paid = json!({"plan": "launch", "access": "full", "mode": "shared", "limits": limits});
    crate::entitled(&stack, boris.org(), |hosting| *hosting = paid).await;
    let boris = crate::kills::signed_in(&stack, &boris).await;
    assert_eq!(boris.post("/v1/hosting/sites", json!({"label": "acme"})).await.status, 202);
}

/// The compensation is killed before and after each of its calls; every run ends with nothing.
#[tokio::test]
async fn killed_while_taking_back() {
    let stack = Stack::start().await;
    let ground = Ground::prepare(&stack).await;
    let machine = stack.cloud().ec2().instances()[0].id.clone();
    let mut runs = 0;
    for nth in 1.. {
        let mut all_reached = true;
        for when in [When::Before, When::After] {
            runs += 1;
            let asked = ground.deploy(&stack, &format!("back-{runs}")).await;
            // The host does not say that it serves the site, so the operation stays where everything is made.
            stack.core().instances.mute(&machine);
            let key = format!("OP#{}", asked.operation);
            let publishing = async || read(&stack, &key, "OP").await["cursor"]["N"] == "10";
            stack.run_until("the host is asked to serve the site", crate::PATIENCE, publishing).await;
            stack.faults().kill("run_operation", nth, when);
            ground.client(&stack).await.post_empty(&asked.operation("cancel")).await.expect(202);
            stack.core().instances.unmute(&machine);
            until_operation(&stack, &asked.operation, "rolled_back").await;
            stack.settle().await;
            all_reached &= stack.faults().kills_left() == 0;
            stack.faults().clear();
        }
        audit::check(&stack).await;
        if !all_reached {
            break;
        }
    }
    assert!(runs > 60, "only {runs} runs");
    assert!(crate::buckets(&stack).await.is_empty());
}
