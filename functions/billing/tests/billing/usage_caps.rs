//! Caps on metered use: held exactly, told at 50, 80 and 100 percent, once a while.

use domain::accounts::Role;
use futures_util::future::join_all;
use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::usage::{
    SMS, USAGE, campaigner, everything_adds_up, items_of_use, record, records, tell, told_by_campaigns,
};
use crate::{HOUR, after, back, past_midnight, refused, told};

const CAP: &str = "/v1/billing/caps/sms_segments";

/// A segment costs 0.8 cents by the plan Pro.
fn cap(window: &str, hard: bool, cents: i64) -> Value {
    json!({"window": window, "hard": hard, "limit": {"minor": cents, "currency": "usd"}})
}

/// The parts of caps that were told, in order.
fn parts_told(stack: &Stack, person: &Client) -> Vec<u64> {
    let mut parts = std::collections::BTreeMap::new();
    for put in stack.calls_of("relay_events").iter().filter(|call| call.operation == "PutEvents") {
        let request: Value = serde_json::from_str(&put.request).unwrap_or_default();
        for entry in request["Entries"].as_array().into_iter().flatten() {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap_or_default()).unwrap();
            if detail["type"] == "billing.spend_cap_reached" && detail["org"] == person.org() {
                let percent = detail["data"]["percent"].as_u64().unwrap();
                parts.insert(detail["id"].as_str().unwrap().to_owned(), percent);
            }
        }
    }
    parts.into_values().collect()
}

#[tokio::test]
async fn e43_two_hundred_at_once_at_cap_minus_one_one_is_taken_and_all_others_hear_of_the_cap() {
    let stack = Stack::start().await;
    past_midnight(&stack).await;
    let anna = campaigner(&stack, "anna@example.com").await;
    anna.put(CAP, cap("month", true, 8)).await.expect(200);
    assert_eq!(tell(&anna, &record("before", "9", stack.now())).await["status"], 201);
    let now = stack.now();
    let answers = join_all((0..200).map(|n| {
        let body = records(&[record(&format!("at-once-{n}"), "1", now)]);
        let anna = &anna;
        async move { anna.post(USAGE, body).await }
    }))
    .await;
    let mut statuses = std::collections::BTreeMap::new();
    for answer in &answers {
        *statuses.entry((answer.status, answer.code())).or_insert(0) += 1;
    }
    let expected = [((200, String::new()), 1), ((402, "spend_cap".to_owned()), 199)];
    assert_eq!(statuses, expected.into());
    stack.settle().await;
    assert_eq!(parts_told(&stack, &anna), [80, 100]);
    assert_eq!(items_of_use(&stack, &anna).len(), 2);
    everything_adds_up(&stack, &anna).await;
}

#[tokio::test]
async fn e43_others_at_the_same_counter_are_no_reason_to_be_turned_away() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    anna.put(CAP, cap("month", true, 8)).await.expect(200);
    // More often than the store tries by itself.
    let fault = stack.faults().on("record_usage", "dynamodb", "TransactWriteItems").times(25);
    fault.fail(400, "TransactionInProgressException");
    assert_eq!(tell(&anna, &record("m-1", "10", stack.now())).await["status"], 201);
    let tries = stack.calls_of("record_usage");
    let tries = tries.iter().filter(|call| call.operation == "TransactWriteItems").count();
    assert_eq!(tries, 26);
    everything_adds_up(&stack, &anna).await;
}

#[tokio::test]
async fn a_hard_cap_that_is_set_in_between_counts_what_was_used_before() {
    let stack = Stack::start().await;
    past_midnight(&stack).await;
    let anna = campaigner(&stack, "anna@example.com").await;
    // Without a cap use is counted in any of eight places.
    let before: Vec<Value> = (0..20).map(|n| record(&format!("b-{n}"), "0.5", stack.now())).collect();
    anna.post(USAGE, records(&before)).await.expect(200);
    insta::assert_json_snapshot!(anna.put(CAP, cap("day", true, 16)).await.ok(), @r#"
    {
      "alerted": [],
      "hard": true,
      "limit": {
        "currency": "usd",
        "minor": 16
      },
      "meter": "sms_segments",
      "window": "day"
    }
    "#);
    let fits = record("fits", "9.5", stack.now());
    assert_eq!(tell(&anna, &fits).await["status"], 201);
    let body = records(&[record("over", "1", stack.now())]);
    let over = anna.post(USAGE, body).await.expect(402);
    insta::assert_json_snapshot!(over, {".request_id" => "[id]"}, @r#"
    {
      "code": "spend_cap",
      "currency": "usd",
      "detail": "The cap of 0.16 USD on sms_segments is reached.",
      "limit_minor": 16,
      "meter": "sms_segments",
      "request_id": "[id]",
      "status": 402,
      "title": "Payment Required",
      "type": "urn:tenantry:problem:spend_cap"
    }
    "#);
    assert_eq!(tell(&anna, &record("rest", "0.5", stack.now())).await["status"], 201);
    // What is known is known, whatever the cap says.
    assert_eq!(tell(&anna, &fits).await["status"], 200);

    // Of several, each has its own answer.
    let mixed = records(&[before[3].clone(), record("no", "1", stack.now())]);
    let mixed = anna.post(USAGE, mixed).await.ok();
    assert_eq!((&mixed["results"][0]["status"], &mixed["results"][1]["status"]), (&json!(200), &json!(402)));
    assert_eq!(mixed["results"][1]["code"], "spend_cap");

    // Made soft it stops nothing; made larger it stops later.
    anna.put(CAP, cap("day", false, 16)).await.expect(200);
    assert_eq!(tell(&anna, &record("soft", "3", stack.now())).await["status"], 201);
    anna.put(CAP, cap("day", true, 20)).await.expect(200);
    assert_eq!(refused(anna.post(USAGE, records(&[record("no", "3", stack.now())]))).await.0, 402);
    assert_eq!(tell(&anna, &record("yes", "2", stack.now())).await["status"], 201);
    everything_adds_up(&stack, &anna).await;
}

#[tokio::test]
async fn each_part_of_a_cap_is_told_once_a_day() {
    let stack = Stack::start().await;
    past_midnight(&stack).await;
    let anna = campaigner(&stack, "anna@example.com").await;
    anna.put(CAP, cap("day", false, 80)).await.expect(200);
    for (id, quantity) in [("a", "49"), ("b", "1"), ("c", "1"), ("d", "30"), ("e", "40"), ("f", "500")] {
        assert_eq!(tell(&anna, &record(id, quantity, stack.now())).await["status"], 201);
    }
    stack.settle().await;
    assert_eq!(parts_told(&stack, &anna), [50, 80, 100]);
    after(&stack, 24 * HOUR).await;
    let anna = back(&stack, &anna).await;
    assert_eq!(tell(&anna, &record("g", "60", stack.now())).await["status"], 201);
    stack.settle().await;
    assert_eq!(parts_told(&stack, &anna), [50, 80, 100, 50]);
    assert_eq!(told(&stack, &anna, "billing.spend_cap_reached"), 4);
    everything_adds_up(&stack, &anna).await;
}

#[tokio::test]
async fn what_happened_beyond_a_hard_cap_is_kept_and_not_charged() {
    let stack = Stack::start().await;
    past_midnight(&stack).await;
    stack.deliver_twice("consume_usage");
    let anna = campaigner(&stack, "anna@example.com").await;
    anna.put(CAP, cap("month", true, 8)).await.expect(200);
    for (n, quantity) in ["9", "2", "1"].into_iter().enumerate() {
        let told = record(&format!("m-{n}"), quantity, stack.now());
        told_by_campaigns(&stack, &anna, &told).await;
    }
    let flags: Vec<Value> = items_of_use(&stack, &anna).iter().map(|entry| entry["flag"].clone()).collect();
    assert_eq!(flags, [Value::Null, json!("beyond_cap"), Value::Null]);
    assert_eq!(parts_told(&stack, &anna), [80, 100]);
    everything_adds_up(&stack, &anna).await;
}

#[tokio::test]
async fn who_pays_sets_caps_and_each_organisation_its_own() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let boris = campaigner(&stack, "boris@example.com").await;
    anna.put(CAP, cap("month", true, 0)).await.expect(200);
    assert_eq!(tell(&boris, &record("m-1", "1", stack.now())).await["status"], 201);
    let stopped = refused(anna.post(USAGE, records(&[record("m-1", "1", stack.now())]))).await;
    assert_eq!(stopped, (402, "spend_cap".to_owned()));
    let member = stack.join(&anna, "member@example.com", Role::Member).await;
    assert_eq!(refused(member.put(CAP, cap("month", true, 800))).await.0, 403);
    let rockets = anna.put("/v1/billing/caps/rockets", cap("month", true, 1));
    assert_eq!(refused(rockets).await.0, 404);
    for (pointer, wrong) in [
        ("/limit/minor", json!({"window": "day", "hard": true, "limit": {"minor": -1, "currency": "usd"}})),
        ("/limit/currency", json!({"window": "day", "hard": true, "limit": {"minor": 1, "currency": "jpy"}})),
    ] {
        assert_eq!(anna.put(CAP, wrong).await.expect(422)["problems"][0]["pointer"], pointer);
    }
    // What costs nothing by a plan has no cap.
    let free = stack.verified("free@example.com").await;
    free.put(CAP, cap("month", true, 0)).await.expect(200);
    assert_eq!(tell(&free, &record("m-1", "1", stack.now())).await["status"], 201);
    assert_eq!(crate::items(&stack, &anna, "cap").len(), 1);
    assert_eq!(refused(anna.get(&format!("{USAGE}?meter={SMS}&day="))).await.0, 422);
    everything_adds_up(&stack, &boris).await;
}
