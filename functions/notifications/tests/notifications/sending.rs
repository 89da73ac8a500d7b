//! Handing mails to SES: when it is down, when workers die, when messages come twice.

use std::time::Duration;

use local::Stack;
use local::aws::faults::When;
use serde_json::json;

use super::delivery;

const HOUR: Duration = Duration::from_secs(3_600);

/// From now on nothing comes back that tells how mails fared.
fn unheard(stack: &Stack) {
    stack.faults().on("handle_mail_event", "dynamodb", "*").always().fail(400, "AccessDeniedException");
}

#[tokio::test]
async fn while_mail_is_down_people_sign_up_and_hear_later() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").times(3).fail(503, "ServiceUnavailable");
    stack.sign_up("anna@example.com").await;
    assert!(stack.mails_to("anna@example.com").await.is_empty());
    let waiting = delivery(&stack, "verification");
    assert_eq!((&waiting["state"], &waiting["reason"]), (&json!("sending"), &json!("ServiceUnavailable")));

    stack
        .run_until("the mail leaves", HOUR, async || !stack.mails_to("anna@example.com").await.is_empty())
        .await;
    let sent = delivery(&stack, "verification");
    assert_eq!((&sent["state"], &sent["tries"]), (&json!("delivered"), &json!(4)));
    assert_eq!(sent["maybe_duplicate"], false, "SES answered each time, so that it is certain: {sent}");
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
}

#[tokio::test]
async fn mail_that_is_down_for_more_than_a_day_is_given_up() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").always().fail(400, "AccountSendingPausedException");
    stack.sign_up("anna@example.com").await;
    stack.advance(HOUR * 25).await;
    let given_up = delivery(&stack, "verification");
    assert_eq!((&given_up["state"], &given_up["reason"]), (&json!("failed"), &json!("too_late")));
    assert!(stack.mails_to("anna@example.com").await.is_empty());
}

#[tokio::test]
async fn what_ses_refuses_for_good_is_not_tried_again() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").fail(400, "InvalidParameterValue");
    stack.sign_up("anna@example.com").await;
    stack.advance(HOUR).await;
    let refused = delivery(&stack, "verification");
    assert_eq!((&refused["state"], &refused["reason"]), (&json!("failed"), &json!("InvalidParameterValue")));
    assert_eq!(refused["tries"], 1);
    assert!(refused.get("notice").is_none());
}

#[tokio::test]
async fn a_worker_that_dies_after_ses_said_yes_costs_one_marked_repeat() {
    let stack = Stack::start().await;
    unheard(&stack);
    stack.faults().on("send_mail", "ses", "SendRawEmail").kill_at(1, When::After);
    stack.sign_up("anna@example.com").await;
    stack.run_until("it is sent", HOUR, async || delivery(&stack, "verification")["state"] == "sent").await;
    stack.advance(HOUR).await;

    let mails = stack.mails_to("anna@example.com").await;
    let delivery = delivery(&stack, "verification");
    let names: Vec<_> = mails.iter().map(|mail| mail.header("X-Tenantry-Delivery").unwrap()).collect();
    assert_eq!(names, vec![delivery["id"].as_str().unwrap(); 2]);
    assert_eq!(delivery["maybe_duplicate"], true);
    stack.queue("notifications-mail-events-dead-letters").purge();
}

#[tokio::test]
async fn what_ses_tells_afterwards_spares_the_repeat() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").kill_at(1, When::After);
    stack.sign_up("anna@example.com").await;
    stack.advance(HOUR).await;
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
    let delivery = delivery(&stack, "verification");
    assert_eq!((&delivery["state"], &delivery["maybe_duplicate"]), (&json!("delivered"), &json!(false)));
}

#[tokio::test]
async fn a_worker_that_dies_before_ses_heard_it_costs_no_mail() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").kill_at(1, When::Before);
    stack.sign_up("anna@example.com").await;
    stack
        .run_until("the mail leaves", HOUR, async || !stack.mails_to("anna@example.com").await.is_empty())
        .await;
    stack.advance(HOUR).await;
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
    // Nobody could know.
    assert_eq!(delivery(&stack, "verification")["maybe_duplicate"], true);
}

#[tokio::test]
async fn however_many_workers_die_no_reader_gets_a_mail_more_than_twice() {
    let stack = Stack::start().await;
    unheard(&stack);
    for nth in 1..=3 {
        stack.faults().on("send_mail", "ses", "SendRawEmail").kill_at(nth, When::After);
    }
    stack.sign_up("anna@example.com").await;
    let given_up = async || delivery(&stack, "verification")["state"] == "failed";
    stack.run_until("it is given up", HOUR, given_up).await;

    assert_eq!(stack.mails_to("anna@example.com").await.len(), 2);
    let delivery = delivery(&stack, "verification");
    assert_eq!(
        (&delivery["reason"], &delivery["maybe_duplicate"]),
        (&json!("outcome_unknown"), &json!(true))
    );
    stack.faults().clear();
    stack.queue("notifications-mail-events").purge();
    stack.queue("notifications-mail-events-dead-letters").purge();
}

#[tokio::test]
async fn a_yes_that_got_lost_is_heard_from_ses_afterwards() {
    let stack = Stack::start().await;
    stack.faults().on("send_mail", "ses", "SendRawEmail").lose_answer();
    stack.sign_up("anna@example.com").await;
    stack.advance(HOUR).await;
    assert_eq!(stack.mails_to("anna@example.com").await.len(), 1);
    let delivery = delivery(&stack, "verification");
    assert_eq!((&delivery["state"], &delivery["tries"]), (&json!("delivered"), &json!(1)));
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_loses_nothing() {
    for nth in 1.. {
        let stack = Stack::start().await;
        stack.faults().kill("send_mail", nth, When::After);
        stack.sign_up("anna@example.com").await;
        let settled = async || delivery(&stack, "verification")["state"] == "delivered";
        stack.run_until("the mail is delivered", HOUR, settled).await;
        stack.advance(HOUR).await;
        let mails = stack.mails_to("anna@example.com").await;
        assert!((1..=2).contains(&mails.len()), "{} mails after death at call {nth}", mails.len());
        if stack.faults().kills_left() > 0 {
            assert!(nth > 3, "the worker makes at least four calls");
            assert_eq!(mails.len(), 1);
            break;
        }
    }
}
