//! The sample events, which people invoke functions with.

use local::Stack;
use serde_json::{Value, json};

fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn every_sample_is_understood() {
    let stack = Stack::start().await;
    for (function, text) in [
        ("route_notification", include_str!("../../../../events/notifications/route_notification.json")),
        ("handle_mail_event", include_str!("../../../../events/notifications/handle_mail_event.json")),
    ] {
        let done = stack.invoke(function, sample(text)).await.unwrap();
        assert_eq!(done, json!({"batchItemFailures": []}), "{function}");
    }
    let mut form = sample(include_str!("../../../../events/notifications/send_contact_message.json"));
    form["headers"]["x-origin-secret"] =
        stack.core().model.function("send_contact_message").unwrap().environment["ORIGIN_SECRET"]
            .clone()
            .into();
    let answer = stack.invoke("send_contact_message", form).await.unwrap();
    assert_eq!(answer["statusCode"], 202, "{answer}");
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
    assert_eq!(stack.mails_to("support@example.com").await.len(), 1);

    // Nobody has the sample's delivery: it is set aside, as it would be in production.
    let mail = sample(include_str!("../../../../events/notifications/send_mail.json"));
    stack.invoke("send_mail", mail).await.unwrap();
    stack.expect_dead_letters(1).await;
}
