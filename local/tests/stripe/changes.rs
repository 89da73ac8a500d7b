//! Changes: prorations, previews, changes that wait, schedules, cancelling, pausing.

use serde_json::{Value, json};

use crate::served::{DAY, Served, id};

fn item(served: &Served, subscription: &str) -> Value {
    served.object(subscription)["items"]["data"][0].clone()
}

fn end_of(served: &Served, subscription: &str) -> i64 {
    item(served, subscription)["current_period_end"].as_i64().unwrap()
}

#[tokio::test]
async fn an_upgrade_is_prorated_to_the_second_as_previewed() {
    let served = Served::start().await;
    let (subscription, _) = served.subscription("pm_card_visa", 2_900).await;
    let big = served.price(5_900, "month").await;
    served.advance(11 * DAY + 12_345).await;
    let at = served.now();
    let now = at.to_string();
    let item = item(&served, &subscription);
    let (start, end) =
        (item["current_period_start"].as_i64().unwrap(), item["current_period_end"].as_i64().unwrap());
    let form = |prefix: &str| {
        let named =
            |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}[{name}]") };
        let inner = |name: &str| {
            if prefix.is_empty() {
                format!("items[0][{name}]")
            } else {
                format!("{prefix}[items][0][{name}]")
            }
        };
        [
            (inner("id"), item["id"].as_str().unwrap().to_owned()),
            (inner("price"), big.clone()),
            (named("proration_behavior"), "always_invoice".to_owned()),
            (named("proration_date"), now.clone()),
        ]
    };
    let mut preview = form("subscription_details").to_vec();
    preview.push(("subscription".to_owned(), subscription.clone()));
    let preview: Vec<(&str, &str)> =
        preview.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let shown = served.post("/v1/invoices/create_preview", &preview).await;
    let share = |amount: i64| {
        let product = amount * (end - at);
        (product * 2 + (end - start)) / (2 * (end - start))
    };
    let expected = share(5_900) - share(2_900);
    assert_eq!(shown["amount_due"], expected);
    assert_eq!(served.stripe.objects("invoice").len(), 1, "a preview makes nothing");

    let commit = form("").to_vec();
    let mut commit: Vec<(&str, &str)> =
        commit.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    commit.push(("payment_behavior", "pending_if_incomplete"));
    let changed = served.post(&format!("/v1/subscriptions/{subscription}"), &commit).await;
    assert_eq!(changed["items"]["data"][0]["price"]["id"], big.as_str());
    assert_eq!(changed["pending_update"], json!(null));
    let invoice = served.latest_invoice(&subscription);
    assert_eq!((&invoice["status"], &invoice["amount_paid"]), (&json!("paid"), &json!(expected)));
    assert_eq!(invoice["billing_reason"], "subscription_update");
    let lines = invoice["lines"]["data"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["parent"]["subscription_item_details"]["proration"], true);
    assert!(lines[0]["description"].as_str().unwrap().starts_with("Unused time on Launch after"));
}

#[tokio::test]
async fn a_change_that_is_not_paid_waits_and_expires() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    let big = served.price(5_900, "month").await;
    served.pay_with(&customer, "pm_card_chargeCustomerFail").await;
    served.advance(10 * DAY).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let old = item(&served, &subscription);
    let form = [
        ("items[0][id]", old["id"].as_str().unwrap()),
        ("items[0][price]", big.as_str()),
        ("proration_behavior", "always_invoice"),
        ("payment_behavior", "pending_if_incomplete"),
    ];
    let waiting = served.post(&path, &form).await;
    assert_eq!(waiting["status"], "active");
    assert_eq!(waiting["items"]["data"][0]["price"]["id"], old["price"]["id"]);
    assert_eq!(waiting["pending_update"]["subscription_items"][0]["price"]["id"], big.as_str());
    let open = served.latest_invoice(&subscription);
    assert_eq!(open["status"], "open");

    served.pay_with(&customer, "pm_card_visa").await;
    served.post(&format!("/v1/invoices/{}/pay", id(&open)), &[]).await;
    let applied = served.object(&subscription);
    assert_eq!(applied["items"]["data"][0]["price"]["id"], big.as_str());
    assert_eq!(applied["pending_update"], json!(null));
    assert_eq!(served.stripe.events_of("customer.subscription.pending_update_applied").len(), 1);

    served.pay_with(&customer, "pm_card_chargeCustomerFail").await;
    let form = [
        ("items[0][id]", old["id"].as_str().unwrap()),
        ("items[0][quantity]", "5"),
        ("proration_behavior", "always_invoice"),
        ("payment_behavior", "pending_if_incomplete"),
    ];
    served.post(&path, &form).await;
    let with_name: Vec<_> = form.into_iter().chain([("description", "more")]).collect();
    assert_eq!(served.try_post(&path, &with_name).await.status, 400);
    served.advance(23 * 3_600 + 1).await;
    let expired = served.object(&subscription);
    assert_eq!(
        (&expired["pending_update"], &expired["items"]["data"][0]["quantity"]),
        (&json!(null), &json!(1))
    );
    assert_eq!(served.latest_invoice(&subscription)["status"], "void");
    assert_eq!(served.stripe.events_of("customer.subscription.pending_update_expired").len(), 1);
}

#[tokio::test]
async fn a_bank_that_asks_holds_an_upgrade() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    served.pay_with(&customer, "pm_card_authenticationRequired").await;
    let big = served.price(5_900, "month").await;
    let old = item(&served, &subscription);
    let form = [
        ("items[0][id]", old["id"].as_str().unwrap()),
        ("items[0][price]", big.as_str()),
        ("proration_behavior", "always_invoice"),
        ("payment_behavior", "pending_if_incomplete"),
        ("expand[]", "latest_invoice.payments.data.payment.payment_intent"),
    ];
    let waiting = served.post(&format!("/v1/subscriptions/{subscription}"), &form).await;
    let intent = &waiting["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"];
    assert_eq!(intent["status"], "requires_action");
    assert!(intent["next_action"]["redirect_to_url"]["url"].is_string());
    assert!(!waiting["pending_update"].is_null());
    served.stripe.approve_action(&id(intent)).unwrap();
    assert_eq!(item(&served, &subscription)["price"]["id"], big.as_str());
    assert_eq!(served.stripe.events_of("invoice.payment_action_required").len(), 1);
}

#[tokio::test]
async fn prorations_may_wait_for_the_next_invoice() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 3_000).await;
    served.advance(10 * DAY).await;
    let old = item(&served, &subscription);
    let form = [("items[0][id]", old["id"].as_str().unwrap()), ("items[0][quantity]", "2")];
    served.post(&format!("/v1/subscriptions/{subscription}"), &form).await;
    assert_eq!(served.stripe.objects("invoice").len(), 1);
    let pending = served.get("/v1/invoiceitems", &[("customer", &customer), ("pending", "true")]).await;
    assert_eq!(pending["data"].as_array().unwrap().len(), 2);
    let shown = served.post("/v1/invoices/create_preview", &[("subscription", &subscription)]).await;
    served.clock.advance_to(domain::Timestamp::from_secs(end_of(&served, &subscription) + 3_700)).unwrap();
    served.advance(1).await;
    let invoice = served.latest_invoice(&subscription);
    assert_eq!(invoice["lines"]["data"].as_array().unwrap().len(), 3);
    assert_eq!(invoice["total"], shown["total"]);
    assert_eq!(invoice["billing_reason"], "subscription_cycle");
    assert_eq!(invoice["status"], "paid");
}

#[tokio::test]
async fn a_longer_interval_begins_anew_and_credit_is_kept() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 3_000).await;
    let year = served.price(30_000, "year").await;
    served.advance(10 * DAY).await;
    let old = item(&served, &subscription);
    let path = format!("/v1/subscriptions/{subscription}");
    let form = [("items[0][id]", old["id"].as_str().unwrap()), ("items[0][price]", year.as_str())];
    served.post(&path, &form).await;
    let invoice = served.latest_invoice(&subscription);
    assert_eq!(invoice["status"], "paid");
    assert!(invoice["total"].as_i64().unwrap() < 30_000);
    assert!(end_of(&served, &subscription) > served.now() + 364 * 86_400);
    // Back to the cheap month: more is given back than is due.
    let month = old["price"]["id"].as_str().unwrap();
    let form = [("items[0][id]", old["id"].as_str().unwrap()), ("items[0][price]", month)];
    served.post(&path, &form).await;
    let invoice = served.latest_invoice(&subscription);
    assert_eq!((&invoice["status"], &invoice["amount_due"]), (&json!("paid"), &json!(0)));
    assert!(served.object(&customer)["balance"].as_i64().unwrap() < -26_000);
    served.advance(32 * DAY).await;
    let renewed = served.latest_invoice(&subscription);
    assert_eq!((&renewed["total"], &renewed["amount_due"]), (&json!(3_000), &json!(0)));
}

#[tokio::test]
async fn a_downgrade_waits_for_the_period_s_end_in_a_schedule() {
    let served = Served::start().await;
    let (subscription, _) = served.subscription("pm_card_visa", 5_900).await;
    let small = served.price(2_900, "month").await;
    let made = served.post("/v1/subscription_schedules", &[("from_subscription", &subscription)]).await;
    let schedule = id(&made);
    assert_eq!(served.object(&subscription)["schedule"], schedule.as_str());
    let price = item(&served, &subscription)["price"]["id"].as_str().unwrap().to_owned();
    let (start, end) = (
        made["current_phase"]["start_date"].as_i64().unwrap().to_string(),
        made["current_phase"]["end_date"].as_i64().unwrap().to_string(),
    );
    let form = [
        ("end_behavior", "release"),
        ("phases[0][items][0][price]", price.as_str()),
        ("phases[0][start_date]", start.as_str()),
        ("phases[0][end_date]", end.as_str()),
        ("phases[1][items][0][price]", small.as_str()),
        ("phases[1][duration][interval]", "month"),
    ];
    served.post(&format!("/v1/subscription_schedules/{schedule}"), &form).await;
    assert_eq!(served.object(&subscription)["items"]["data"][0]["price"]["id"], price.as_str());
    let refused = served
        .try_post(&format!("/v1/subscriptions/{subscription}"), &[("cancel_at_period_end", "true")])
        .await;
    assert_eq!(refused.status, 400);
    let refused = served.try_post(&format!("/v1/subscriptions/{subscription}/pause"), &[]).await;
    assert_eq!(refused.status, 400);
    served.advance(31 * DAY + 7_200).await;
    let now = served.object(&subscription);
    assert_eq!(now["items"]["data"][0]["price"]["id"], small.as_str());
    assert_eq!(served.latest_invoice(&subscription)["amount_paid"], 2_900);
    served.advance(32 * DAY).await;
    assert_eq!(served.object(&schedule)["status"], "released");
    assert_eq!(served.object(&subscription)["schedule"], json!(null));
    assert_eq!(served.object(&subscription)["status"], "active");
    assert_eq!(served.stripe.events_of("subscription_schedule.released").len(), 1);
}

#[tokio::test]
async fn a_schedule_can_be_let_go() {
    let served = Served::start().await;
    let (subscription, _) = served.subscription("pm_card_visa", 5_900).await;
    let schedule =
        id(&served.post("/v1/subscription_schedules", &[("from_subscription", &subscription)]).await);
    let again = served.try_post("/v1/subscription_schedules", &[("from_subscription", &subscription)]).await;
    assert_eq!(again.status, 400);
    let released = served.post(&format!("/v1/subscription_schedules/{schedule}/release"), &[]).await;
    assert_eq!(released["released_subscription"], subscription.as_str());
    assert_eq!(
        served.try_post(&format!("/v1/subscription_schedules/{schedule}/release"), &[]).await.status,
        400
    );
    served.post(&format!("/v1/subscriptions/{subscription}"), &[("cancel_at_period_end", "true")]).await;
}

#[tokio::test]
async fn cancelling_now_later_and_not_after_all() {
    let served = Served::start().await;
    let (subscription, _) = served.subscription("pm_card_visa", 2_900).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let later = served.post(&path, &[("cancel_at_period_end", "true")]).await;
    assert_eq!(later["cancel_at"], end_of(&served, &subscription));
    let undone = served.post(&path, &[("cancel_at_period_end", "false")]).await;
    assert_eq!((&undone["cancel_at"], &undone["canceled_at"]), (&json!(null), &json!(null)));
    served.post(&path, &[("cancel_at_period_end", "true")]).await;
    served.advance(32 * DAY).await;
    assert_eq!(served.object(&subscription)["status"], "canceled");
    assert_eq!(served.stripe.objects("invoice").len(), 1);
    assert_eq!(served.stripe.events_of("customer.subscription.deleted").len(), 1);
    assert_eq!(served.delete(&path).await.status, 404);
    assert_eq!(served.try_post(&path, &[("cancel_at_period_end", "false")]).await.status, 400);

    let (other, _) = served.subscription("pm_card_visa", 2_900).await;
    let path = format!("/v1/subscriptions/{other}?cancellation_details[comment]=bye");
    assert_eq!(served.delete(&path).await.ok()["cancellation_details"]["comment"], "bye");
}

#[tokio::test]
async fn a_pause_stops_the_clock() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let keep = [("bill_for[unused_time_from][type]", "none")];
    let paused = served.post(&format!("{path}/pause"), &keep).await;
    assert_eq!(paused["status"], "paused");
    assert_eq!(paused["status_details"]["paused"]["subscription"]["type"], "pause_requested");
    served.advance(90 * DAY).await;
    assert_eq!(served.stripe.objects("invoice").len(), 1);
    served.pay_with(&customer, "pm_card_chargeCustomerFail").await;
    let when_paid = [("payment_behavior", "resume_on_payment_success")];
    assert_eq!(served.post(&format!("{path}/resume"), &when_paid).await["status"], "paused");
    served.pay_with(&customer, "pm_card_visa").await;
    let open = served.latest_invoice(&subscription);
    served.post(&format!("/v1/invoices/{}/pay", id(&open)), &[]).await;
    let resumed = served.object(&subscription);
    assert_eq!(resumed["status"], "active");
    assert!(end_of(&served, &subscription) > served.now() + 27 * 86_400);
    for kind in ["customer.subscription.paused", "customer.subscription.resumed"] {
        assert_eq!(served.stripe.events_of(kind).len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn a_pause_gives_unused_time_back() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 3_000).await;
    let path = format!("/v1/subscriptions/{subscription}");
    served.advance(15 * DAY).await;
    served.post(&format!("{path}/pause"), &[]).await;
    let pending = served.get("/v1/invoiceitems", &[("customer", &customer), ("pending", "true")]).await;
    let credit = pending["data"][0]["amount"].as_i64().unwrap();
    assert!((-1_700..-1_300).contains(&credit), "{credit}");
    served.advance(100 * DAY).await;
    let now = [("billing_cycle_anchor[type]", "now")];
    assert_eq!(served.post(&format!("{path}/resume"), &now).await["status"], "active");
    assert_eq!(served.latest_invoice(&subscription)["amount_paid"], 3_000 + credit);
    served.pay_with(&customer, "pm_card_chargeCustomerFail").await;
    let keep = [("bill_for[unused_time_from][type]", "none")];
    served.post(&format!("{path}/pause"), &keep).await;
    assert_eq!(served.post(&format!("{path}/resume"), &[]).await["status"], "past_due");
}

#[tokio::test]
async fn a_preview_is_kept_at_any_moment() {
    let served = Served::start().await;
    let price = served.price(2_900, "month").await;
    let big = served.price(5_901, "month").await;
    let customer = served.customer(Some("pm_card_visa")).await;
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
        ("automatic_tax[enabled]", "true"),
    ];
    let subscription = id(&served.post("/v1/subscriptions", &form).await);
    let mut seed: u64 = 20_261_121;
    for turn in 0..100 {
        // Moments without a pattern, and the same in every run.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        served.advance(seed % (12 * DAY)).await;
        let item = item(&served, &subscription)["id"].as_str().unwrap().to_owned();
        let wanted = if turn % 2 == 0 { &big } else { &price };
        let quantity = (seed % 7 + 1).to_string();
        let now = served.now().to_string();
        let preview = [
            ("subscription", subscription.as_str()),
            ("subscription_details[items][0][id]", item.as_str()),
            ("subscription_details[items][0][price]", wanted.as_str()),
            ("subscription_details[items][0][quantity]", quantity.as_str()),
            ("subscription_details[proration_behavior]", "always_invoice"),
            ("subscription_details[proration_date]", now.as_str()),
        ];
        let shown = served.post("/v1/invoices/create_preview", &preview).await;
        served.advance(seed % 590).await;
        let commit = [
            ("items[0][id]", item.as_str()),
            ("items[0][price]", wanted.as_str()),
            ("items[0][quantity]", quantity.as_str()),
            ("proration_behavior", "always_invoice"),
            ("proration_date", now.as_str()),
        ];
        let answer = served.try_post(&format!("/v1/subscriptions/{subscription}"), &commit).await;
        if answer.status == 400 {
            // The period ended between the two, and what was shown holds no longer.
            assert_eq!(answer.body["error"]["param"], "proration_date");
            continue;
        }
        answer.ok();
        let invoice = served.latest_invoice(&subscription);
        for field in ["subtotal", "total", "amount_due", "starting_balance", "ending_balance"] {
            assert_eq!(invoice[field], shown[field], "{field} in turn {turn}");
        }
        assert_eq!(invoice["status"], "paid");
    }
    // What was paid and what is still credited is what was billed.
    let invoices = served.stripe.objects("invoice");
    let sum = |field: &str| -> i64 { invoices.iter().map(|invoice| invoice[field].as_i64().unwrap()).sum() };
    let open: i64 = invoices
        .iter()
        .filter(|invoice| invoice["status"] == "draft")
        .map(|invoice| invoice["total"].as_i64().unwrap())
        .sum();
    let balance = served.object(&customer)["balance"].as_i64().unwrap();
    assert_eq!(sum("amount_paid"), sum("total") - open - balance);
}
