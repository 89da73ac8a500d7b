//! Sudden death amid money: whoever stores what was bought, what was not paid, or makes a change is killed (SIGKILL) before and after
//! every call to the outside. Each run ends with one of each thing, and with nothing that was paid being lost.

use std::time::Duration;

use domain::Timestamp;
use local::Stack;
use local::aws::faults::When;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{
    COSTS, LAUNCH, NEVER_PAYS, add_card, at_stripe, bill_by_hand, buy, buyer, customer, pay_with, quoted,
    subscription, take,
};
use crate::{HOUR, after, audit, back, held, items, told};

const MOMENTS: [When; 2] = [When::Before, When::After];
/// Longer than a message waits that was not worked on.
const SEEN_AGAIN: u64 = 200;
/// Longer than a call of Stripe's waits whose maker died.
const FINISHED: u64 = 180;

/// Ends a run: answers whether nobody died in it, as fewer calls are made than that.
fn survived(stack: &Stack) -> bool {
    let survived = stack.faults().kills_left() > 0;
    stack.faults().clear();
    survived
}

/// Delivers the newest event of a type, while no other comes.
fn deliver(stack: &Stack, kind: &str) {
    let event = stack.stripe().events_of(kind).pop().unwrap();
    stack.stripe().replay(event["id"].as_str().unwrap());
}

/// What is live at Stripe for somebody.
fn live(stack: &Stack, person: &Client) -> Vec<Value> {
    let customer = customer(stack, person);
    let all = stack.stripe().objects("subscription").into_iter();
    all.filter(|one| one["customer"] == customer.as_str() && one["status"] != "canceled").collect()
}

#[tokio::test]
async fn project_stripe_dies_at_every_call_of_a_purchase() {
    for when in MOMENTS {
        let stack = Stack::start().await;
        let mut deaths = 0;
        for nth in 1.. {
            stack.cloud().calls().clear();
            stack.stripe().webhooks().drop_all();
            let person = stack.verified(&format!("anna@shop{nth}.com")).await;
            buy(&stack, &person, LAUNCH).await;
            stack.faults().kill("project_stripe", nth, when);
            deliver(&stack, "checkout.session.completed");
            stack.settle().await;
            deliver(&stack, "invoice.paid");
            stack.settle().await;
            let is_over = survived(&stack);
            after(&stack, SEEN_AGAIN).await;

            assert_eq!(items(&stack, &person, "subscription")[0]["status"], "active", "call {nth}");
            assert_eq!(items(&stack, &person, "trial")[0]["state"], "converted", "call {nth}");
            assert_eq!(items(&stack, &person, "checkout")[0]["state"], "done", "call {nth}");
            assert_eq!(items(&stack, &person, "invoice")[0]["status"], "paid", "call {nth}");
            assert_eq!(items(&stack, &person, "charge")[0]["amount"]["minor"], 29_900, "call {nth}");
            assert_eq!(held(&stack, &person)["products"]["hosting"]["plan"], "launch", "call {nth}");
            for kind in ["subscription_activated", "trial_converted", "checkout_completed", "invoice_paid"] {
                assert_eq!(told(&stack, &person, &format!("billing.{kind}")), 1, "call {nth}: {kind}");
            }
            assert_eq!(live(&stack, &person).len(), 1, "call {nth}");
            audit::check(&stack).await;
            if is_over {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 20, "it died {deaths} times");
    }
}

#[tokio::test]
async fn project_stripe_dies_at_every_call_of_a_failed_payment() {
    for when in MOMENTS {
        let stack = Stack::start().await;
        let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
        let never = pay_with(&stack, &anna, NEVER_PAYS).await;
        let path = format!("/v1/subscriptions/{}", subscription(&stack, &anna));
        let mut deaths = 0;
        for nth in 1.. {
            stack.cloud().calls().clear();
            stack.stripe().webhooks().drop_all();
            // Whatever pays an invoice pays the next ones.
            at_stripe(&stack, &path, &format!("default_payment_method={never}"));
            let invoice = bill_by_hand(&stack, &anna, 4_200);
            stack.faults().kill("project_stripe", nth, when);
            deliver(&stack, "invoice.payment_failed");
            stack.settle().await;
            let is_over = survived(&stack);
            after(&stack, SEEN_AGAIN).await;

            let ladders = items(&stack, &anna, "dunning");
            let ladder = ladders.iter().filter(|ladder| ladder["invoice"] == invoice.as_str());
            let ladder = ladder.collect::<Vec<_>>();
            assert_eq!((ladder.len(), &ladder[0]["state"]), (1, &json!("retrying")), "call {nth}");
            assert_eq!(ladder[0]["attempts"], 1, "call {nth}");
            assert_eq!(told(&stack, &anna, "billing.payment_failed"), 1, "call {nth}");
            assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "past_due", "call {nth}");

            // It is paid, of which no word comes until the list is read.
            at_stripe(&stack, &format!("/v1/invoices/{invoice}/pay"), "payment_method=pm_card_visa");
            audit::check(&stack).await;
            let ladders = items(&stack, &anna, "dunning");
            assert!(ladders.iter().all(|ladder| ladder["state"] == "resolved"), "call {nth}: {ladders:#?}");
            assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "active", "call {nth}");
            assert_eq!(items(&stack, &anna, "charge").len(), usize::try_from(nth).unwrap() + 1, "call {nth}");
            if is_over {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 15, "it died {deaths} times");
    }
}

/// Every hour it dies one call later than the hour before, until it has taken its step; and so down to the ladder's foot.
#[tokio::test]
async fn advance_dunning_dies_at_every_call_to_the_foot_of_the_ladder() {
    for when in MOMENTS {
        let stack = Stack::start().await;
        let anna = buyer(&stack, "anna@example.com", LAUNCH).await;
        pay_with(&stack, &anna, NEVER_PAYS).await;
        bill_by_hand(&stack, &anna, 4_200);
        stack.settle().await;
        let ladder = || items(&stack, &anna, "dunning")[0].clone();
        let access = || held(&stack, &anna)["products"]["hosting"]["access"].clone();
        for (state, door) in [("restricted", "read_only"), ("suspended", "none"), ("canceled", "none")] {
            let due: Timestamp = ladder()["next_at"].as_str().unwrap().parse().unwrap();
            stack.advance((due - Duration::from_secs(HOUR)).since(stack.now())).await;
            let mut deaths = 0;
            for nth in 1.. {
                stack.faults().kill("advance_dunning", nth, when);
                after(&stack, HOUR + 1).await;
                if survived(&stack) {
                    break;
                }
                deaths += 1;
            }
            assert!(deaths > 10, "{state}: it died {deaths} times");
            assert_eq!((&ladder()["state"], access()), (&json!(state), json!(door)));
            audit::check(&stack).await;
        }
        assert_eq!(items(&stack, &anna, "dunning").len(), 1);
        assert_eq!(items(&stack, &anna, "subscription")[0]["status"], "canceled");
        assert_eq!(live(&stack, &anna), Vec::<Value>::new());
        assert_eq!(told(&stack, &anna, "billing.subscription_canceled"), 1);
    }
}

#[tokio::test]
async fn create_subscription_with_a_saved_card_dies_at_every_call() {
    let path = "/v1/billing/subscriptions";
    for when in MOMENTS {
        let stack = Stack::start().await;
        let mut anna = stack.verified("anna@example.com").await;
        let address = json!({"line1": "1 Main St", "postal_code": "94103", "country": "US"});
        anna.put("/v1/billing/account", json!({ "address": address })).await.expect(200);
        let card = add_card(&stack, &anna, "4242424242424242").await;
        let wish = json!({"price": COSTS, "payment_method": card});
        let mut deaths = 0;
        for nth in 1.. {
            anna = back(&stack, &anna).await;
            stack.cloud().calls().clear();
            stack.faults().kill("create_subscription", nth, when);
            let first = anna.post(path, wish.clone()).await;
            let is_over = survived(&stack);
            after(&stack, FINISHED).await;
            // Whoever got no answer asks again.
            let again = anna.post(path, wish.clone()).await;
            assert!([201, 409].contains(&again.status), "call {nth}: {}", again.text());
            if is_over {
                assert_eq!((first.status, first.json()["status"].as_str()), (201, Some("active")));
            }
            stack.settle().await;

            let live = live(&stack, &anna);
            assert_eq!((live.len(), &live[0]["status"]), (1, &json!("active")), "call {nth}: {live:#?}");
            assert_eq!(held(&stack, &anna)["products"]["costs"]["plan"], "pro", "call {nth}");
            assert_eq!(told(&stack, &anna, "billing.subscription_activated"), 1, "call {nth}");
            audit::check(&stack).await;
            let generations = usize::try_from(nth).unwrap();
            assert_eq!(items(&stack, &anna, "charge").len(), generations, "call {nth}: each is paid once");
            assert_eq!(stack.stripe().objects("subscription").len(), generations, "call {nth}");
            anna = back(&stack, &anna).await;
            anna.delete(&format!("{path}/costs?when=now")).await.expect(200);
            if is_over {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 15, "it died {deaths} times");
    }
}

#[tokio::test]
async fn change_subscription_dies_at_every_call_of_an_upgrade() {
    for when in MOMENTS {
        let stack = Stack::start().await;
        let mut anna = buyer(&stack, "anna@example.com", LAUNCH).await;
        let id = subscription(&stack, &anna);
        let (mut quantity, mut deaths) = (1, 0);
        for nth in 1.. {
            anna = back(&stack, &anna).await;
            let quote = quoted(&anna, LAUNCH, quantity + 1).await;
            stack.faults().kill("change_subscription", nth, when);
            let first = take(&anna, &quote).await;
            let is_over = survived(&stack);
            after(&stack, FINISHED).await;
            // A quote is taken once, whatever became of who took it.
            let again = take(&anna, &quote).await;
            assert!([200, 409].contains(&again.status), "call {nth}: {}", again.text());
            stack.settle().await;
            if items(&stack, &anna, "subscription")[0]["quantity"] == quantity {
                assert!(!is_over && first.status != 200, "call {nth}: it was said to be made");
                let quote = quoted(&anna, LAUNCH, quantity + 1).await;
                take(&anna, &quote).await.expect(200);
            }
            quantity += 1;

            audit::check(&stack).await;
            assert_eq!(items(&stack, &anna, "subscription")[0]["quantity"], quantity, "call {nth}");
            let there = stack.stripe().get(&id).unwrap();
            let counts = there["items"]["data"].as_array().unwrap().iter();
            assert_eq!(
                counts.filter_map(|item| item["quantity"].as_u64()).sum::<u64>(),
                quantity,
                "call {nth}"
            );
            let changes = items(&stack, &anna, "invoice");
            let changes = changes.iter().filter(|invoice| invoice["reason"] == "subscription_update");
            let paid = changes.filter(|invoice| invoice["status"] == "paid").count();
            assert_eq!(u64::try_from(paid).unwrap(), quantity - 1, "call {nth}: each is paid once");
            if is_over {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 10, "it died {deaths} times");
    }
}
