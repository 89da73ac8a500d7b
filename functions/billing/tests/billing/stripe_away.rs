//! Stripe is out of reach for a while, or says that it is asked too often: the same is asked again, and nothing comes of it twice.

use local::Stack;
use local::aws::faults::Order;
use local::harness::Client;
use serde_json::{Value, json};

use crate::buyers::{CHECKOUT, LAUNCH, buy, calls, open};
use crate::{after, audit, held, items, told};

/// Longer than a message waits that was not worked on.
const SEEN_AGAIN: u64 = 200;

/// What is ordered of a call.
type Fault = fn(Order<'_>);

/// The ways in which Stripe is away. No answer comes as one of a proxy between us and it.
const AWAY: [(&str, Fault); 3] = [
    ("asked too often", |order| order.throttle()),
    ("out of order", |order| order.fail(503, "api_error")),
    ("without an answer", |order| order.lose_answer()),
];

fn one_of_each(stack: &Stack) {
    assert_eq!(stack.stripe().objects("customer").len(), 1);
    assert_eq!(stack.stripe().objects("checkout.session").len(), 1);
}

fn bought_once(stack: &Stack, person: &Client) {
    assert_eq!(items(stack, person, "subscription")[0]["status"], "active");
    assert_eq!(held(stack, person)["products"]["hosting"]["plan"], "launch");
    assert_eq!(told(stack, person, "billing.subscription_activated"), 1);
}

#[tokio::test]
async fn e8_a_checkout_is_asked_for_again_and_opened_once() {
    for (how, order) in AWAY {
        let stack = Stack::start().await;
        let anna = stack.verified("anna@example.com").await;
        for call in ["POST /v1/customers", "POST /v1/checkout/sessions"] {
            order(stack.faults().on("create_checkout", "stripe", call).times(2));
        }
        open(&anna, LAUNCH).await;
        for call in ["POST /v1/customers", "POST /v1/checkout/sessions"] {
            assert_eq!(calls(&stack, "create_checkout", call), 3, "{how}: {call}");
        }
        one_of_each(&stack);
        audit::check(&stack).await;
    }
}

#[tokio::test]
async fn e8_while_stripe_stays_away_customers_hear_when_to_come_back() {
    for (how, order) in AWAY {
        let stack = Stack::start().await;
        let anna = stack.verified("anna@example.com").await;
        order(stack.faults().on("create_checkout", "stripe", "POST /v1/checkout/sessions").always());
        for _ in 0..3 {
            let answer = anna.post(CHECKOUT, json!({ "price": LAUNCH })).await;
            assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"), "{how}");
            assert_eq!(answer.header("retry-after"), "1", "{how}");
            assert!(
                !answer.text().contains("Stripe's") && !answer.text().contains("req_"),
                "{}",
                answer.text()
            );
        }
        stack.faults().clear();
        open(&anna, LAUNCH).await;
        one_of_each(&stack);
        audit::check(&stack).await;
    }
}

#[tokio::test]
async fn e8_a_look_is_taken_again_at_once() {
    for (how, order) in AWAY {
        let stack = Stack::start().await;
        let anna = stack.verified("anna@example.com").await;
        stack.stripe().webhooks().hold();
        buy(&stack, &anna, LAUNCH).await;
        let look = "GET /v1/subscriptions/{id}";
        order(stack.faults().on("project_stripe", "stripe", look).times(2));
        stack.stripe().webhooks().release();
        stack.settle().await;
        bought_once(&stack, &anna);
        let looks =
            stack.stripe().calls().into_iter().filter(|call| {
                call.function == "project_stripe" && call.operation == look && call.status != 200
            });
        assert_eq!(looks.count(), 2, "{how}");
        audit::check(&stack).await;
    }
}

#[tokio::test]
async fn e8_one_customers_trouble_stops_nobody_else_and_passes() {
    for (how, order) in AWAY {
        let stack = Stack::start().await;
        let anna = stack.verified("anna@example.com").await;
        let boris = stack.verified("boris@example.org").await;
        buy(&stack, &boris, LAUNCH).await;
        stack.settle().await;
        stack.stripe().webhooks().hold();
        buy(&stack, &anna, LAUNCH).await;
        // All looks at sessions and subscriptions fail while Anna's events are worked on.
        for look in ["GET /v1/checkout/sessions/{id}", "GET /v1/subscriptions/{id}"] {
            order(stack.faults().on("project_stripe", "stripe", look).always());
        }
        stack.stripe().webhooks().release();
        stack.settle().await;
        assert_eq!(items(&stack, &anna, "subscription"), Vec::<Value>::new(), "{how}");
        stack.faults().clear();
        buy(&stack, &boris, "costs_pro_month_usd").await;
        stack.settle().await;
        assert_eq!(held(&stack, &boris)["products"]["costs"]["plan"], "pro", "{how}: others pass");
        after(&stack, SEEN_AGAIN).await;
        bought_once(&stack, &anna);
        audit::check(&stack).await;
    }
}
