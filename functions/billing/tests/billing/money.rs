//! What goes back: refunds, disputes, warnings of fraud; and what it all comes to.

use std::time::Duration;

use futures_util::future::join_all;
use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

use super::{heard, start};
use crate::buyers::{COSTS, LAUNCH, buy};
use crate::{DAY, audit, back, items, past_midnight, refused, staff, told};

/// Somebody who bought something, and the invoice's and the charge's ids.
async fn bought(stack: &Stack, email: &str, price: &str) -> (Client, String, String) {
    let person = stack.verified(email).await;
    buy(stack, &person, price).await;
    heard(stack).await;
    let charge = items(stack, &person, "charge").remove(0);
    let text = |field: &str| charge[field].as_str().unwrap().to_owned();
    (person, text("invoice"), text("id"))
}

fn wanted(amount: u64, reference: &str) -> Value {
    json!({"amount": amount, "reason": "order_change", "reference": reference})
}

/// The sum of an account's legs in the ledger.
fn booked(stack: &Stack, account: &str) -> i64 {
    let legs = stack.table("billing").of_kind("posting");
    let legs = legs.iter().flat_map(|posting| posting["legs"].as_array().unwrap());
    let legs = legs.filter(|leg| leg["account"] == account);
    legs.map(|leg| leg["debit"].as_i64().unwrap() - leg["credit"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn a_part_goes_back_once_for_each_reference_and_never_more_than_was_paid() {
    let stack = start().await;
    let (anna, invoice, _) = bought(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    let path = format!("/v1/admin/invoices/{invoice}/refunds");
    let first = staff.post(&path, wanted(10_000, "ticket-1")).await.expect(201);
    assert_eq!((&first["amount"]["minor"], &first["left"]["minor"]), (&json!(10_000), &json!(19_900)));
    let again = staff.post(&path, wanted(10_000, "ticket-1")).await.expect(201);
    assert_eq!(again["id"], first["id"], "the same reference is the same refund");
    let other = refused(staff.post(&path, wanted(10_001, "ticket-1"))).await;
    assert_eq!(other, (409, "reference_used".to_owned()));
    let more = staff.post(&path, wanted(19_901, "ticket-2")).await;
    assert_eq!((more.status, more.code().as_str()), (409, "over_refund"));
    assert_eq!(more.json()["left_minor"], 19_900);
    for (body, place) in [
        (json!({"amount": 0, "reason": "order_change", "reference": "x"}), "/amount"),
        (json!({"reason": "order_change", "reference": "a b"}), "/reference"),
    ] {
        let answer = staff.post(&path, body).await;
        assert_eq!((answer.status, answer.json()["problems"][0]["pointer"].as_str()), (422, Some(place)));
    }
    let rest = json!({"reason": "order_change", "reference": "ticket-3"});
    assert_eq!(staff.post(&path, rest).await.expect(201)["amount"]["minor"], 19_900);
    let nothing = refused(staff.post(&path, wanted(1, "ticket-4"))).await;
    assert_eq!(nothing, (409, "over_refund".to_owned()));
    assert_eq!(refused(anna.post(&path, wanted(1, "ticket-5"))).await, (403, "not_staff".to_owned()));
    let unknown = staff.post("/v1/admin/invoices/in_unknown/refunds", wanted(1, "t"));
    assert_eq!(refused(unknown).await, (404, "not_found".to_owned()));

    heard(&stack).await;
    assert_eq!(stack.stripe().objects("refund").len(), 2);
    assert_eq!(stack.stripe().objects("credit_note").len(), 2, "each with its credit note");
    assert_eq!(told(&stack, &anna, "billing.refund_made"), 2);
    assert_eq!(booked(&stack, "refunds"), 29_900);
    let mails = stack.mails_to("anna@example.com").await;
    assert_eq!(
        mails.iter().filter(|mail| mail.subject.contains("come back to you")).count(),
        2,
        "the payer is told"
    );
    audit::check(&stack).await;
}

#[tokio::test]
async fn e35_refunds_at_once_share_what_was_paid() {
    let stack = start().await;
    let (_, invoice, charge) = bought(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    let path = format!("/v1/admin/invoices/{invoice}/refunds");
    // Nine of 7,000 ask at once for what was 29,900.
    let asked = join_all((0..9).map(|n| staff.post(&path, wanted(7_000, &format!("at-once-{n}"))))).await;
    let won = asked.iter().filter(|answer| answer.status == 201).count();
    for answer in asked.iter().filter(|answer| answer.status != 201) {
        assert!(["over_refund", "version_conflict"].contains(&answer.code().as_str()), "{}", answer.text());
    }
    heard(&stack).await;
    assert!(won >= 1, "somebody gets theirs");
    assert_eq!(stack.stripe().get(&charge).unwrap()["amount_refunded"], 7_000 * won);
    assert!(won <= 4);
    audit::check(&stack).await;
}

#[tokio::test]
async fn e35_a_dispute_decides_what_goes_back() {
    let stack = start().await;
    let (anna, invoice, charge) = bought(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    let refunds = format!("/v1/admin/invoices/{invoice}/refunds");
    staff.post(&refunds, wanted(9_900, "before")).await.expect(201);
    let dispute = stack.stripe().open_dispute(&charge).unwrap();
    let dispute = dispute["id"].as_str().unwrap();
    heard(&stack).await;
    assert_eq!(refused(staff.post(&refunds, wanted(1, "after"))).await, (409, "disputed".to_owned()));
    let listed = staff.get("/v1/admin/disputes").await.ok();
    let first = &listed["items"][0];
    assert_eq!((&first["id"], &first["status"]), (&json!(dispute), &json!("needs_response")));
    assert_eq!(first["org"], anna.org());

    // A day before the bank stops listening staff are called, once.
    stack.advance(Duration::from_secs(8 * DAY + 7_200)).await;
    assert_eq!(items(&stack, &anna, "dispute")[0].get("next_at"), None);
    let staff = back(&stack, &staff).await;
    let path = format!("/v1/admin/disputes/{dispute}/evidence");
    let blank = staff.post(&path, json!({"explanation": " "})).await;
    assert_eq!(blank.status, 422);
    let evidence = json!({"explanation": "Used on each day of the period."});
    assert_eq!(staff.post(&path, evidence.clone()).await.ok()["status"], "under_review");
    stack.stripe().close_dispute(dispute, false).unwrap();
    heard(&stack).await;
    assert_eq!(refused(staff.post(&path, evidence)).await, (409, "dispute_closed".to_owned()));
    let other = staff.post("/v1/admin/disputes/dp_unknown/evidence", json!({"explanation": "x"}));
    assert_eq!(refused(other).await, (404, "not_found".to_owned()));
    assert_eq!(told(&stack, &anna, "billing.dispute_opened"), 1);
    assert_eq!(told(&stack, &anna, "billing.dispute_closed"), 1);
    assert_eq!(booked(&stack, "disputes_held"), 0, "what was held is lost");
    assert!(booked(&stack, "dispute_losses") > 0);
    audit::check(&stack).await;
}

#[tokio::test]
async fn evidence_that_comes_too_late_is_refused() {
    let stack = start().await;
    let (_, _, charge) = bought(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    let dispute = stack.stripe().open_dispute(&charge).unwrap();
    stack.travel(10).await;
    let staff = back(&stack, &staff).await;
    let path = format!("/v1/admin/disputes/{}/evidence", dispute["id"].as_str().unwrap());
    let late = refused(staff.post(&path, json!({"explanation": "Too late."}))).await;
    assert!(
        [(409, "dispute_closed".to_owned()), (410, "past_due_date".to_owned())].contains(&late),
        "{late:?}"
    );
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_dispute_that_is_won_comes_back_in_full() {
    let stack = start().await;
    let (_, invoice, charge) = bought(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    let dispute = stack.stripe().open_dispute(&charge).unwrap();
    heard(&stack).await;
    stack.stripe().close_dispute(dispute["id"].as_str().unwrap(), true).unwrap();
    heard(&stack).await;
    assert_eq!((booked(&stack, "disputes_held"), booked(&stack, "dispute_losses")), (0, 0));
    let path = format!("/v1/admin/invoices/{invoice}/refunds");
    staff.post(&path, wanted(100, "after-all")).await.expect(201);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_small_payment_that_is_fraud_goes_back_by_itself() {
    let stack = start().await;
    let (_, _, small) = bought(&stack, "anna@example.com", COSTS).await;
    let (_, _, large) = bought(&stack, "boris@example.org", LAUNCH).await;
    for charge in [&small, &small, &large] {
        stack.stripe().warn_of_fraud(charge).unwrap();
        heard(&stack).await;
    }
    let refunded = |charge: &str| stack.stripe().get(charge).unwrap()["amount_refunded"].clone();
    assert_eq!((refunded(&small), refunded(&large)), (json!(2_900), json!(0)));
    assert_eq!(stack.stripe().objects("refund").len(), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_refund_whose_maker_dies_at_any_call_is_made_once() {
    use local::aws::faults::When;
    for nth in 1.. {
        let stack = start().await;
        let (_, invoice, charge) = bought(&stack, "anna@example.com", LAUNCH).await;
        let staff = staff(&stack).await;
        let path = format!("/v1/admin/invoices/{invoice}/refunds");
        let when = if nth % 2 == 0 { When::Before } else { When::After };
        stack.faults().kill("refund_invoice", nth, when);
        staff.post(&path, wanted(5_000, "ticket")).await;
        let is_over = stack.faults().kills_left() > 0;
        stack.faults().clear();
        stack.advance(Duration::from_secs(180)).await;
        staff.post(&path, wanted(5_000, "ticket")).await.expect(201);
        assert_eq!(stack.stripe().objects("refund").len(), 1, "call {nth}");
        assert_eq!(stack.stripe().get(&charge).unwrap()["amount_refunded"], 5_000, "call {nth}");
        audit::check(&stack).await;
        if is_over {
            break;
        }
    }
}

#[tokio::test]
async fn revenue_is_what_a_recount_of_the_ledger_gives() {
    let stack = start().await;
    past_midnight(&stack).await;
    let (_, invoice, _) = bought(&stack, "anna@example.com", LAUNCH).await;
    bought(&stack, "boris@example.org", COSTS).await;
    let staff = staff(&stack).await;
    staff.post(&format!("/v1/admin/invoices/{invoice}/refunds"), wanted(9_900, "ticket")).await.expect(201);
    let month: String = stack.now().to_string().chars().take(7).collect();
    let revenue = staff.get(&format!("/v1/admin/revenue?month={month}")).await.ok();
    let sum = |field: &str| {
        revenue["earned"].as_array().unwrap().iter().map(|one| one[field].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!(sum("invoiced"), -booked(&stack, "revenue"));
    assert_eq!((sum("refunded"), sum("fees")), (booked(&stack, "refunds"), booked(&stack, "fees")));
    assert_eq!(sum("net"), sum("invoiced") - sum("refunded") - sum("fees"));
    assert_eq!((sum("invoiced"), sum("refunded")), (29_900 + 2_900, 9_900));
    let of = |product: &str| {
        let all = revenue["recurring"].as_array().unwrap();
        all.iter().find(|one| one["product"] == product).unwrap().clone()
    };
    assert_eq!((&of("hosting")["monthly"], &of("hosting")["subscriptions"]), (&json!(29_900), &json!(1)));
    assert_eq!((&of("costs")["monthly"], &of("costs")["churn_basis_points"]), (&json!(2_900), &json!(0)));
    let empty = staff.get("/v1/admin/revenue?month=2001-01").await.ok();
    assert_eq!(empty["earned"], json!([]));
    for month in ["2026-13", "2026", "26-01", "2026-1"] {
        assert_eq!(staff.get(&format!("/v1/admin/revenue?month={month}")).await.status, 422, "{month}");
    }
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_moved_without_a_word_is_found_at_night_and_said_by_staff() {
    let stack = start().await;
    let (anna, _, charge) = bought(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    // Somebody refunds in the dashboard, while no word arrives and the list is out of order.
    stack.stripe().webhooks().drop_all();
    stack.faults().on("catch_up_events", "stripe", "GET /v1/events").always().fail(500, "api_error");
    let key = stack.core().secrets[&local::keys::billing_secret()]["stripe_key"].clone();
    assert!(key.is_string());
    let (status, refund) =
        stack.stripe().request(&http::Method::POST, "/v1/refunds", &format!("charge={charge}&amount=700"));
    assert_eq!(status, 200, "{refund}");
    stack.advance(Duration::from_secs(DAY)).await;
    stack.faults().clear();
    let staff = back(&stack, &staff).await;
    let runs = staff.get("/v1/admin/reconciliations").await.ok();
    assert_eq!(runs["items"][0]["differing"], 1, "{runs}");
    let date = runs["items"][0]["date"].as_str().unwrap();
    let report = staff.get(&format!("/v1/admin/reconciliations/{date}")).await.ok();
    assert_eq!(report["differences"][0]["object"], refund["id"]);
    assert_eq!(items(&stack, &anna, "refund").len(), 1, "it is in the books since");
    let object = refund["id"].as_str().unwrap();
    let path = format!("/v1/admin/reconciliations/{date}/differences/{object}/resolve");
    let note = json!({"note": "Support did it by hand."});
    assert_eq!(staff.post(&path, note.clone()).await.ok()["resolved"]["note"], note["note"]);
    assert_eq!(refused(staff.post(&path, note.clone())).await, (409, "already_resolved".to_owned()));
    let unknown = format!("/v1/admin/reconciliations/{date}/differences/re_no/resolve");
    assert_eq!(refused(staff.post(&unknown, note)).await, (404, "not_found".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn all_that_is_left_goes_back_once_however_often_it_is_asked_for() {
    let stack = start().await;
    let (_, invoice, charge) = bought(&stack, "anna@example.com", LAUNCH).await;
    let staff = staff(&stack).await;
    let path = format!("/v1/admin/invoices/{invoice}/refunds");
    staff.post(&path, wanted(10_000, "ticket-1")).await.expect(201);
    let rest = json!({"reason": "order_change", "reference": "ticket-2"});
    let first = staff.post(&path, rest.clone()).await.expect(201);
    assert_eq!((&first["amount"]["minor"], &first["left"]["minor"]), (&json!(19_900), &json!(0)));
    assert_eq!(staff.post(&path, rest).await.expect(201)["id"], first["id"]);
    let nothing = json!({"reason": "order_change", "reference": "ticket-3"});
    assert_eq!(refused(staff.post(&path, nothing)).await, (409, "over_refund".to_owned()));
    assert_eq!(stack.stripe().get(&charge).unwrap()["amount_refunded"], 29_900);
    audit::check(&stack).await;
}
