//! Payment methods: taken away here and in Stripe's portal, kept while something renews with them, told of before they end.

use std::time::Duration;

use domain::Timestamp;
use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{
    HOSTING, LAUNCH, MASTERCARD, METHODS, NEVER_PAYS, add_card, at_stripe, bill_by_hand, buyer, card,
    pay_with,
};
use crate::{DAY, after, audit, back, items, refused, told};

async fn listed(person: &Client) -> Vec<Value> {
    person.get(METHODS).await.ok()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_something_renews_with_is_not_taken_away() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let visa = listed(&anna).await[0]["id"].as_str().unwrap().to_owned();
    let delete = |method: &str| format!("{METHODS}/{method}");
    assert_eq!(refused(anna.delete(&delete(&visa))).await, (409, "last_method".to_owned()));
    assert_eq!(listed(&anna).await.len(), 1);

    // Beside another one that pays from now on it may go.
    let mastercard = pay_with(&stack, &anna, MASTERCARD).await;
    let left = anna.delete(&delete(&visa)).await.ok();
    assert_eq!((left["items"].as_array().unwrap().len(), &left["items"][0]["id"]), (1, &json!(mastercard)));
    assert_eq!(stack.stripe().get(&visa).unwrap()["customer"], Value::Null);
    assert_eq!(refused(anna.delete(&delete(&visa))).await.0, 404);

    // What ends with its period renews with nothing.
    assert!(anna.delete(HOSTING).await.ok()["ends_at"].is_string());
    assert_eq!(anna.delete(&delete(&mastercard)).await.ok()["items"], json!([]));
    audit::check(&stack).await;
}

#[tokio::test]
async fn e34_what_is_taken_away_in_the_portal_is_gone_here() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    let visa = listed(&anna).await[0]["id"].as_str().unwrap().to_owned();
    let mastercard = pay_with(&stack, &anna, MASTERCARD).await;
    at_stripe(&stack, &format!("/v1/payment_methods/{mastercard}/detach"), "");
    stack.settle().await;
    let left = listed(&anna).await;
    assert_eq!((left.len(), &left[0]["id"], &left[0]["is_default"]), (1, &json!(visa), &json!(false)));
    // Whoever looks sees that something renews and nothing pays for it.
    let account = anna.get("/v1/billing/account").await.ok();
    assert_eq!(
        (account.get("default_payment_method"), &account["subscriptions"][0]["status"]),
        (None, &json!("active"))
    );
    assert_eq!(items(&stack, &anna, "subscription")[0].get("default_payment_method"), None);

    // One that was nobody's default is missed as well.
    at_stripe(&stack, &format!("/v1/payment_methods/{visa}/detach"), "");
    stack.settle().await;
    assert_eq!(listed(&anna).await, Vec::<Value>::new());
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_invoice_that_cannot_be_paid_says_why() {
    let stack = Stack::start().await;
    let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
    pay_with(&stack, &anna, NEVER_PAYS).await;
    let invoice = bill_by_hand(&stack, &anna, 4_200);
    stack.settle().await;
    let path = format!("/v1/billing/invoices/{invoice}/pay");
    let declined = anna.post_empty(&path).await.expect(402);
    insta::assert_json_snapshot!(declined, {".request_id" => "[id]"}, @r#"
    {
      "code": "declined",
      "detail": "Your card was declined.",
      "reason": "generic_decline",
      "request_id": "[id]",
      "status": 402,
      "title": "Payment Required",
      "type": "urn:tenantry:problem:declined"
    }
    "#);
    assert_eq!(anna.get(&path.replace("/pay", "")).await.ok()["status"], "open");

    // With a card that pays it is paid, once.
    pay_with(&stack, &anna, MASTERCARD).await;
    assert_eq!(anna.post_empty(&path).await.ok()["status"], "paid");
    assert_eq!(refused(anna.post_empty(&path)).await, (409, "not_open".to_owned()));
    stack.settle().await;
    assert_eq!(told(&stack, &anna, "billing.invoice_paid"), 2, "the first one, and this one");
    audit::check(&stack).await;
}

/// The year and month two months on, and the first moment of the month after.
fn two_months_on(now: Timestamp) -> ((u32, u32), Timestamp) {
    let text = now.to_string();
    let number = |part: &str| part.parse::<u32>().unwrap();
    let months = number(&text[..4]) * 12 + number(&text[5..7]) - 1 + 2;
    let first_after = format!("{:04}-{:02}-01T00:00:00Z", (months + 1) / 12, (months + 1) % 12 + 1);
    ((months / 12, months % 12 + 1), first_after.parse().unwrap())
}

/// Somebody whose card ends in two months; the year and month, and the moment that it does.
async fn owner_of_an_ending_card(stack: &Stack) -> (Client, (u32, u32), Timestamp) {
    let person = stack.verified("anna@example.com").await;
    let ((year, month), ends_at) = two_months_on(stack.now());
    let setup = person.post_empty(METHODS).await.expect(201);
    let ending = card("4242424242424242").expires(month, year);
    stack.stripe().confirm_setup(setup["setup_intent"].as_str().unwrap(), &ending).unwrap();
    stack.settle().await;
    (person, (year, month), ends_at)
}

#[tokio::test]
async fn a_card_that_ends_is_told_of_a_month_and_a_week_before() {
    let stack = Stack::start().await;
    let (anna, _, ends_at) = owner_of_an_ending_card(&stack).await;
    let warnings = || told(&stack, &anna, "billing.card_expiring");
    let until = async |days: u64| {
        let moment = ends_at - Duration::from_secs(days * DAY);
        stack.advance(moment.since(stack.now())).await;
    };
    until(32).await;
    stack.travel(1).await;
    assert_eq!(warnings(), 0);
    stack.travel(1).await;
    // Each run of the job is one more than there should be.
    for _ in 0..2 {
        stack.travel(1).await;
        let tick = json!({
            "version": "0", "id": "b7a1c3f2-0000-4000-8000-000000000002", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "000000000000", "time": stack.now(), "region": "eu-west-1",
            "resources": ["arn:aws:events:eu-west-1:000000000000:rule/tenantry-local-warn-expiring-cards"],
            "detail": {},
        });
        stack.invoke("warn_expiring_cards", tick).await.unwrap();
        stack.settle().await;
        assert_eq!(warnings(), 1);
    }
    let mails = stack.mails_to("anna@example.com").await;
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("4242")).count(), 1, "and a mail says so");
    until(6).await;
    stack.travel(1).await;
    assert_eq!(warnings(), 2);
    after(&stack, 20 * DAY).await;
    assert_eq!(warnings(), 2);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_card_that_was_renewed_is_not_told_of() {
    let stack = Stack::start().await;
    let (anna, (year, month), ends_at) = owner_of_an_ending_card(&stack).await;
    let first = listed(&anna).await[0].clone();
    let id = first["id"].as_str().unwrap();
    // Its bank sends another one, of which Stripe hears; a second card's owner types the new end.
    stack.stripe().renew_card(id, month, year + 3).unwrap();
    let second = add_card(&stack, &anna, MASTERCARD).await;
    anna.patch(&format!("{METHODS}/{second}"), json!({"exp_month": month, "exp_year": year + 4}))
        .await
        .expect(200);
    stack.settle().await;
    stack.advance(ends_at.since(stack.now())).await;
    stack.travel(1).await;
    assert_eq!(told(&stack, &anna, "billing.card_expiring"), 0);
    let anna = back(&stack, &anna).await;
    let years: Vec<Value> = listed(&anna).await.iter().map(|method| method["exp_year"].clone()).collect();
    assert!(years.contains(&json!(year + 3)) && years.contains(&json!(year + 4)), "{years:?}");
    audit::check(&stack).await;
}
