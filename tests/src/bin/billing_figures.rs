//! Measures what billing asks of Stripe and of its table, and prints it as the tables of `docs/performance.md`.
//!
//! Counts, not times: machines do not matter, but for who of an endpoint and the inbox's worker comes first to store the same.
//! Functions are those in `TENANTRY_BINARIES`, or debug builds.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Duration;

use local::Stack;
use local::harness::{Answer, Client};
use local::stripe::PaidBy;
use serde_json::{Value, json};

const LAUNCH: &str = "hosting_launch_month_usd";
const GROWTH: &str = "hosting_growth_month_usd";
const HOSTING: &str = "/v1/billing/subscriptions/hosting";
const METHODS: &str = "/v1/billing/payment-methods";
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::main]
async fn main() {
    let stack = Stack::start().await;
    // Prices are made at Stripe when they are first sold.
    bought(&stack, "first@example.org").await;
    flows(&stack).await;
    units(&stack).await;
    stack.settle().await;
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn card(number: &str) -> PaidBy {
    PaidBy::card(number).country("US").postal_code("94103")
}

async fn open(person: &Client, price: &str) -> String {
    text(&person.post("/v1/billing/checkout", json!({ "price": price })).await.expect(201)["id"])
}

fn pay(stack: &Stack, checkout: &str) {
    let paid = stack.stripe().pay_checkout(checkout, &card("4242424242424242"));
    assert!(paid.is_ok(), "{paid:?}");
}

async fn bought(stack: &Stack, email: &str) -> Client {
    let person = stack.verified(email).await;
    pay(stack, &open(&person, LAUNCH).await);
    stack.settle().await;
    person
}

async fn back(stack: &Stack, person: &Client) -> Client {
    let body = json!({"email": person.email(), "password": local::harness::people::PASSWORD});
    let session = stack.client().post("/v1/auth/login", body).await.expect(200);
    stack.client().with_session(session)
}

async fn quoted(person: &Client, price: &str) -> Value {
    let quote =
        person.post(&format!("{HOSTING}/preview"), json!({"price": price, "quantity": 1})).await.expect(201);
    json!({"quote": quote["id"], "signature": quote["signature"]})
}

/// A member of the platform's staff.
async fn staff(stack: &Stack) -> Client {
    let person = stack.verified("staff@example.net").await;
    let users = stack.table("accounts").of_kind("user");
    for mut user in users.into_iter().filter(|user| user["id"] == person.user()) {
        user["operator"] = true.into();
        if let Some(fields) = user.as_object_mut() {
            fields.remove("event");
        }
        let stored = stack.put_item("accounts", &user).await;
        assert!(stored.is_ok(), "{stored:?}");
    }
    person
}

/// Calls of Stripe's so far, by whoever asks for the customer and by the worker of the inbox; and those that change something.
fn asked(stack: &Stack) -> [u64; 3] {
    let mut counts = [0; 3];
    for ((function, operation), total) in stack.cloud().calls().totals() {
        let Some(call) = operation.strip_prefix("stripe:") else { continue };
        // The nightly comparison and the reading of Stripe's list are not of one customer.
        if ["catch_up_events", "reconcile_stripe"].contains(&function.as_str()) {
            continue;
        }
        counts[usize::from(function == "project_stripe")] += total.calls;
        let previews = call.ends_with("create_preview");
        counts[2] += if call.starts_with("GET ") || previews { 0 } else { total.calls };
    }
    counts
}

fn flow(stack: &Stack, name: &str, before: [u64; 3], events: usize) {
    let after = asked(stack);
    let told = stack.stripe().events().len() - events;
    println!(
        "| {name} | {} | {told} | {} | {} |",
        after[0] - before[0],
        after[1] - before[1],
        after[2] - before[2]
    );
}

/// What one customer's doings cost in calls of Stripe's.
async fn flows(stack: &Stack) {
    let staff = staff(stack).await;
    let anna = stack.verified("anna@example.com").await;
    let start = || (asked(stack), stack.stripe().events().len());
    println!("| flow | calls by the endpoints | events told | calls by the worker | of all calls, changes |");
    println!("|---|---|---|---|---|");

    let (before, events) = start();
    let checkout = open(&anna, LAUNCH).await;
    flow(stack, "a first checkout is opened", before, events);
    let (before, events) = start();
    pay(stack, &checkout);
    stack.settle().await;
    flow(stack, "it is paid by card: a trial becomes a plan", before, events);

    let (before, events) = start();
    let quote = quoted(&anna, GROWTH).await;
    anna.patch(HOSTING, quote).await.expect(200);
    stack.settle().await;
    flow(stack, "an upgrade: quote and change", before, events);
    let (before, events) = start();
    let quote = quoted(&anna, LAUNCH).await;
    anna.patch(HOSTING, quote).await.expect(200);
    stack.settle().await;
    flow(stack, "a downgrade: quote and schedule", before, events);
    let (before, events) = start();
    anna.post_empty(&format!("{HOSTING}/resume")).await.expect(200);
    stack.settle().await;
    flow(stack, "it is taken back", before, events);

    stack.advance(29 * DAY).await;
    let (before, events) = start();
    stack.advance(4 * DAY).await;
    flow(stack, "a renewal", before, events);

    let staff = back(stack, &staff).await;
    let anna = back(stack, &anna).await;
    let invoices = anna.get("/v1/billing/invoices").await.ok();
    let (before, events) = start();
    let refund = json!({"amount": 5_000, "reason": "order_change", "reference": "figures"});
    let path = format!("/v1/admin/invoices/{}/refunds", text(&invoices["items"][0]["id"]));
    staff.post(&path, refund).await.expect(201);
    stack.settle().await;
    flow(stack, "a refund with its credit note", before, events);

    let (before, events) = start();
    anna.delete(HOSTING).await.expect(200);
    stack.settle().await;
    flow(stack, "an end with the period", before, events);
    let (before, events) = start();
    anna.delete(&format!("{HOSTING}?when=now")).await.expect(200);
    stack.settle().await;
    flow(stack, "an end at once", before, events);
}

/// Read and write units that a function has consumed so far.
fn consumed(stack: &Stack, function: &str) -> (f64, f64) {
    let totals = stack.cloud().calls().totals();
    let own = totals.iter().filter(|((caller, _), _)| caller == function).map(|(_, total)| total);
    own.fold((0.0, 0.0), |(read, write), total| (read + total.read_units, write + total.write_units))
}

async fn unit(stack: &Stack, function: &str, call: impl Future<Output = Answer>) -> Value {
    let before = consumed(stack, function);
    let answer = call.await;
    assert!(answer.status < 300, "{function} answered {}: {}", answer.status, answer.text());
    let after = consumed(stack, function);
    println!("| {function} | {:.1} | {:.1} |", after.0 - before.0, after.1 - before.1);
    answer.json()
}

/// DynamoDB units that one call of each endpoint consumes in its function, and those of the worker for a purchase.
async fn units(stack: &Stack) {
    println!("\n| endpoint | read units | write units |\n|---|---|---|");
    let anna = stack.verified("bella@example.com").await;
    let nobody = stack.client();
    unit(stack, "list_plans", nobody.get("/v1/plans")).await;
    unit(stack, "get_entitlements", anna.get("/v1/entitlements")).await;
    unit(stack, "get_trial", anna.get("/v1/trials/hosting")).await;
    let checkout = json!({ "price": LAUNCH });
    let opened = unit(stack, "create_checkout", anna.post("/v1/billing/checkout", checkout)).await;
    let path = format!("/v1/billing/checkout/{}", text(&opened["id"]));
    unit(stack, "get_checkout", anna.get(&path)).await;
    let before = (consumed(stack, "receive_stripe"), consumed(stack, "project_stripe"));
    let events = stack.stripe().events().len();
    pay(stack, &text(&opened["id"]));
    stack.settle().await;
    let told = stack.stripe().events().len() - events;
    for (function, before) in [("receive_stripe", before.0), ("project_stripe", before.1)] {
        let after = consumed(stack, function);
        let (read, write) = (after.0 - before.0, after.1 - before.1);
        println!("| {function}, the {told} events of a purchase | {read:.1} | {write:.1} |");
    }
    unit(stack, "get_account", anna.get("/v1/billing/account")).await;
    let named = json!({"name": "Northwind"});
    unit(stack, "update_account", anna.put("/v1/billing/account", named)).await;
    let vat = json!({"value": "DE000000000"});
    unit(stack, "put_tax_id", anna.put("/v1/billing/tax-ids/eu_vat", vat)).await;
    unit(stack, "delete_tax_id", anna.delete("/v1/billing/tax-ids/eu_vat")).await;
    unit(stack, "create_portal", anna.post_empty("/v1/billing/portal")).await;
    let setup = unit(stack, "create_setup", anna.post_empty(METHODS)).await;
    let confirmed = stack.stripe().confirm_setup(&text(&setup["setup_intent"]), &card("5555555555554444"));
    assert!(confirmed.is_ok(), "{confirmed:?}");
    stack.settle().await;
    let methods = unit(stack, "list_payment_methods", anna.get(METHODS)).await;
    let added = methods["items"].as_array().into_iter().flatten().find(|method| method["last4"] == "4444");
    let method = format!("{METHODS}/{}", added.map(|method| text(&method["id"])).unwrap_or_default());
    let end = json!({"exp_month": 12, "exp_year": 2040});
    unit(stack, "update_payment_method", anna.patch(&method, end)).await;
    unit(stack, "delete_payment_method", anna.delete(&method)).await;
    let left = text(&methods["items"][0]["id"]);
    let other = methods["items"].as_array().into_iter().flatten().find(|method| method["last4"] == "4242");
    let kept = other.map_or(left, |method| text(&method["id"]));
    let path = format!("{METHODS}/{kept}/default");
    unit(stack, "set_default_payment_method", anna.put(&path, json!({}))).await;

    unit(stack, "get_subscription", anna.get(HOSTING)).await;
    let wanted = json!({"price": GROWTH, "quantity": 1});
    let quote = unit(stack, "preview_change", anna.post(&format!("{HOSTING}/preview"), wanted)).await;
    let taken = json!({"quote": quote["id"], "signature": quote["signature"]});
    unit(stack, "change_subscription", anna.patch(HOSTING, taken)).await;
    stack.settle().await;
    unit(stack, "cancel_subscription", anna.delete(HOSTING)).await;
    unit(stack, "resume_subscription", anna.post_empty(&format!("{HOSTING}/resume"))).await;
    unit(stack, "pause_subscription", anna.post_empty(&format!("{HOSTING}/pause"))).await;
    anna.post_empty(&format!("{HOSTING}/resume")).await.expect(200);
    stack.settle().await;

    let invoices = unit(stack, "list_invoices", anna.get("/v1/billing/invoices")).await;
    let path = format!("/v1/billing/invoices/{}", text(&invoices["items"][0]["id"]));
    unit(stack, "get_invoice", anna.get(&path)).await;
    unit(stack, "pay_invoice", anna.post_empty(&unpaid(stack, &anna).await)).await;
    let begun = json!({"price": "costs_pro_month_usd", "payment_method": kept});
    unit(stack, "create_subscription", anna.post("/v1/billing/subscriptions", begun)).await;
    let campaigns = json!({"price": "campaigns_pro_month_usd", "payment_method": kept});
    anna.post("/v1/billing/subscriptions", campaigns).await.expect(201);
    stack.settle().await;
    let cap = json!({"window": "month", "hard": true, "limit": {"minor": 10_000, "currency": "usd"}});
    unit(stack, "put_spend_cap", anna.put("/v1/billing/caps/sms_segments", cap)).await;
    let record = json!({"id": "m-1", "meter": "sms_segments", "quantity": "2", "at": stack.now()});
    unit(stack, "record_usage", anna.post("/v1/usage", json!({ "records": [record] }))).await;
    unit(stack, "get_usage", anna.get("/v1/usage?meter=sms_segments")).await;
}

/// An invoice whose first payment fails; answers the path that pays it.
async fn unpaid(stack: &Stack, person: &Client) -> String {
    let accounts = stack.table("billing").of_kind("account");
    let own = accounts.iter().find(|item| item["pk"] == format!("ORG#{}", person.org()));
    let customer = own.map(|item| text(&item["stripe_customer"])).unwrap_or_default();
    let subscriptions = stack.stripe().objects("subscription");
    let one = subscriptions.iter().rev().find(|one| one["customer"] == customer.as_str());
    let subscription = one.map(|one| text(&one["id"])).unwrap_or_default();
    let post = |path: &str, form: &str| {
        "POST".parse().map(|verb| stack.stripe().request(&verb, path, form).1).unwrap_or_default()
    };
    post("/v1/invoiceitems", &format!("customer={customer}&amount=4200&currency=usd"));
    let form =
        format!("customer={customer}&subscription={subscription}&pending_invoice_items_behavior=include");
    let invoice = text(&post("/v1/invoices", &form)["id"]);
    post(&format!("/v1/invoices/{invoice}/pay"), "payment_method=pm_card_chargeCustomerFail");
    stack.settle().await;
    format!("/v1/billing/invoices/{invoice}/pay")
}
