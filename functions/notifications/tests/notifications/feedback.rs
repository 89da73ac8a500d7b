//! What SES tells of mails, and the mailboxes that nothing is sent to.

use std::time::Duration;

use local::Stack;
use serde_json::{Value, json};

use super::{deliveries, delivery, envelope, tell};

const BOUNCES: &str = "bounce+anna@simulator.amazonses.com";
const COMPLAINS: &str = "complaint+anna@simulator.amazonses.com";

/// News for an address, which is no security mail.
fn welcome(id: u8, email: &str) -> Value {
    let data = json!({
        "user": "usr_01KAJ3YC000000000000000VSR", "email": email, "locale": "en", "at": "2026-11-21T03:44:00.000Z",
    });
    envelope(id, "accounts.email_verified", Some("org_01KAJ3YC00000000000000ARG1"), data)
}

/// An event of SES about a delivery, as the default bus would bring it.
async fn ses_tells(stack: &Stack, kind: &str, delivery: &Value, more: Value) {
    let mut detail = json!({"eventType": kind, "mail": {"messageId": "m", "tags": {"delivery": [delivery]}}});
    detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let event = json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Email Event",
        "source": "aws.ses", "account": "000000000000", "time": "2026-11-21T03:44:00Z",
        "region": "eu-central-1", "resources": [], "detail": detail,
    });
    stack.queue("notifications-mail-events").send(event).await;
    stack.settle().await;
}

fn bounce(kind: &str, email: &str) -> Value {
    json!({"bounce": {"bounceType": kind, "bouncedRecipients": [{"emailAddress": email}]}})
}

async fn resend(stack: &Stack, email: &str) {
    stack.client().post("/v1/auth/verify-email/resend", json!({"email": email})).await.expect(202);
    stack.settle().await;
}

#[tokio::test]
async fn after_a_bounce_news_are_withheld_and_links_still_tried() {
    let stack = Stack::start().await;
    stack.sign_up(BOUNCES).await;
    stack.settle().await;
    assert_eq!(delivery(&stack, "verification")["state"], "bounced");
    let list = stack.table("notifications").of_kind("suppression");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["reason"], "bounce");
    assert!(!list[0].to_string().contains("simulator"), "the list holds no addresses: {}", list[0]);

    // In any spelling of the same mailbox.
    for (id, email) in
        [(1, BOUNCES), (2, "bounce@simulator.amazonses.com"), (3, "Bounce+Other@Simulator.AmazonSES.com")]
    {
        tell(&stack, welcome(id, email)).await;
    }
    let withheld = deliveries(&stack, "welcome");
    assert_eq!(withheld.len(), 3);
    for one in withheld {
        assert_eq!((&one["state"], &one["reason"]), (&json!("suppressed"), &json!("bounced_before")));
        assert!(one.get("notice").is_none());
    }

    stack.advance(Duration::from_secs(3_600)).await;
    resend(&stack, BOUNCES).await;
    assert_eq!(stack.mails_to(BOUNCES).await.len(), 2, "a link that somebody waits for is tried");
}

#[tokio::test]
async fn after_a_complaint_a_link_is_undeliverable_and_told_so() {
    let stack = Stack::start().await;
    let anna = stack.sign_up(COMPLAINS).await;
    stack.settle().await;
    assert_eq!(delivery(&stack, "verification")["state"], "complained");

    stack.advance(Duration::from_secs(3_600)).await;
    resend(&stack, COMPLAINS).await;
    assert_eq!(stack.mails_to(COMPLAINS).await.len(), 1);
    let undeliverable = deliveries(&stack, "verification").pop().unwrap();
    assert_eq!(
        (&undeliverable["state"], &undeliverable["reason"]),
        (&json!("undeliverable"), &json!("complained_before"))
    );
    let event = &undeliverable["event"];
    assert_eq!(event["type"], "notifications.mail_undeliverable");
    assert_eq!(event["data"], json!({"delivery": undeliverable["id"], "user": anna.user()}));
}

#[tokio::test]
async fn a_complaint_outweighs_a_bounce_and_never_the_other_way_round() {
    let stack = Stack::start().await;
    let complaint = |email: &str| json!({"complaint": {"complainedRecipients": [{"emailAddress": email}]}});
    let reasons = || {
        let list = stack.table("notifications").of_kind("suppression");
        list.iter().map(|one| one["reason"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    ses_tells(&stack, "Bounce", &Value::Null, bounce("Permanent", "a@example.com")).await;
    assert_eq!(reasons(), ["bounce"]);
    ses_tells(&stack, "Complaint", &Value::Null, complaint("A+x@example.com")).await;
    assert_eq!(reasons(), ["complaint"]);
    ses_tells(&stack, "Bounce", &Value::Null, bounce("Permanent", "a@example.com")).await;
    assert_eq!(reasons(), ["complaint"]);
}

#[tokio::test]
async fn a_full_mailbox_may_be_written_to_again() {
    let stack = Stack::start().await;
    stack.sign_up("ooto@simulator.amazonses.com").await;
    stack.settle().await;
    ses_tells(&stack, "Bounce", &Value::Null, bounce("Transient", "full@example.com")).await;
    assert!(stack.table("notifications").of_kind("suppression").is_empty());
}

#[tokio::test]
async fn feedback_in_any_order_leaves_the_last_word_to_the_worst() {
    let stack = Stack::start().await;
    stack.sign_up("anna@example.com").await;
    stack.settle().await;
    let id = delivery(&stack, "verification")["id"].clone();
    let state = || delivery(&stack, "verification")["state"].clone();
    assert_eq!(state(), "delivered");
    ses_tells(&stack, "Bounce", &id, bounce("Permanent", "anna@example.com")).await;
    assert_eq!(state(), "bounced");
    let version = delivery(&stack, "verification")["v"].clone();
    for late in ["Delivery", "Send", "Open"] {
        ses_tells(&stack, late, &id, json!({})).await;
    }
    ses_tells(&stack, "Bounce", &id, bounce("Permanent", "anna@example.com")).await;
    assert_eq!(state(), "bounced");
    assert_eq!(delivery(&stack, "verification")["v"], version, "what changes nothing writes nothing");
}

#[tokio::test]
async fn feedback_that_is_faster_than_our_own_record_is_kept() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").fail(503, "ServiceUnavailable");
    stack.sign_up("anna@example.com").await;
    stack.settle().await;
    let waiting = delivery(&stack, "verification");
    assert_eq!(waiting["state"], "sending");

    ses_tells(&stack, "Bounce", &waiting["id"], bounce("Permanent", "anna@example.com")).await;
    stack.advance(Duration::from_secs(600)).await;
    assert_eq!(delivery(&stack, "verification")["state"], "bounced");
    assert!(stack.mails_to("anna@example.com").await.is_empty(), "what has bounced is not sent again");
}

#[tokio::test]
async fn unknown_mails_and_strange_addresses_do_no_harm() {
    let stack = Stack::start().await;
    for id in [json!("dlv_01KAJ3YC000000000000000D1V"), json!("nonsense"), json!(7), Value::Null] {
        ses_tells(&stack, "Delivery", &id, json!({})).await;
        ses_tells(&stack, "Bounce", &id, bounce("Permanent", "not an address")).await;
    }
    assert!(stack.table("notifications").items().is_empty());
    assert!(stack.dead_letters().is_empty());
}
