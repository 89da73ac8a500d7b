//! What the description says of billing, seen with success: a trial, a purchase, a change, its end.

use local::harness::{Client, Stack};
use local::stripe::PaidBy;
use serde_json::{Value, json};

use crate::cast::text;
use crate::contract::Story;

const TRIAL: &str = "/v1/trials/hosting";
const CHECKOUT: &str = "/v1/billing/checkout";
const SUBSCRIPTION: &str = "/v1/billing/subscriptions/hosting";
const METHODS: &str = "/v1/billing/payment-methods";

/// Calls every route of billing that people can.
pub(crate) async fn tell(stack: &Stack, story: &mut Story) {
    let nobody = stack.client();
    story.tell(&nobody, "GET /v1/plans", "/v1/plans", None).await;
    let compare = "/v1/plans/compare?product=hosting&from=trial&to=launch";
    story.tell(&nobody, "GET /v1/plans/compare", compare, None).await;

    let payer = signed_up_for(stack, "payer@example.com", "launch").await;
    story.tell(&payer, "POST /v1/trials/{product}", TRIAL, None).await;
    story.tell(&payer, "GET /v1/trials/{product}", TRIAL, None).await;
    let by_org = format!("/v1/trial-status/{}", payer.org());
    story.tell(&payer, "GET /v1/trial-status/{org}", &by_org, None).await;
    story.tell(&payer, "GET /v1/entitlements", "/v1/entitlements", None).await;

    let staff = staff(stack).await;
    let extend = format!("/v1/admin/orgs/{}/trials/hosting/extend", payer.org());
    let route = "POST /v1/admin/orgs/{org}/trials/{product}/extend";
    story.tell(&staff, route, &extend, Some(json!({"days": 3}))).await;
    let sync = "/v1/admin/catalog/sync";
    story.tell(&staff, "POST /v1/admin/catalog/sync", sync, None).await;
    story.tell(&staff, "DELETE /v1/trials/{product}", TRIAL, None).await;

    purchase(stack, story, &payer).await;
    changes(story, &payer).await;
    methods(stack, story, &payer).await;
    used(stack, story, &payer, &staff).await;
    looked_after(stack, story, &staff).await;
}

async fn looked_after(stack: &Stack, story: &mut Story, staff: &Client) {
    story.tell(staff, "GET /v1/admin/webhooks", "/v1/admin/webhooks", None).await;
    let events = stack.table("billing").of_kind("stripe_event");
    let done = events.iter().find(|event| event["state"] == "done").unwrap();
    let replay = format!("/v1/admin/webhooks/{}/replay", text(done, "/id"));
    story.tell(staff, "POST /v1/admin/webhooks/{event}/replay", &replay, None).await;
    story.tell(staff, "POST /v1/admin/webhooks/redrive", "/v1/admin/webhooks/redrive", None).await;
    let charge = stack.table("billing").of_kind("charge").remove(0);
    let refund = Some(json!({"amount": 100, "reason": "order_change", "reference": "ticket-1"}));
    let path = format!("/v1/admin/invoices/{}/refunds", text(&charge, "/invoice"));
    story.tell(staff, "POST /v1/admin/invoices/{invoice}/refunds", &path, refund).await;
    stack.settle().await;
    // What somebody does at Stripe without a word is a difference.
    stack.stripe().webhooks().drop_all();
    let form = format!("charge={}&amount=100", text(&charge, "/id"));
    let (status, by_hand) = stack.stripe().request(&http::Method::POST, "/v1/refunds", &form);
    assert_eq!(status, 200, "{by_hand}");
    let tick: Value =
        serde_json::from_str(&tests::tree::read("events/billing/reconcile_stripe.json")).unwrap();
    let date: String = stack.now().to_string().chars().take(10).collect();
    stack.invoke("reconcile_stripe", tick).await.unwrap();
    let path = format!("/v1/admin/reconciliations/{date}");
    story.tell(staff, "GET /v1/admin/reconciliations/{date}", &path, None).await;
    story.tell(staff, "GET /v1/admin/reconciliations", "/v1/admin/reconciliations", None).await;
    let route = "POST /v1/admin/reconciliations/{date}/differences/{object}/resolve";
    let path = format!("{path}/differences/{}/resolve", text(&by_hand, "/id"));
    story.tell(staff, route, &path, Some(json!({"note": "Support did it by hand."}))).await;

    stack.stripe().webhooks().normal();
    let dispute = stack.stripe().open_dispute(&text(&charge, "/id")).unwrap();
    stack.settle().await;
    story.tell(staff, "GET /v1/admin/disputes", "/v1/admin/disputes", None).await;
    let path = format!("/v1/admin/disputes/{}/evidence", text(&dispute, "/id"));
    let said = Some(json!({"explanation": "It was used on each day."}));
    story.tell(staff, "POST /v1/admin/disputes/{dispute}/evidence", &path, said).await;
    story.tell(staff, "GET /v1/admin/revenue", "/v1/admin/revenue", None).await;
    stack.settle().await;
}

async fn purchase(stack: &Stack, story: &mut Story, payer: &Client) {
    let vat = Some(json!({"value": "DE000000000"}));
    let tax_ids = "/v1/billing/tax-ids/eu_vat";
    story.tell(payer, "PUT /v1/billing/tax-ids/{type}", tax_ids, vat).await;
    story.tell(payer, "DELETE /v1/billing/tax-ids/{type}", tax_ids, None).await;
    let launch = || Some(json!({"price": "hosting_launch_month_usd"}));
    let name = Some(json!({"name": "Northwind"}));
    story.tell(payer, "PUT /v1/billing/account", "/v1/billing/account", name).await;
    let first = story.tell(payer, "POST /v1/billing/checkout", CHECKOUT, launch()).await.json();
    let given_up = format!("{CHECKOUT}/{}", text(&first, "/id"));
    story.tell(payer, "DELETE /v1/billing/checkout/{checkout}", &given_up, None).await;
    let alias = "/v1/create-checkout-session";
    let opened = story.tell(payer, "POST /v1/create-checkout-session", alias, launch()).await.json();
    let session = text(&opened, "/id");
    let by = PaidBy::card("4242424242424242").country("US").postal_code("94103");
    stack.stripe().pay_checkout(&session, &by).unwrap();
    stack.settle().await;
    let path = format!("{CHECKOUT}/{session}");
    story.tell(payer, "GET /v1/billing/checkout/{checkout}", &path, None).await;
    story.tell(payer, "GET /v1/billing/account", "/v1/billing/account", None).await;
    let invoices = story.tell(payer, "GET /v1/billing/invoices", "/v1/billing/invoices", None).await.json();
    let invoice = format!("/v1/billing/invoices/{}", text(&invoices, "/items/0/id"));
    story.tell(payer, "GET /v1/billing/invoices/{invoice}", &invoice, None).await;
    story.tell(payer, "POST /v1/billing/portal", "/v1/billing/portal", None).await;
}

async fn changes(story: &mut Story, payer: &Client) {
    let route = |rest: &str| format!("/v1/billing/subscriptions/{{product}}{rest}");
    story.tell(payer, &format!("GET {}", route("")), SUBSCRIPTION, None).await;
    let growth = Some(json!({"price": "hosting_growth_month_usd", "quantity": 1}));
    let preview = format!("{SUBSCRIPTION}/preview");
    let quote = story.tell(payer, &format!("POST {}", route("/preview")), &preview, growth).await.json();
    let taken = Some(json!({"quote": quote["id"], "signature": quote["signature"]}));
    story.tell(payer, &format!("PATCH {}", route("")), SUBSCRIPTION, taken).await;
    story.tell(payer, &format!("POST {}", route("/pause")), &format!("{SUBSCRIPTION}/pause"), None).await;
    story.tell(payer, &format!("POST {}", route("/resume")), &format!("{SUBSCRIPTION}/resume"), None).await;
    story.tell(payer, &format!("DELETE {}", route("")), SUBSCRIPTION, None).await;
}

async fn methods(stack: &Stack, story: &mut Story, payer: &Client) {
    let body = Some(json!({"price": "costs_pro_month_usd"}));
    let path = "/v1/billing/subscriptions";
    story.tell(payer, "POST /v1/billing/subscriptions", path, body).await;
    stack.settle().await;
    let invoices = payer.get("/v1/billing/invoices").await.ok();
    let open =
        invoices["items"].as_array().unwrap().iter().find(|invoice| invoice["status"] == "open").unwrap();

    let setup = story.tell(payer, "POST /v1/billing/payment-methods", METHODS, None).await.json();
    let by = PaidBy::card("5555555555554444").country("US").postal_code("94103");
    stack.stripe().confirm_setup(&text(&setup, "/setup_intent"), &by).unwrap();
    stack.settle().await;
    let listed = story.tell(payer, "GET /v1/billing/payment-methods", METHODS, None).await.json();
    let all = listed["items"].as_array().unwrap();
    let added = all.iter().find(|method| method["last4"] == "4444").unwrap();
    let method = format!("{METHODS}/{}", text(added, "/id"));
    let route = "PUT /v1/billing/payment-methods/{method}/default";
    story.tell(payer, route, &format!("{method}/default"), None).await;
    let pay = format!("/v1/billing/invoices/{}/pay", text(open, "/id"));
    story.tell(payer, "POST /v1/billing/invoices/{invoice}/pay", &pay, None).await;
    let later = Some(json!({"exp_month": 12, "exp_year": 2040}));
    story.tell(payer, "PATCH /v1/billing/payment-methods/{method}", &method, later).await;
    // The one that pays by now stays.
    let other = all.iter().find(|method| method["last4"] != "4444").unwrap();
    let other = format!("{METHODS}/{}", text(other, "/id"));
    story.tell(payer, "DELETE /v1/billing/payment-methods/{method}", &other, None).await;
}

async fn used(stack: &Stack, story: &mut Story, payer: &Client, staff: &Client) {
    let cap = json!({"window": "month", "hard": true, "limit": {"minor": 5_000, "currency": "usd"}});
    story.tell(payer, "PUT /v1/billing/caps/{meter}", "/v1/billing/caps/sms_segments", Some(cap)).await;
    let record = json!({"id": "message-1", "meter": "sms_segments", "quantity": "2", "at": stack.now()});
    story.tell(payer, "POST /v1/usage", "/v1/usage", Some(json!({"records": [record]}))).await;
    story.tell(payer, "GET /v1/usage", "/v1/usage?meter=sms_segments", None).await;
    let whose = Some(json!({"org": payer.org()}));
    story.tell(staff, "POST /v1/usage/{id}/void", "/v1/usage/message-1/void", whose).await;
}

async fn signed_up_for(stack: &Stack, email: &str, plan: &str) -> Client {
    let client = stack.client();
    let body = json!({"email": email, "password": local::harness::people::PASSWORD, "plan": plan});
    let client = client.post("/v1/auth/signup", body).await.expect(201);
    let client = stack.client().with_session(client);
    stack.verify(&client).await;
    client
}

/// A person of the platform's staff.
pub(crate) async fn staff(stack: &Stack) -> Client {
    let person = stack.verified("staff@example.com").await;
    let users: Vec<Value> = stack.table("accounts").of_kind("user");
    let mut user = users.into_iter().find(|user| user["id"] == person.user()).unwrap();
    user["operator"] = true.into();
    user.as_object_mut().unwrap().remove("event");
    stack.put_item("accounts", &user).await.unwrap();
    person
}
