//! Messages that cannot be worked on: set aside with the reason, and put back when they can be.

use std::time::Duration;

use local::Stack;
use serde_json::{Value, json};

use super::{delivery, envelope, site_activated};

const HOUR: Duration = Duration::from_secs(3_600);

/// The dead letters as queue and reason.
async fn reasons(stack: &Stack, count: usize) -> Vec<(String, String)> {
    let letters = stack.expect_dead_letters(count).await;
    let reason =
        |attributes: &Value| attributes["reason"]["StringValue"].as_str().unwrap_or_default().to_owned();
    let mut reasons: Vec<_> =
        letters.into_iter().map(|(queue, letter)| (queue, reason(&json!(letter.attributes)))).collect();
    reasons.sort();
    reasons
}

#[tokio::test]
async fn what_no_worker_knows_is_set_aside_at_once_with_the_reason() {
    let stack = Stack::start().await;
    let future = json!({
        "id": "evt_01KAJ3YC000000000000000E01", "type": "hosting.site_activated", "v": 2,
        "at": "2026-11-21T03:44:00.000Z", "actor": "a", "request_id": "r", "data": {},
    });
    let unknown = envelope(2, "hosting.site_painted", None, json!({}));
    let homeless = {
        let mut event = site_activated(3, "org_01KAJ3YC00000000000000ARG1", None);
        event.as_object_mut().unwrap().remove("org");
        event
    };
    for event in [future, unknown, homeless, json!("nonsense")] {
        stack.queue("notifications-route").send(event).await;
    }
    let nobodys = json!({"delivery": "dlv_01KAJ3YC000000000000000D1V"});
    stack
        .queue("notifications-security-mail")
        .send(envelope(4, "notifications.mail_queued", None, nobodys))
        .await;
    stack
        .queue("notifications-mail-events")
        .send(json!({
            "id": "1", "source": "aws.ses", "detail-type": "Email Danced", "time": "2026-11-21T03:44:00Z",
            "detail": {"eventType": "Dance"},
        }))
        .await;

    let reasons = reasons(&stack, 6).await;
    insta::assert_json_snapshot!(reasons, @r#"
    [
      [
        "tenantry-local-notifications-mail-dead-letters",
        "not_found: There is no such thing, or it is not yours."
      ],
      [
        "tenantry-local-notifications-mail-events-dead-letters",
        "unknown_message: SES events of type Dance are unknown."
      ],
      [
        "tenantry-local-notifications-route-dead-letters",
        "malformed: not an envelope: invalid type: string \"nonsense\", expected struct EventEnvelope"
      ],
      [
        "tenantry-local-notifications-route-dead-letters",
        "malformed: the event belongs to no organisation"
      ],
      [
        "tenantry-local-notifications-route-dead-letters",
        "unknown_message: This worker does not know hosting.site_activated in version 2."
      ],
      [
        "tenantry-local-notifications-route-dead-letters",
        "unknown_message: This worker does not know hosting.site_painted in version 1."
      ]
    ]
    "#);
}

#[tokio::test]
async fn what_fails_five_times_is_set_aside_and_redriven_without_a_second_mail() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    // The delivery is stored and its message sent; then something fails, each time.
    stack.faults().on("route_notification", "sqs", "SendMessage").always().fail(400, "AccessDenied");
    stack.queue("notifications-route").send(site_activated(1, anna.org(), Some(anna.user()))).await;
    stack.run_until("it is given up", HOUR, async || !stack.dead_letters().is_empty()).await;
    let letters = stack.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, "tenantry-local-notifications-route-dead-letters");
    assert_eq!(delivery(&stack, "site_ready")["state"], "queued");

    stack.faults().clear();
    for _ in 0..2 {
        stack.queue("notifications-route").redrive().await;
        stack.settle().await;
        stack.advance(Duration::from_secs(180)).await;
    }
    assert!(stack.dead_letters().is_empty());
    let mails = stack.mails_to("anna@example.com").await;
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("is online")).count(), 1);
}
