//! Metered use: taken in once, added up by the hour, told to Stripe once, and compared with what Stripe counted.

use std::time::Duration;

use domain::Timestamp;
use domain::accounts::Role;
use http::Method;
use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::buy;
use crate::{DAY, HOUR, after, back, items, past_midnight, refused, staff};

pub(crate) const USAGE: &str = "/v1/usage";
pub(crate) const SMS: &str = "sms_segments";

/// Somebody who bought Campaigns Pro.
pub(crate) async fn campaigner(stack: &Stack, email: &str) -> Client {
    let person = stack.verified(email).await;
    buy(stack, &person, "campaigns_pro_month_usd").await;
    stack.settle().await;
    person
}

pub(crate) fn record(id: &str, quantity: &str, at: Timestamp) -> Value {
    json!({"id": id, "meter": SMS, "quantity": quantity, "at": at})
}

pub(crate) fn records(records: &[Value]) -> Value {
    json!({"records": records})
}

/// Tells one record; answers its result.
pub(crate) async fn tell(person: &Client, record: &Value) -> Value {
    person.post(USAGE, records(std::slice::from_ref(record))).await.ok()["results"][0].clone()
}

/// A millionth is the smallest amount of use.
fn millionths(items: &[Value]) -> i64 {
    items.iter().map(|item| item["quantity"].as_i64().unwrap()).sum()
}

/// What Stripe counted of an organisation's use, by its summaries of all that time.
fn at_stripe(stack: &Stack, person: &Client) -> i64 {
    let account = &items(stack, person, "account")[0];
    let Some(customer) = account["stripe_customer"].as_str() else { return 0 };
    let end = stack.now().as_secs() / 3_600 * 3_600 + 3_600;
    let start = end - 80 * i64::try_from(DAY).unwrap();
    let mut sum = 0;
    for meter in stack.stripe().objects("billing.meter") {
        let path = format!("/v1/billing/meters/{}/event_summaries", meter["id"].as_str().unwrap());
        let form = format!("customer={customer}&start_time={start}&end_time={end}");
        let (status, found) = stack.stripe().request(&Method::GET, &path, &form);
        assert_eq!(status, 200, "{found}");
        let values = found["data"].as_array().unwrap().iter();
        sum += values.map(|summary| summary["aggregated_value"].as_i64().unwrap()).sum::<i64>();
    }
    sum
}

/// I6: the parts of all hours add up to the entries that are charged, and so do Stripe's summaries and the counts.
pub(crate) async fn everything_adds_up(stack: &Stack, person: &Client) {
    // Longer than an hour is open, and than a message waits that was not worked on.
    for _ in 0..3 {
        after(stack, HOUR).await;
    }
    let entries: Vec<Value> =
        items_of_use(stack, person).into_iter().filter(|entry| entry["flag"].is_null()).collect();
    let pk = |entry: &Value| entry["pk"].as_str().unwrap().to_owned();
    assert!(!entries.is_empty() && entries.iter().all(|entry| pk(entry).contains(person.org())));
    let parts = items(stack, person, "rollup");
    assert!(parts.iter().all(|part| part["state"] == "confirmed"), "{parts:#?}");
    assert_eq!(millionths(&parts), millionths(&entries), "parts and entries");
    assert_eq!(at_stripe(stack, person), millionths(&entries), "Stripe and entries");
    let counters = stack.table("billing").of_kind("usage_counter");
    let of = |window: &str| -> i64 {
        let own = counters.iter().filter(|counter| {
            pk(counter).starts_with(&format!("AGG#{}#", person.org()))
                && counter["sk"].as_str().unwrap().starts_with(window)
        });
        own.map(|counter| counter["used"].as_i64().unwrap()).sum()
    };
    assert_eq!((of("D"), of("M")), (millionths(&entries), millionths(&entries)), "counts and entries");
}

/// Another area tells of use, on the bus.
pub(crate) async fn told_by_campaigns(stack: &Stack, person: &Client, record: &Value) {
    let detail = json!({
        "id": platform::random::id::<domain::EventId>(stack.now()), "type": "campaigns.usage_recorded", "v": 1,
        "org": person.org(), "at": stack.now(), "actor": "system:send_messages", "request_id": "r",
        "data": record,
    });
    let events = stack.cloud().events();
    let put =
        events.put_event("tenantry-local", "tenantry.campaigns", "campaigns.usage_recorded", &detail, &[]);
    put.await.unwrap();
    stack.settle().await;
}

#[tokio::test]
async fn use_is_taken_in_listed_and_told_to_stripe_by_the_hour() {
    let stack = Stack::start().await;
    past_midnight(&stack).await;
    stack.deliver_twice("send_meter_events");
    let anna = campaigner(&stack, "anna@example.com").await;
    let now = stack.now();
    let body = records(&[record("m-1", "2", now), record("m-2", "0.5", now), record("m-1", "2", now)]);
    insta::assert_json_snapshot!(anna.post(USAGE, body).await.ok(), @r#"
    {
      "results": [
        {
          "id": "m-1",
          "status": 201
        },
        {
          "id": "m-2",
          "status": 201
        },
        {
          "id": "m-1",
          "status": 200
        }
      ]
    }
    "#);
    let day: String = now.to_string().chars().take(10).collect();
    let first = anna.get(&format!("{USAGE}?meter={SMS}&day={day}&limit=1")).await.ok();
    assert_eq!((&first["items"][0]["id"], &first["items"][0]["quantity"]), (&json!("m-1"), &json!("2")));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = anna.get(&format!("{USAGE}?meter={SMS}&limit=1&cursor={cursor}")).await.ok();
    assert_eq!((&second["items"][0]["id"], &second["items"][0]["quantity"]), (&json!("m-2"), &json!("0.5")));
    assert_eq!(anna.get(&format!("{USAGE}?meter={SMS}&day=2020-01-01")).await.ok()["items"], json!([]));
    for wrong in ["meter=rockets", "meter=sms_segments&day=yesterday"] {
        assert_eq!(refused(anna.get(&format!("{USAGE}?{wrong}"))).await.0, 422, "{wrong}");
    }
    everything_adds_up(&stack, &anna).await;
    let events = stack.stripe().objects("billing.meter_event");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["payload"]["value"], "2500000");
    assert_eq!(crate::told(&stack, &anna, "billing.usage_sealed"), 1);
}

#[tokio::test]
async fn e39_told_twice_after_30_hours_after_sealing_and_with_another_quantity() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let told = record("m-1", "2", stack.now());
    assert_eq!(tell(&anna, &told).await["status"], 201);
    after(&stack, 30 * HOUR).await;
    let anna = back(&stack, &anna).await;
    assert_eq!(tell(&anna, &told).await["status"], 200);
    assert_eq!(
        tell(&anna, &record("m-1", "2.000", told["at"].as_str().unwrap().parse().unwrap())).await["status"],
        200
    );
    for (field, other) in [("quantity", "3"), ("meter", "agent_runs")] {
        let mut wrong = told.clone();
        wrong[field] = other.into();
        let answer = refused(anna.post(USAGE, records(&[wrong]))).await;
        assert_eq!(answer, (409, "usage_mismatch".to_owned()), "{field}");
    }
    // What comes to an hour that was sent is a part of its own.
    let late = json!({"id": "m-2", "meter": SMS, "quantity": "1", "at": told["at"]});
    assert_eq!(tell(&anna, &late).await["status"], 201);
    everything_adds_up(&stack, &anna).await;
    let parts: Vec<Value> =
        items(&stack, &anna, "rollup").iter().map(|part| part["sequence"].clone()).collect();
    assert_eq!(parts, [json!(0), json!(1)]);
    assert_eq!(stack.stripe().objects("billing.meter_event").len(), 2);
}

#[tokio::test]
async fn e40_late_use_and_use_without_a_plan_is_refused_or_kept_and_flagged() {
    let stack = Stack::start().await;
    stack.deliver_twice("consume_usage");
    let anna = campaigner(&stack, "anna@example.com").await;
    let oldest = stack.now() - domain::billing::usage::LATEST;
    let too_old = record("old", "1", oldest - std::time::Duration::from_secs(60));
    let answer = anna.post(USAGE, records(std::slice::from_ref(&too_old))).await.expect(422);
    assert_eq!(answer["problems"][0]["pointer"], "/records/0/at");
    let some = anna.post(USAGE, records(&[record("new", "1", stack.now()), too_old.clone()])).await.ok();
    assert_eq!((&some["results"][0]["status"], &some["results"][1]["status"]), (&json!(201), &json!(422)));
    assert_eq!(some["results"][1]["problems"][0]["pointer"], "/records/1/at");

    told_by_campaigns(&stack, &anna, &too_old).await;
    told_by_campaigns(&stack, &anna, &record("inside", "3", stack.now())).await;
    stack.settle().await;

    // The door to the product is not open.
    let mut entitlements = items(&stack, &anna, "entitlements")[0].clone();
    entitlements.as_object_mut().unwrap().remove("event");
    entitlements["products"]["campaigns"]["access"] = "read_only".into();
    stack.put_item("billing", &entitlements).await.unwrap();
    let now = record("shut", "1", stack.now());
    let shut = refused(anna.post(USAGE, records(std::slice::from_ref(&now)))).await;
    assert_eq!(shut, (402, "plan_restricted".to_owned()));
    told_by_campaigns(&stack, &anna, &now).await;
    stack.settle().await;
    entitlements["products"].as_object_mut().unwrap().remove("campaigns");
    stack.put_item("billing", &entitlements).await.unwrap();
    let none = refused(anna.post(USAGE, records(&[record("none", "1", stack.now())]))).await;
    assert_eq!(none, (402, "plan_required".to_owned()));

    let entries = items_of_use(&stack, &anna);
    let flags: Vec<(String, Value)> = entries
        .iter()
        .map(|entry| (entry["id"].as_str().unwrap().to_owned(), entry["flag"].clone()))
        .collect();
    let expected = [
        ("inside", Value::Null),
        ("new", Value::Null),
        ("old", json!("too_old")),
        ("shut", json!("not_entitled")),
    ];
    assert_eq!(flags, expected.map(|(id, flag)| (id.to_owned(), flag)));
    everything_adds_up(&stack, &anna).await;
}

/// An organisation's entries, by id.
pub(crate) fn items_of_use(stack: &Stack, person: &Client) -> Vec<Value> {
    let all = stack.table("billing").of_kind("usage");
    let mut own: Vec<Value> = all.into_iter().filter(|entry| entry["org"] == person.org()).collect();
    own.sort_by_key(|entry| entry["id"].as_str().unwrap().to_owned());
    own
}

#[tokio::test]
async fn what_other_areas_tell_wrongly_waits_for_people() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    assert_eq!(tell(&anna, &record("m-1", "1", stack.now())).await["status"], 201);
    told_by_campaigns(&stack, &anna, &record("m-1", "2", stack.now())).await;
    let rockets = json!({"id": "r", "meter": "rockets", "quantity": "1", "at": stack.now()});
    told_by_campaigns(&stack, &anna, &rockets).await;
    let letters = stack.expect_dead_letters(2).await;
    assert!(letters.iter().all(|(queue, _)| queue.ends_with("billing-usage-dead-letters")));
    let reasons: Vec<&str> = letters
        .iter()
        .map(|(_, letter)| letter.attributes["reason"]["StringValue"].as_str().unwrap())
        .collect();
    assert!(reasons[0].starts_with("usage_mismatch"), "{reasons:?}");
    assert!(reasons[1].starts_with("invalid: /meter"), "{reasons:?}");
    everything_adds_up(&stack, &anna).await;
}

#[tokio::test]
async fn e41_a_send_without_an_answer_is_looked_up_a_day_later_and_never_doubled() {
    for has_arrived in [true, false] {
        let stack = Stack::start().await;
        let anna = campaigner(&stack, "anna@example.com").await;
        assert_eq!(tell(&anna, &record("m-1", "7", stack.now())).await["status"], 201);
        let events = "POST /v1/billing/meter_events";
        let fault = stack.faults().on("send_meter_events", "stripe", events).always();
        if has_arrived {
            fault.lose_answer();
        } else {
            fault.fail(503, "api_error");
        }
        after(&stack, 2 * HOUR).await;
        assert_eq!(items(&stack, &anna, "rollup")[0]["state"], "sent", "arrived: {has_arrived}");
        assert_eq!(at_stripe(&stack, &anna), if has_arrived { 7_000_000 } else { 0 });
        stack.queue("billing-meters").purge();
        after(&stack, 25 * HOUR).await;
        stack.queue("billing-meters").purge();
        stack.queue("billing-meters-dead-letters").purge();
        stack.faults().clear();
        let sends = || {
            let calls = stack.stripe().calls();
            calls.iter().filter(|call| call.operation == events).count()
        };
        let before = sends();
        for _ in 0..3 {
            after(&stack, HOUR).await;
        }
        assert_eq!(sends() - before, usize::from(!has_arrived), "what arrived is not sent again");
        assert_eq!(stack.stripe().objects("billing.meter_event").len(), 1);
        everything_adds_up(&stack, &anna).await;
    }
}

#[tokio::test]
async fn e41_a_sum_that_nothing_explains_waits_for_people() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let at = stack.now();
    assert_eq!(tell(&anna, &record("m-1", "7", at)).await["status"], 201);
    stack.faults().on("send_meter_events", "stripe", "POST /v1/billing/meter_events").always().lose_answer();
    after(&stack, 2 * HOUR).await;
    let account = &items(&stack, &anna, "account")[0];
    let customer = account["stripe_customer"].as_str().unwrap();
    let form = format!(
        "event_name={SMS}&payload[stripe_customer_id]={customer}&payload[value]=5&identifier=by-hand&timestamp={}",
        at.as_secs()
    );
    let (status, made) = stack.stripe().request(&Method::POST, "/v1/billing/meter_events", &form);
    assert_eq!(status, 200, "{made}");
    after(&stack, 25 * HOUR).await;
    stack.queue("billing-meters").purge();
    stack.queue("billing-meters-dead-letters").purge();
    stack.faults().clear();
    for _ in 0..2 {
        after(&stack, HOUR).await;
    }
    let part = &items(&stack, &anna, "rollup")[0];
    assert_eq!(part["state"], "failed");
    assert!(part["error"].as_str().unwrap().contains("7000005"), "{part}");
    assert_eq!(stack.stripe().objects("billing.meter_event").len(), 2);
}

#[tokio::test]
async fn e42_what_stripe_cannot_hold_is_refused_or_sent_in_parts() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    for wrong in ["-1", "1000000000", "0.0000001", "1e3", "", "much"] {
        let answer = anna.post(USAGE, records(&[record("w", wrong, stack.now())])).await.expect(422);
        assert_eq!(answer["problems"][0]["pointer"], "/records/0/quantity", "{wrong}");
    }
    let none = refused(anna.post(USAGE, records(&[]))).await;
    assert_eq!(none, (422, "invalid".to_owned()));
    let many: Vec<Value> = (0..101).map(|n| record(&n.to_string(), "1", stack.now())).collect();
    assert_eq!(refused(anna.post(USAGE, records(&many))).await.0, 422);
    let ahead = record("a", "1", stack.now() + std::time::Duration::from_secs(600));
    let answer = anna.post(USAGE, records(&[ahead])).await.expect(422);
    assert_eq!(answer["problems"][0]["pointer"], "/records/0/at");

    for id in ["m-1", "m-2"] {
        assert_eq!(tell(&anna, &record(id, "999999999.999999", stack.now())).await["status"], 201);
    }
    assert_eq!(tell(&anna, &record("m-3", "0", stack.now())).await["status"], 201);
    everything_adds_up(&stack, &anna).await;
    let events = stack.stripe().objects("billing.meter_event");
    let values: Vec<&Value> = events.iter().map(|event| &event["payload"]["value"]).collect();
    assert_eq!(values, ["999999999999999", "999999999999999"]);
}

#[tokio::test]
async fn staff_take_back_what_is_not_billed() {
    let stack = Stack::start().await;
    let staff = staff(&stack).await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    assert_eq!(tell(&anna, &record("m-1", "2", stack.now())).await["status"], 201);
    assert_eq!(tell(&anna, &record("m-2", "3", stack.now())).await["status"], 201);
    let path = format!("{USAGE}/m-1/void");
    let of = |person: &Client| json!({"org": person.org()});
    assert_eq!(refused(anna.post(&path, of(&anna))).await, (403, "not_staff".to_owned()));
    assert_eq!(refused(staff.post(&path, of(&boris))).await.0, 404, "it is not Boris's");
    let void = staff.post(&path, of(&anna)).await.ok();
    assert_eq!(
        (&void["id"], &void["quantity"], &void["void_of"]),
        (&json!("m-1:void"), &json!("-2"), &json!("m-1"))
    );
    assert_eq!(staff.post(&path, of(&anna)).await.ok(), void);
    let twice = refused(staff.post(&format!("{USAGE}/m-1:void/void"), of(&anna))).await;
    assert_eq!(twice, (409, "not_voidable".to_owned()));
    everything_adds_up(&stack, &anna).await;
    let staff = back(&stack, &staff).await;
    let billed = refused(staff.post(&format!("{USAGE}/m-2/void"), of(&anna))).await;
    assert_eq!(billed, (409, "already_billed".to_owned()));
}

#[tokio::test]
async fn nobody_sees_or_touches_anothers_use() {
    let stack = Stack::start().await;
    past_midnight(&stack).await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let boris = campaigner(&stack, "boris@example.com").await;
    assert_eq!(tell(&anna, &record("same", "1", stack.now())).await["status"], 201);
    assert_eq!(
        tell(&boris, &record("same", "5", stack.now())).await["status"],
        201,
        "ids are each one's own"
    );
    let listed = boris.get(&format!("{USAGE}?meter={SMS}&limit=1")).await.ok();
    assert_eq!(
        (listed["items"].as_array().unwrap().len(), &listed["items"][0]["quantity"]),
        (1, &json!("5"))
    );
    tell(&anna, &record("other", "1", stack.now())).await;
    let cursor = anna.get(&format!("{USAGE}?meter={SMS}&limit=1")).await.ok()["next_cursor"].clone();
    let foreign = format!("{USAGE}?meter={SMS}&limit=1&cursor={}", cursor.as_str().unwrap());
    assert_eq!(refused(boris.get(&foreign)).await, (400, "invalid_cursor".to_owned()));
    let viewer = stack.join(&anna, "viewer@example.com", Role::Viewer).await;
    let told = refused(viewer.post(USAGE, records(&[record("v", "1", stack.now())]))).await;
    assert_eq!(told, (403, "role_too_low".to_owned()));
    assert_eq!(viewer.get(&format!("{USAGE}?meter={SMS}")).await.ok()["items"].as_array().unwrap().len(), 2);
    everything_adds_up(&stack, &anna).await;
    everything_adds_up(&stack, &boris).await;
}

#[tokio::test]
async fn use_of_who_is_no_customer_is_counted_and_not_sent() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    assert_eq!(tell(&anna, &record("m-1", "1", stack.now())).await["status"], 201);
    after(&stack, 2 * HOUR).await;
    assert_eq!(items(&stack, &anna, "rollup")[0]["state"], "unbilled");
    assert!(stack.stripe().objects("billing.meter_event").is_empty());
}

#[tokio::test]
async fn use_that_stripe_counted_otherwise_is_found_at_night() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let boris = campaigner(&stack, "boris@example.com").await;
    for person in [&anna, &boris] {
        assert_eq!(tell(person, &record("m-1", "4", stack.now())).await["status"], 201);
    }
    everything_adds_up(&stack, &anna).await;
    let identifier = stack.stripe().objects("billing.meter_event").iter().find_map(|event| {
        let identifier = event["identifier"].as_str().unwrap();
        identifier.starts_with(anna.org()).then(|| identifier.to_owned())
    });
    let form = format!("event_name={SMS}&type=cancel&cancel[identifier]={}", identifier.unwrap());
    let cancelled = stack.stripe().request(&Method::POST, "/v1/billing/meter_event_adjustments", &form);
    assert_eq!(cancelled.0, 200);
    for _ in 0..2 {
        after(&stack, 24 * HOUR).await;
    }
    let found = stack.table("billing").of_kind("difference");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["org"], &found[0]["kept"], &found[0]["found"]),
        (&json!(anna.org()), &json!("4"), &json!("0"))
    );
}

#[tokio::test]
async fn meters_and_prices_by_use_are_brought_to_stripe_once() {
    let stack = Stack::start().await;
    let staff = staff(&stack).await;
    let path = "/v1/admin/catalog/sync";
    assert_eq!(staff.post_empty(path).await.ok()["meters"], 3);
    let before = stack.stripe().calls().len();
    assert_eq!(staff.post_empty(path).await.ok(), json!({"products": 0, "prices": 0, "meters": 0}));
    let writes: Vec<String> = stack.stripe().calls()[before..]
        .iter()
        .filter(|call| call.operation.starts_with("POST"))
        .map(|call| call.operation.clone())
        .collect();
    assert_eq!(writes, Vec::<String>::new());
    let prices = stack.stripe().objects("price");
    let price = prices.iter().find(|price| price["lookup_key"] == "campaigns_pro_sms_segments_usd").unwrap();
    let meters = stack.stripe().objects("billing.meter");
    let meter = meters.iter().find(|meter| meter["event_name"] == SMS).unwrap();
    assert_eq!(
        (&price["recurring"]["meter"], &price["recurring"]["usage_type"], &price["billing_scheme"]),
        (&meter["id"], &json!("metered"), &json!("tiered"))
    );
}

/// The lines of an organisation's newest invoice, by what they charge.
fn lines(stack: &Stack) -> Vec<(String, i64)> {
    let invoices = stack.stripe().objects("invoice");
    let lines = invoices.last().unwrap()["lines"]["data"].as_array().unwrap().clone();
    let prices = stack.stripe().objects("price");
    let key = |line: &Value| {
        let id = &line["pricing"]["price_details"]["price"];
        let price = prices.iter().find(|price| price["id"] == *id).unwrap();
        price["lookup_key"].as_str().unwrap().to_owned()
    };
    let mut charged: Vec<(String, i64)> =
        lines.iter().map(|line| (key(line), line["amount"].as_i64().unwrap())).collect();
    charged.sort();
    charged
}

#[tokio::test]
async fn use_beyond_what_the_plan_includes_is_on_the_next_invoice() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    // 500 are included; each of the others costs 0.8 cents.
    assert_eq!(tell(&anna, &record("m-1", "1500", stack.now())).await["status"], 201);
    everything_adds_up(&stack, &anna).await;
    stack.travel(32).await;
    let expected = [("campaigns_pro_month_usd", 4_900), ("campaigns_pro_sms_segments_usd", 800)];
    assert_eq!(lines(&stack), expected.map(|(key, amount)| (key.to_owned(), amount)));
}

#[tokio::test]
async fn another_plan_brings_its_own_price_by_use() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    let path = "/v1/billing/subscriptions/campaigns";
    let priced = || {
        let subscriptions = stack.stripe().objects("subscription");
        let items = subscriptions.last().unwrap()["items"]["data"].as_array().unwrap().clone();
        let mut keys: Vec<String> =
            items.iter().map(|item| item["price"]["lookup_key"].as_str().unwrap().to_owned()).collect();
        keys.sort();
        keys
    };
    let change = async |price: &str| {
        let body = json!({"price": price, "quantity": 1});
        let quote = anna.post(&format!("{path}/preview"), body).await.expect(201);
        let taking = json!({"quote": quote["id"], "signature": quote["signature"]});
        anna.patch(path, taking).await.expect(200);
        stack.settle().await;
    };
    change("campaigns_enterprise_month_usd").await;
    assert_eq!(priced(), ["campaigns_enterprise_month_usd", "campaigns_enterprise_sms_segments_usd"]);
    change("campaigns_pro_month_usd").await;
    let later = items(&stack, &anna, "subscription")[0]["pending"].clone();
    assert_eq!(later["price"], "campaigns_pro_month_usd", "{later}");
    stack.travel(32).await;
    assert_eq!(priced(), ["campaigns_pro_month_usd", "campaigns_pro_sms_segments_usd"]);
}

#[tokio::test]
async fn what_was_never_paid_ends_without_a_last_invoice() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let update = json!({"name": "Northwind", "address": {"line1": "1 Main St", "postal_code": "94103", "country": "US"}});
    anna.put("/v1/billing/account", update).await.expect(200);
    let body = json!({"price": "campaigns_pro_month_usd"});
    anna.post("/v1/billing/subscriptions", body).await.expect(201);
    stack.settle().await;
    let ended = anna.delete("/v1/billing/subscriptions/campaigns?when=now").await.ok();
    assert_eq!(ended["status"], "canceled");
    stack.settle().await;
    assert!(items(&stack, &anna, "subscription")[0]["first_paid_at"].is_null());
    assert_eq!(stack.stripe().objects("invoice").len(), 1, "the first one, which nobody paid");
    crate::audit::check(&stack).await;
}

#[tokio::test]
async fn a_plan_by_the_year_has_its_use_too() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    buy(&stack, &anna, "campaigns_pro_year_usd").await;
    stack.settle().await;
    let subscription = &items(&stack, &anna, "subscription")[0];
    assert_eq!((&subscription["plan"], &subscription["interval"]), (&json!("pro"), &json!("year")));
    assert_eq!(subscription["items"].as_array().unwrap().len(), 2);
    let days =
        (subscription["period_end"].as_str().unwrap().parse::<Timestamp>().unwrap()).since(stack.now());
    assert!(days.as_secs() > 360 * DAY, "the period is the plan's");
}

#[tokio::test]
async fn who_ends_at_once_pays_for_what_was_used() {
    let stack = Stack::start().await;
    let anna = campaigner(&stack, "anna@example.com").await;
    after(&stack, 3 * DAY + 1_000).await;
    let anna = back(&stack, &anna).await;
    assert_eq!(
        tell(&anna, &record("m-1", "900", stack.now() - Duration::from_secs(2 * HOUR))).await["status"],
        201
    );
    assert_eq!(tell(&anna, &record("m-2", "600", stack.now())).await["status"], 201);
    let ended = anna.delete("/v1/billing/subscriptions/campaigns?when=now").await.ok();
    assert_eq!(ended["status"], "canceled");
    stack.settle().await;
    // 500 are included; each of the others costs 0.8 cents.
    assert_eq!(lines(&stack), [("campaigns_pro_sms_segments_usd".to_owned(), 800)]);
    everything_adds_up(&stack, &anna).await;
}
