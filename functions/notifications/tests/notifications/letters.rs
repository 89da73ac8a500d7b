//! What is written to whom: each mail, in each language, once.

use std::time::Duration;

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use super::{deliveries, delivery, envelope, site_activated, tell};

const PASSWORD: &str = "Test123!";

async fn sign_up_in(stack: &Stack, email: &str, name: &str, locale: &str) -> Client {
    let body = json!({"email": email, "password": PASSWORD, "first_name": name, "locale": locale});
    let client = stack.client();
    let session = client.post("/v1/auth/signup", body).await.expect(201);
    client.with_session(session)
}

/// Where the web application is said to be.
fn app(stack: &Stack) -> &str {
    &stack.core().model.function("send_mail").unwrap().environment["APP_URL"]
}

fn operation_event(id: u8, kind: &str, client: &Client, more: Value) -> Value {
    let mut data = json!({
        "operation": "op_01KAJ3YC00000000000000000P", "site": "site_01KAJ3YC0000000000000S0TE1",
        "fqdn": "acme.sites.localhost", "requested_by": client.user(),
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    envelope(id, kind, Some(client.org()), data)
}

fn failure() -> Value {
    json!({
        "step": "create_bucket", "code": "quota", "message": "m", "remedy": "r", "at": "2026-11-21T03:44:00.000Z",
    })
}

#[tokio::test]
async fn a_sign_up_is_answered_by_a_link_and_the_click_by_a_welcome() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let mails = stack.mails_to("anna@example.com").await;
    let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects, ["Please confirm your e-mail address", "Welcome to Tenantry"]);

    let welcome = &mails[1];
    assert_eq!(welcome.from, "no-reply@example.com");
    assert_eq!(welcome.header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(welcome.header("Content-Language"), Some("en"));
    assert!(welcome.html.contains(r#"<html lang="en" dir="ltr">"#));
    let text = welcome.text.replace(app(&stack), "https://app");
    insta::assert_snapshot!(text.trim(), @"
    Good to have you with us

    Hello Anna,

    Your address is confirmed, and everything is ready for you.

    The best first step takes a minute: choose a name, and we build your site with its own storage, address and mail.

    Deploy my first site:
    https://app/sites/new

    You get this mail once, as you have just confirmed your address.

    Warm regards, your Tenantry team

    Any question? Write to support@example.com. People read it, and answer.
    ");

    let verification = delivery(&stack, "verification");
    assert_eq!((&verification["state"], &verification["tries"]), (&json!("delivered"), &json!(1)));
    assert_eq!((&verification["user"], &verification["org"]), (&json!(anna.user()), &json!(anna.org())));
    assert!(verification.get("notice").is_none(), "a settled delivery keeps no link: {verification}");
    assert_eq!(mails[0].header("X-Tenantry-Delivery"), verification["id"].as_str());
}

#[tokio::test]
async fn each_reader_is_written_to_in_their_language() {
    let stack = Stack::start().await;
    for (email, name, locale, subject, greeting) in [
        ("amelie@example.com", "Amélie", "fr", "Veuillez confirmer votre adresse e-mail", "Bonjour Amélie,"),
        ("omar@example.com", "عمر", "ar", "يرجى تأكيد بريدك الإلكتروني", "مرحبًا \u{2068}عمر\u{2069}،"),
    ] {
        sign_up_in(&stack, email, name, locale).await;
        let mails = stack.mails_to(email).await;
        assert_eq!(mails.len(), 1);
        let mail = &mails[0];
        assert_eq!(mail.subject, subject);
        assert!(mail.text.contains(greeting) && mail.html.contains(greeting), "{}", mail.text);
        assert_eq!(mail.header("Content-Language"), Some(locale));
        let direction = if locale == "ar" { "rtl" } else { "ltr" };
        assert!(mail.html.contains(&format!(r#"<html lang="{locale}" dir="{direction}">"#)));
        assert!(mail.token("/verify-email").is_some());
    }
}

#[tokio::test]
async fn whoever_asked_for_a_site_hears_that_it_is_online() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    tell(&stack, site_activated(1, anna.org(), Some(anna.user()))).await;
    let mails = stack.mails_to("anna@example.com").await;
    let mail = mails.last().unwrap();
    assert_eq!(mail.subject, "acme.sites.localhost is online");
    let port = stack.url().rsplit(':').next().unwrap();
    assert_eq!(mail.links(), [format!("http://acme.sites.localhost:{port}/")]);
}

#[tokio::test]
async fn news_that_nobody_asked_for_go_to_the_owners() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    tell(&stack, site_activated(1, anna.org(), None)).await;
    assert_eq!(delivery(&stack, "site_ready")["user"], anna.user());
}

#[tokio::test]
async fn a_failed_build_is_told_once_it_matters_to_the_customer() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let waits = json!({"kind": "provision", "direction": "forward", "failure": failure()});
    let stuck = json!({"kind": "provision", "direction": "back", "failure": failure()});
    let removal = json!({"kind": "deprovision", "direction": "forward", "failure": failure()});
    for (id, kind, more) in [
        (1, "hosting.operation_failed", waits),
        (2, "hosting.operation_failed", stuck),
        (3, "hosting.operation_failed", removal),
        (4, "hosting.operation_rolled_back", json!({"kind": "provision"})),
        (5, "hosting.operation_rolled_back", json!({"kind": "provision", "failure": failure()})),
    ] {
        tell(&stack, operation_event(id, kind, &anna, more)).await;
    }
    let mut mails = stack.mails_to("anna@example.com").await;
    mails.retain(|mail| mail.subject == "acme.sites.localhost is not online yet");
    assert_eq!(mails.len(), 2);
    assert!(mails[0].text.contains("a look by our people"), "{}", mails[0].text);
    assert!(mails[1].text.contains("is taken back, nothing is charged"), "{}", mails[1].text);
    assert!(mails.iter().all(|mail| mail.text.contains("op_01KAJ3YC00000000000000000P")));
}

#[tokio::test]
async fn an_event_that_comes_thrice_and_twice_each_time_is_one_mail() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.deliver_twice("route_notification");
    stack.deliver_twice("send_mail");
    stack.deliver_twice("handle_mail_event");
    for _ in 0..3 {
        tell(&stack, site_activated(1, anna.org(), Some(anna.user()))).await;
    }
    // What was handed back while the other copy was at work comes again.
    stack.advance(Duration::from_secs(180)).await;
    let mails = stack.mails_to("anna@example.com").await;
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("is online")).count(), 1);
    let delivery = delivery(&stack, "site_ready");
    assert_eq!((&delivery["state"], &delivery["maybe_duplicate"]), (&json!("delivered"), &json!(false)));
    // Another event is another mail.
    tell(&stack, site_activated(2, anna.org(), Some(anna.user()))).await;
    stack.advance(Duration::from_secs(180)).await;
    assert_eq!(deliveries(&stack, "site_ready").len(), 2);
}

#[tokio::test]
async fn an_event_that_overtakes_its_reader_waits_for_them() {
    let stack = Stack::start().await;
    let (org, user) = ("org_01KAJ3YC00000000000000ARG1", "usr_01KAJ3YC000000000000000VSR");
    tell(&stack, site_activated(1, org, Some(user))).await;
    assert!(deliveries(&stack, "site_ready").is_empty());

    let person = json!({
        "user": user, "org": org, "role": "owner", "email": "late@example.com", "locale": "en", "marketing": false,
    });
    tell(&stack, envelope(2, "accounts.user_signed_up", Some(org), person)).await;
    stack.advance(Duration::from_secs(61)).await;
    assert_eq!(stack.mails_to("late@example.com").await.len(), 1);
    // Nobody's first name is known: the greeting does without.
    let mails = stack.mails_to("late@example.com").await;
    assert!(mails[0].text.lines().any(|line| line == "Hello,"), "{}", mails[0].text);
}

#[tokio::test]
async fn what_somebody_waits_for_has_a_queue_of_its_own() {
    let stack = Stack::start().await;
    stack.verified("anna@example.com").await;
    let sent: Vec<_> = stack
        .calls_of("route_notification")
        .into_iter()
        .filter(|call| call.operation == "SendMessage")
        .map(|call| call.resource.rsplit(':').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(sent, ["tenantry-local-notifications-security-mail", "tenantry-local-notifications-mail"]);
}
