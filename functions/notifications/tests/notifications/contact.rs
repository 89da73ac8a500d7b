//! The contact form.

use std::time::Duration;

use http::Method;
use local::Stack;
use local::harness::{Answer, Client};
use serde_json::{Value, json};

use super::delivery;

const SUPPORT: &str = "support@example.com";

fn form() -> Value {
    json!({
        "name": "Anna Example", "email": "Anna@Example.org", "subject": "Prices & <b>terms</b>",
        "message": "Hello,\r\nwhat does it cost?\n<script>alert(1)</script>",
    })
}

fn with(field: &str, value: &str) -> Value {
    let mut form = form();
    form[field] = json!(value);
    form
}

async fn send(client: &Client, form: Value) -> Answer {
    client.post("/v1/contact", form).await
}

#[tokio::test]
async fn a_message_lands_in_the_support_mailbox_and_its_answer_at_the_writer() {
    let stack = Stack::start().await;
    let answer = send(&stack.client(), form()).await.expect(202);
    assert_eq!(answer, json!({"status": "accepted"}));
    let mails = stack.mails_to(SUPPORT).await;
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!(mail.subject, "Contact: Prices & <b>terms</b>");
    assert_eq!(mail.header("Reply-To"), Some("<anna@example.org>"));
    assert_eq!(mail.from, "no-reply@example.com");
    assert!(
        mail.html.contains("&lt;script&gt;") && !mail.html.contains("<script>") && !mail.html.contains("<b>")
    );
    insta::assert_snapshot!(mail.text.trim(), @"
    A message from Anna Example

    Anna Example (anna@example.org) wrote through the contact form. Your answer to this mail goes to them.

    Hello,
    what does it cost?
    <script>alert(1)</script>

    Nobody has checked that this address belongs to the writer.
    ");
    assert_eq!(delivery(&stack, "contact_message")["state"], "delivered");
}

#[tokio::test]
async fn no_field_can_write_a_header() {
    let stack = Stack::start().await;
    for (field, value) in [
        ("name", "Anna\r\nBcc: victim@example.com"),
        ("name", "Anna\nX: y"),
        ("subject", "Hi\r\nTo: victim@example.com"),
        ("subject", "Hi\u{2028}there"),
        ("subject", "\u{202E}ih"),
        ("email", "anna@example.org\r\nBcc: victim@example.com"),
        ("email", "anna@example.org, victim@example.com"),
        ("email", "Anna <anna@example.org>"),
        ("message", "a\u{0}b"),
        ("message", ""),
    ] {
        let answer = send(&stack.client(), with(field, value)).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{field} {value:?}");
        assert_eq!(answer.json()["problems"][0]["pointer"], format!("/{field}"), "{value:?}");
    }
    let long = send(&stack.client(), with("message", &"x".repeat(5_001))).await;
    assert_eq!(long.json()["problems"][0]["pointer"], "/message");
    assert!(stack.mails_to(SUPPORT).await.is_empty());
}

#[tokio::test]
async fn a_program_that_fills_in_everything_hears_the_same_and_is_heard_by_nobody() {
    let stack = Stack::start().await;
    let answer = send(&stack.client(), with("website", "https://spam.example")).await.expect(202);
    assert_eq!(answer, json!({"status": "accepted"}));
    assert!(stack.mails_to(SUPPORT).await.is_empty());
    assert!(stack.table("notifications").of_kind("contact_message").is_empty());
}

#[tokio::test]
async fn five_messages_a_minute_from_one_address() {
    let stack = Stack::start().await;
    let client = stack.client();
    for _ in 0..5 {
        send(&client, form()).await.expect(202);
    }
    let answer = send(&client, form()).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "too_many_requests"));
    assert!(!answer.header("retry-after").is_empty());
    send(&stack.client(), form()).await.expect(202);
    stack.advance(Duration::from_secs(60)).await;
    send(&client, form()).await.expect(202);
    assert_eq!(stack.mails_to(SUPPORT).await.len(), 7);
}

#[tokio::test]
async fn what_is_no_form_is_told_so() {
    let stack = Stack::start().await;
    let post = async |content_type: &str, body: &str| {
        let answer =
            stack.client().send_bytes(Method::POST, "/v1/contact", content_type, body.to_owned()).await;
        (answer.status, answer.code())
    };
    let json_type = "application/json";
    assert_eq!(post(json_type, "{").await, (400, "malformed".to_owned()));
    assert_eq!(post("text/plain", &form().to_string()).await, (415, "unsupported_media_type".to_owned()));
    assert_eq!(post(json_type, &with("admin", "1").to_string()).await, (422, "invalid".to_owned()));
    assert_eq!(post(json_type, r#"{"name": 7}"#).await, (422, "invalid".to_owned()));
}

#[tokio::test]
async fn a_message_outlives_mail_that_is_down() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").times(2).fail(503, "ServiceUnavailable");
    send(&stack.client(), form()).await.expect(202);
    let arrived = async || !stack.mails_to(SUPPORT).await.is_empty();
    stack.run_until("the message arrives", Duration::from_secs(3_600), arrived).await;
}
