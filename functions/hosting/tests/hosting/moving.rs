//! A site moves to a machine of its own: copied, compared, led over, with a measured pause for writers alone.

use std::time::Duration;

use local::Stack;
use local::aws::faults::When;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{Asked, audit, deployed, entitled, item, refused};

/// A move and the hour that the old host is kept.
const LONG: Duration = Duration::from_secs(90 * 60);

/// Lets an organisation have machines of its own.
async fn pay(stack: &Stack, client: &Client) {
    entitled(stack, client.org(), |hosting| {
        hosting["plan"] = json!("launch");
        hosting["mode"] = json!("dedicated");
        hosting["limits"]["units"] = json!(2);
        hosting["limits"]["sites"] = json!(3);
    })
    .await;
}

async fn migrate(client: &Client, asked: &Asked) -> String {
    let operation = client.post_empty(&format!("{}/migrate", asked.path())).await.expect(202);
    assert_eq!(operation["kind"], "migrate");
    operation["id"].as_str().unwrap().to_owned()
}

async fn until_over(stack: &Stack, operation: &str, state: &str) {
    let key = format!("OP#{operation}");
    let there = async || crate::read(stack, &key, "OP").await["state"]["S"] == state;
    stack.run_until(&format!("the move is {state}"), LONG, there).await;
}

fn step(stack: &Stack, operation: &str, name: &str) -> Value {
    let steps = stack.table("hosting").of_kind("step");
    let found = steps.into_iter().find(|step| step["operation"] == operation && step["name"] == name);
    found.unwrap_or_default()
}

async fn until_step(stack: &Stack, operation: &str, name: &str) {
    let begun = async || !step(stack, operation, name).is_null();
    stack.run_until(&format!("{name} has begun"), crate::PATIENCE, begun).await;
}

fn bucket(stack: &Stack, asked: &Asked) -> String {
    item(stack, "site", &asked.site)["bucket"].as_str().unwrap().to_owned()
}

async fn put(stack: &Stack, bucket: &str, key: &str, text: &'static str) {
    stack.cloud().s3().put(bucket, key, "text/html", text.into()).await.unwrap();
}

/// Waits until no host is coming up or going away any more.
async fn until_hosts_rest(stack: &Stack) {
    let rests = |host: &Value| host["state"] == "ready" || host["state"] == "terminated";
    let there = async || stack.table("hosting").of_kind("host").iter().all(rests);
    stack.run_until("every host is up or gone", crate::PATIENCE, there).await;
}

/// The address that a name leads to.
fn address(stack: &Stack, name: &str) -> String {
    stack.cloud().route53().resolve(name).unwrap().to_string()
}

#[tokio::test]
async fn a_site_moves_to_a_machine_of_its_own() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    deployed(&stack, &boris, "other").await;
    let bucket = bucket(&stack, &asked);
    for (key, text) in [("index.html", "<h1>Acme</h1>"), ("docs/a.html", "a"), ("docs/b.html", "b")] {
        put(&stack, &bucket, key, text).await;
    }
    let before = address(&stack, "acme.sites.localhost");
    let too_poor = refused(anna.post_empty(&format!("{}/migrate", asked.path()))).await;
    assert_eq!(too_poor, (402, "plan_required".to_owned()));

    pay(&stack, &anna).await;
    let operation = migrate(&anna, &asked).await;
    let committed = async || {
        assert_eq!(stack.browse("http://acme.sites.localhost/").await.text(), "<h1>Acme</h1>");
        item(&stack, "site", &asked.site)["state"] == "active"
            && item(&stack, "operation", &operation)["point_of_no_return"] == true
    };
    stack.run_until("the site is the new host's", crate::PATIENCE, committed).await;
    let site = item(&stack, "site", &asked.site);
    assert_eq!((&site["mode"], &site["units"]), (&json!("dedicated"), &json!(2)));
    assert_ne!(address(&stack, "acme.sites.localhost"), before);
    let moved = &site["event"]["data"];
    assert_eq!(site["event"]["type"], "hosting.site_moved");
    let frozen = moved["frozen_millis"].as_u64().unwrap();
    assert!(frozen > 0 && frozen < 60_000, "nobody could write for {frozen} ms");
    assert_eq!(step(&stack, &operation, "compare_content")["outputs"]["files"], 3);

    let machines = stack.cloud().ec2().instances();
    let own: Vec<_> = machines.iter().filter(|machine| machine.tags.contains_key("tenantry:site")).collect();
    assert_eq!((machines.len(), own.len()), (2, 1));
    assert_eq!(own[0].tags["tenantry:site"], asked.site);
    assert_eq!(own[0].public_ip.to_string(), address(&stack, "acme.sites.localhost"));

    // The old host serves whoever still remembers its address, for an hour.
    assert_eq!(stack.table("hosting").of_kind("reservation").len(), 3);
    until_over(&stack, &operation, "succeeded").await;
    assert_eq!(stack.table("hosting").of_kind("reservation").len(), 2);
    audit::check(&stack).await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.text(), "<h1>Acme</h1>");
    let clara = stack.verified("clara@example.com").await;
    deployed(&stack, &clara, "third").await;
    assert_eq!(stack.cloud().ec2().instances().len(), 2, "nobody else comes onto the machine");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_paid_site_is_built_on_a_machine_of_its_own_which_ends_with_it() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    pay(&stack, &anna).await;
    let asked = deployed(&stack, &anna, "acme").await;
    let machine = stack.cloud().ec2().instances().remove(0);
    assert_eq!((machine.instance_type.as_str(), &machine.tags["tenantry:site"]), ("t3.small", &asked.site));
    let there = refused(anna.post_empty(&format!("{}/migrate", asked.path()))).await;
    assert_eq!(there, (409, "already_there".to_owned()));
    anna.delete(&asked.path()).await.expect(202);
    let gone = async || stack.cloud().ec2().running().is_empty();
    stack.run_until("the machine ends", crate::PATIENCE, gone).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn e60_a_file_that_changes_while_nobody_should_write_stops_the_move() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let (bucket, before) = (bucket(&stack, &asked), address(&stack, "acme.sites.localhost"));
    pay(&stack, &anna).await;
    let operation = migrate(&anna, &asked).await;
    let frozen = async || step(&stack, &operation, "freeze_writes")["state"] == "done";
    stack.run_until("nobody writes", crate::PATIENCE, frozen).await;
    put(&stack, &bucket, "index.html", "changed past the policy").await;
    until_over(&stack, &operation, "rolled_back").await;
    assert_eq!(item(&stack, "operation", &operation)["error"]["code"], "content_changed");

    let site = item(&stack, "site", &asked.site);
    assert_eq!(
        (&site["state"], &site["mode"], &site["stays"]),
        (&json!("active"), &json!("shared"), &json!(true))
    );
    assert_eq!(address(&stack, "acme.sites.localhost"), before);
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.text(), "changed past the policy");
    let anna = crate::kills::signed_in(&stack, &anna).await;
    let access = format!("{}/access", asked.path());
    let session = anna.post(&access, json!({"kind": "session"})).await.expect(200);
    assert_eq!(session["session"]["writable"], true, "writers write again");
    let alone = async || stack.cloud().ec2().running().len() == 1;
    stack.run_until("the new machine is gone", crate::PATIENCE, alone).await;
    audit::check(&stack).await;

    // Asked for again, by its people or by staff, it goes through.
    let operator = crate::staff(&stack).await;
    let operation = migrate(&operator, &asked).await;
    until_over(&stack, &operation, "succeeded").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_host_that_does_not_confirm_its_copy_in_a_minute_does_not_get_the_site() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    pay(&stack, &anna).await;
    let operation = migrate(&anna, &asked).await;
    until_step(&stack, &operation, "publish_manifest").await;
    let machine =
        stack.cloud().ec2().instances().into_iter().find(|one| one.tags.contains_key("tenantry:site"));
    let machine = machine.unwrap().id;
    until_step(&stack, &operation, "freeze_writes").await;
    stack.core().instances.mute(&machine);
    let turned = async || item(&stack, "operation", &operation)["direction"] == "back";
    stack.run_until("it turns back", crate::PATIENCE, turned).await;
    stack.core().instances.unmute(&machine);
    until_over(&stack, &operation, "rolled_back").await;
    assert_eq!(item(&stack, "operation", &operation)["error"]["code"], "freeze_too_long");
    audit::check(&stack).await;
}

/// How often the site's bucket was asked to be open for others, or for fewer.
fn policies(stack: &Stack) -> usize {
    stack.calls_of("run_operation").iter().filter(|call| call.operation == "PutBucketPolicy").count()
}

#[tokio::test]
async fn a_move_whose_files_cannot_be_listed_is_taken_back() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    pay(&stack, &anna).await;
    // Before anybody was kept from writing; and when nobody could write any more.
    // Ten failures may be over sooner than the time that nobody may write.
    for (passed, frozen, codes) in [(0, 0, &["internal"][..]), (1, 1, &["freeze_too_long", "internal"])] {
        let operation = migrate(&crate::kills::signed_in(&stack, &anna).await, &asked).await;
        until_step(&stack, &operation, "copy_content").await;
        let before = policies(&stack);
        let faults = stack.faults();
        faults.on("run_operation", "s3", "ListObjectsV2").after(passed).always().fail(403, "AccessDenied");
        let turned = async || item(&stack, "operation", &operation)["direction"] == "back";
        stack.run_until("it turns back", crate::PATIENCE, turned).await;
        let error = item(&stack, "operation", &operation)["error"].clone();
        assert!(
            codes.iter().any(|code| error["code"] == *code) && error["step"] == "freeze_writes",
            "{error}"
        );
        until_over(&stack, &operation, "rolled_back").await;
        // Going back opens the bucket, whether or not it was shut.
        assert!(policies(&stack) > before + frozen);
        stack.faults().clear();
        let alone = async || stack.cloud().ec2().running().len() == 1;
        stack.run_until("the new machine is gone", crate::PATIENCE, alone).await;
        until_hosts_rest(&stack).await;
        audit::check(&stack).await;
    }
}

#[tokio::test]
async fn whoever_turns_back_opens_writes_before_waiting_for_name_servers() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    pay(&stack, &anna).await;
    let operation = migrate(&anna, &asked).await;
    until_step(&stack, &operation, "copy_content").await;
    let faults = stack.faults();
    faults.on("run_operation", "s3", "PutBucketPolicy").after(1).always().fail(403, "AccessDenied");
    until_step(&stack, &operation, "unfreeze_writes").await;
    let anna = crate::kills::signed_in(&stack, &anna).await;
    anna.post_empty(&format!("/v1/hosting/operations/{operation}/cancel")).await.expect(202);
    stack.settle().await;
    let before = policies(&stack);
    stack.faults().clear();
    let back = async || step(&stack, &operation, "unfreeze_writes")["state"] == "compensated";
    stack.run_until("the first step is taken back", crate::PATIENCE, back).await;
    assert_eq!(policies(&stack), before + 1, "writes are open");
    assert_ne!(step(&stack, &operation, "point_name")["state"], "compensated");
    until_over(&stack, &operation, "rolled_back").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn e59_a_move_is_cancelled_before_the_site_has_moved_and_not_after() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let before = address(&stack, "acme.sites.localhost");
    pay(&stack, &anna).await;
    for name in ["reserve_slot", "copy_content", "check_site", "freeze_writes", "await_name"] {
        let anna = crate::kills::signed_in(&stack, &anna).await;
        let operation = migrate(&anna, &asked).await;
        until_step(&stack, &operation, name).await;
        let cancelled = anna.post_empty(&format!("/v1/hosting/operations/{operation}/cancel")).await;
        cancelled.expect(202);
        until_over(&stack, &operation, "rolled_back").await;
        let alone = async || stack.cloud().ec2().running().len() == 1;
        stack.run_until("the new machine is gone, or never comes", crate::PATIENCE, alone).await;
        until_hosts_rest(&stack).await;
        audit::check(&stack).await;
        assert_eq!(address(&stack, "acme.sites.localhost"), before, "cancelled at {name}");
        assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    }
    let anna = crate::kills::signed_in(&stack, &anna).await;
    let operation = migrate(&anna, &asked).await;
    until_step(&stack, &operation, "keep_source").await;
    let late = refused(anna.post_empty(&format!("/v1/hosting/operations/{operation}/cancel"))).await;
    assert_eq!(late, (409, "point_of_no_return".to_owned()));
    until_over(&stack, &operation, "succeeded").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_is_wished_for_during_a_move_comes_after_it() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let operator = crate::staff(&stack).await;
    let asked = deployed(&stack, &anna, "acme").await;
    pay(&stack, &anna).await;
    let operation = migrate(&anna, &asked).await;
    until_step(&stack, &operation, "keep_source").await;
    let body = json!({"reason": "Nobody pays."});
    operator.post(&format!("{}/suspend", asked.path()), body).await.expect(202);
    let down = async || item(&stack, "site", &asked.site)["state"] == "suspended";
    stack.run_until("it is suspended", crate::PATIENCE * 2, down).await;
    assert_eq!(
        item(&stack, "operation", &operation)["state"],
        "succeeded",
        "the cut-over was not interrupted"
    );
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 503);
    audit::check(&stack).await;
}

#[tokio::test]
async fn every_message_twice_moves_once() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    pay(&stack, &anna).await;
    for function in ["run_operation", "apply_dns_changes", "scale_pool", "relay_events"] {
        stack.deliver_twice(function);
        stack.shuffle(function);
    }
    let operation = migrate(&anna, &asked).await;
    until_over(&stack, &operation, "succeeded").await;
    assert_eq!(stack.cloud().ec2().instances().len(), 2);
    let steps = stack.table("hosting").of_kind("step");
    assert_eq!(steps.iter().filter(|step| step["operation"] == operation).count(), 16);
    audit::check(&stack).await;
}

/// How many calls of a move are died at on one stack: what earlier moves leave behind makes later ones slower.
const CALLS_PER_STACK: usize = 6;

/// The worker is killed at a call of each move, there and back: the first at `first`, the next `step` calls later. Every run
/// ends with the site on one host, here or there, and nothing left over.
async fn killed_at_calls(when: When, first: u64, step: usize) {
    let mut killed = 0;
    let mut calls = (first..).step_by(step);
    loop {
        let stack = Stack::start().await;
        let anna = stack.verified("anna@example.com").await;
        let asked = deployed(&stack, &anna, "acme").await;
        let mut reached = 0;
        for nth in calls.by_ref().take(CALLS_PER_STACK) {
            let dedicated = item(&stack, "site", &asked.site)["mode"] == "dedicated";
            entitled(&stack, anna.org(), |hosting| {
                hosting["plan"] = json!("launch");
                hosting["mode"] = json!(if dedicated { "shared" } else { "dedicated" });
            })
            .await;
            let anna = crate::kills::signed_in(&stack, &anna).await;
            stack.faults().kill("run_operation", nth, when);
            let operation = migrate(&anna, &asked).await;
            let key = format!("OP#{operation}");
            let state =
                async || crate::read(&stack, &key, "OP").await["state"]["S"].as_str().unwrap().to_owned();
            let over = async || ["succeeded", "rolled_back"].contains(&state().await.as_str());
            let kept =
                async || over().await || crate::read(&stack, &key, "STEP#13#keep_source").await.is_object();
            stack.run_until("the move is over but for the old host", crate::PATIENCE, kept).await;
            if !over().await {
                // The hour for which the old host is kept, at once.
                stack.advance(Duration::from_secs(3_600)).await;
            }
            stack.run_until("the move is over", crate::PATIENCE, over).await;
            reached += 1 - stack.faults().kills_left();
            stack.faults().clear();
            until_hosts_rest(&stack).await;
            audit::check(&stack).await;
            assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
        }
        killed += reached;
        if reached < CALLS_PER_STACK {
            break;
        }
    }
    assert!(killed * step > 150, "run_operation was killed {killed} times only");
}

#[tokio::test]
async fn e56_run_operation_dies_before_calls_of_a_move() {
    killed_at_calls(When::Before, 1, 5).await;
}

#[tokio::test]
async fn e56_run_operation_dies_after_calls_of_a_move() {
    killed_at_calls(When::After, 3, 5).await;
}

#[tokio::test]
#[ignore = "takes nine minutes: cargo test --workspace --test hosting -- --ignored every_call_of_a_move"]
async fn e56_run_operation_dies_before_and_after_every_call_of_a_move() {
    futures_util::future::join(killed_at_calls(When::Before, 1, 1), killed_at_calls(When::After, 1, 1)).await;
}
