//! Webhooks: signatures, retries, and what tests do to them.

use aws_lc_rs::hmac;
use serde_json::json;

use crate::served::{DAY, Served, id};

#[tokio::test]
async fn events_come_signed_and_in_order() {
    let served = Served::start().await;
    served.post("/v1/customers", &[("email", "anna@example.com")]).await;
    served.settle().await;
    let received = served.received();
    assert_eq!(served.received_types(), ["customer.created"]);
    let (at, sum) = received[0].signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"whsec_local");
    let expected = hmac::sign(&key, format!("{at}.{}", received[0].body).as_bytes());
    assert_eq!(sum, hex::encode(expected.as_ref()));
    let event = received[0].event();
    assert_eq!(event["api_version"], local::stripe::VERSION);
    assert_eq!(event["data"]["object"]["email"], "anna@example.com");
    assert_eq!(served.stripe.events()[0]["pending_webhooks"], 0);
}

#[tokio::test]
async fn an_update_tells_what_was_before() {
    let served = Served::start().await;
    let customer = id(&served.post("/v1/customers", &[("name", "Anna")]).await);
    served.post(&format!("/v1/customers/{customer}"), &[("name", "Berta")]).await;
    served.post(&format!("/v1/customers/{customer}"), &[("name", "Berta")]).await;
    let events = served.stripe.events_of("customer.updated");
    assert_eq!(events.len(), 1, "what changes nothing is no event");
    assert_eq!(events[0]["data"]["previous_attributes"], json!({ "name": "Anna" }));
}

#[tokio::test]
async fn a_delivery_that_fails_is_tried_again_for_three_days() {
    let served = Served::start().await;
    served.answer_with(500);
    served.post("/v1/customers", &[]).await;
    served.settle().await;
    assert_eq!((served.received().len(), served.stripe.webhooks().pending()), (1, 1));
    served.advance(301).await;
    assert_eq!(served.received().len(), 2);
    served.answer_with(200);
    assert!(served.stripe.next_due().is_some());
    served.advance(1_801).await;
    assert_eq!((served.received().len(), served.stripe.webhooks().pending()), (3, 0));

    served.answer_with(500);
    served.post("/v1/customers", &[]).await;
    for _ in 0..12 {
        served.advance(DAY / 2).await;
    }
    assert_eq!(served.stripe.webhooks().pending(), 0);
    assert_eq!(served.received().len(), 3 + 12);
    assert_eq!(served.stripe.next_due(), None);
}

#[tokio::test]
async fn webhooks_can_be_held_doubled_dropped_and_replayed() {
    let served = Served::start().await;
    let webhooks = served.stripe.webhooks();
    webhooks.hold();
    served.post("/v1/customers", &[]).await;
    served.settle().await;
    assert_eq!((served.received().len(), webhooks.pending()), (0, 1));
    webhooks.release();
    served.settle().await;
    assert_eq!(served.received().len(), 1);

    webhooks.double();
    served.post("/v1/customers", &[]).await;
    served.settle().await;
    assert_eq!(served.received().len(), 3);

    webhooks.drop_all();
    served.post("/v1/customers", &[]).await;
    served.settle().await;
    webhooks.normal();
    served.settle().await;
    assert_eq!(served.received().len(), 3);
    assert_eq!(served.get("/v1/events", &[]).await["data"].as_array().unwrap().len(), 3);

    let event = id(&served.stripe.events()[2]);
    served.stripe.replay(&event);
    served.settle().await;
    assert_eq!(served.received().last().unwrap().event()["id"], event.as_str());
    webhooks.forge(json!({ "id": "evt_forged", "type": "nothing.known", "livemode": true }));
    served.settle().await;
    assert_eq!(served.received_types().last().unwrap(), "nothing.known");

    webhooks.hold();
    served.subscription("pm_card_visa", 2_900).await;
    webhooks.shuffle();
    webhooks.deliver().await;
    let shuffled = served.received_types().len();
    assert!(shuffled > 10, "{shuffled}");
}

#[tokio::test]
async fn an_endpoint_of_one_s_own_gets_what_it_asks_for() {
    let served = Served::start().await;
    let url = format!("{}/own", served.object("we_0000000000local")["url"].as_str().unwrap());
    let form = [("url", url.as_str()), ("enabled_events[]", "product.created")];
    let endpoint = served.post("/v1/webhook_endpoints", &form).await;
    assert!(endpoint["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/v1/webhook_endpoints/{}", id(&endpoint));
    assert_eq!(served.get(&path, &[]).await["secret"], json!(null));
    served.post("/v1/products", &[("name", "Hosting")]).await;
    served.post("/v1/customers", &[]).await;
    served.settle().await;
    let mut types = served.received_types();
    types.sort();
    assert_eq!(types, ["customer.created", "product.created", "product.created"]);
}
