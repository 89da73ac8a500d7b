//! Meters: what is recorded, refused, summed up and billed.

use serde_json::{Value, json};

use crate::served::{DAY, Served, id};

async fn meter(served: &Served) -> String {
    let form = [
        ("display_name", "Mails"),
        ("event_name", "mails"),
        ("default_aggregation[formula]", "sum"),
        ("customer_mapping[event_payload_key]", "stripe_customer_id"),
        ("customer_mapping[type]", "by_id"),
        ("value_settings[event_payload_key]", "value"),
    ];
    id(&served.post("/v1/billing/meters", &form).await)
}

async fn record(served: &Served, customer: &str, value: &str, identifier: &str, at: i64) -> (u16, Value) {
    let at = at.to_string();
    let form = [
        ("event_name", "mails"),
        ("payload[stripe_customer_id]", customer),
        ("payload[value]", value),
        ("identifier", identifier),
        ("timestamp", at.as_str()),
    ];
    let answer = served.try_post("/v1/billing/meter_events", &form).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn what_was_used_is_billed_after_the_period() {
    let served = Served::start().await;
    let meter = meter(&served).await;
    let form = [
        ("currency", "eur"),
        ("unit_amount_decimal", "0.5"),
        ("recurring[interval]", "month"),
        ("recurring[usage_type]", "metered"),
        ("recurring[meter]", meter.as_str()),
        ("product_data[name]", "Mails"),
    ];
    let price = id(&served.post("/v1/prices", &form).await);
    let customer = served.customer(Some("pm_card_visa")).await;
    let form = [("customer", customer.as_str()), ("items[0][price]", price.as_str())];
    let made = id(&served.post("/v1/subscriptions", &form).await);
    assert_eq!(served.object(&made)["status"], "active");
    served.advance(DAY).await;
    let now = served.now();
    assert_eq!(record(&served, &customer, "1000", "a", now).await.0, 200);
    assert_eq!(record(&served, &customer, "501", "b", now - 60).await.0, 200);
    assert_eq!(record(&served, &customer, "7", "c", now).await.0, 200);
    let adjusted = served
        .post(
            "/v1/billing/meter_event_adjustments",
            &[("event_name", "mails"), ("type", "cancel"), ("cancel[identifier]", "c")],
        )
        .await;
    assert_eq!(adjusted["status"], "pending");
    let day = now - now % 86_400;
    let (from, to) = ((day - 86_400).to_string(), (day + 86_400).to_string());
    let window = [("customer", customer.as_str()), ("start_time", from.as_str()), ("end_time", to.as_str())];
    let sums = served.get(&format!("/v1/billing/meters/{meter}/event_summaries"), &window).await;
    assert_eq!(sums["data"][0]["aggregated_value"], 1_501);
    let by_day: Vec<_> = window.into_iter().chain([("value_grouping_window", "day")]).collect();
    let sums = served.get(&format!("/v1/billing/meters/{meter}/event_summaries"), &by_day).await;
    let total: i64 =
        sums["data"].as_array().unwrap().iter().map(|sum| sum["aggregated_value"].as_i64().unwrap()).sum();
    assert_eq!(total, 1_501);
    served.advance(31 * DAY + 7_200).await;
    let invoice = served.latest_invoice(&made);
    assert_eq!((&invoice["total"], &invoice["lines"]["data"][0]["quantity"]), (&json!(751), &json!(1_501)));
    assert_eq!(invoice["status"], "paid");
}

#[tokio::test]
async fn wrong_events_are_refused() {
    let served = Served::start().await;
    meter(&served).await;
    let customer = served.customer(None).await;
    let now = served.now();
    assert_eq!(record(&served, &customer, "1", "same", now).await.0, 200);
    for (value, identifier, at) in [
        ("1", "same", now),
        ("1.5", "x", now),
        ("1234567890123456", "x", now),
        ("many", "x", now),
        ("1", "x", now - 36 * 86_400),
        ("1", "x", now + 600),
    ] {
        let (status, body) = record(&served, &customer, value, identifier, at).await;
        assert_eq!(status, 400, "{value} {identifier} {at}: {body}");
    }
    let other = served
        .try_post(
            "/v1/billing/meter_events",
            &[("event_name", "calls"), ("payload[stripe_customer_id]", &customer), ("payload[value]", "1")],
        )
        .await;
    assert_eq!(other.code(), "resource_missing");
    // An identifier is kept for a day.
    served.advance(DAY + 1).await;
    assert_eq!(record(&served, &customer, "1", "same", served.now()).await.0, 200);
}

#[tokio::test]
async fn usage_of_nobody_is_reported_in_a_thin_event() {
    let served = Served::start().await;
    let meter = meter(&served).await;
    assert_eq!(record(&served, "cus_nobody", "1", "x", served.now()).await.0, 200);
    served.settle().await;
    let received = served.received();
    let thin = received
        .iter()
        .map(|one| one.event())
        .find(|event| event["type"] == "v1.billing.meter.error_report_triggered")
        .unwrap();
    assert_eq!((&thin["object"], &thin["related_object"]["id"]), (&json!("v2.core.event"), &json!(meter)));
    let whole = served.get(&format!("/v2/core/events/{}", id(&thin)), &[]).await;
    assert_eq!(whole["data"]["reason"]["error_types"][0]["code"], "meter_event_customer_not_found");
}

#[tokio::test]
async fn a_meter_is_switched_off_and_on() {
    let served = Served::start().await;
    let made = meter(&served).await;
    let path = format!("/v1/billing/meters/{made}");
    assert_eq!(served.post(&format!("{path}/deactivate"), &[]).await["status"], "inactive");
    let customer = served.customer(None).await;
    assert_eq!(record(&served, &customer, "1", "x", served.now()).await.0, 400);
    assert_eq!(served.post(&format!("{path}/reactivate"), &[]).await["status"], "active");
    assert_eq!(served.try_post(&format!("{path}/reactivate"), &[]).await.status, 400);
}
