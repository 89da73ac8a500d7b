//! A year of one customer: some five hundred events of Stripe's, told in order, or all at its end, each twice and in any order.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Timestamp;
use http::Method;
use local::Stack;
use local::harness::Client;
use serde_json::Value;

use crate::buyers::{COSTS, GROWTH, LAUNCH, at_stripe, buy, customer};
use crate::{DAY, audit, items, staff};

const CAMPAIGNS: &str = "campaigns_pro_month_usd";

/// Dunning is a record of when what was heard, which is what differs here; all else is what Stripe has.
const KINDS: [&str; 12] = [
    "subscription",
    "closed_subscription",
    "invoice",
    "charge",
    "refund",
    "dispute",
    "posting",
    "payment_method",
    "account",
    "checkout",
    "trial",
    "entitlements",
];

/// What an item is stored with, and what names its place.
const ENVELOPE: [&str; 14] = [
    "pk",
    "sk",
    "v",
    "event",
    "gsi1pk",
    "gsi1sk",
    "gsi2pk",
    "gsi2sk",
    "expires_at",
    "number",
    "hosted_url",
    "pdf_url",
    "url",
    "version",
];

/// Who lives that year, and what they have.
struct Life<'a> {
    stack: &'a Stack,
    anna: Client,
    /// How the page on which campaigns is bought was asked for.
    asked: String,
}

impl Life<'_> {
    /// The newest subscription of a product at Stripe.
    fn subscription(&self, product: &str) -> Value {
        let all = self.stack.stripe().objects("subscription");
        all.into_iter().rev().find(|one| one["metadata"]["product"] == product).unwrap()
    }

    fn path(&self, product: &str) -> String {
        format!("/v1/subscriptions/{}", self.subscription(product)["id"].as_str().unwrap())
    }

    fn does(&self, product: &str, what: &str) {
        at_stripe(self.stack, &self.path(product), what);
    }

    /// Changes price or quantity, as in the portal.
    fn changes(&self, product: &str, to: &str, quantity: u32) {
        let prices = self.stack.stripe().objects("price");
        let price = prices.iter().find(|price| price["lookup_key"] == to).unwrap()["id"].as_str().unwrap();
        let subscription = self.subscription(product);
        let item = &subscription["items"]["data"][0];
        // From the period's beginning on, so that no second of this machine's is in the amount.
        let since = item["current_period_start"].as_i64().unwrap();
        let item = item["id"].as_str().unwrap();
        self.does(
            product,
            &format!(
                "items[0][id]={item}&items[0][price]={price}&items[0][quantity]={quantity}\
                 &proration_behavior=always_invoice&proration_date={since}"
            ),
        );
    }

    /// Pays everything with a card from now on.
    fn pays_with(&self, method: &str) {
        let customer = customer(self.stack, &self.anna);
        let path = format!("/v1/payment_methods/{method}/attach");
        let card = at_stripe(self.stack, &path, &format!("customer={customer}"));
        let card = card["id"].as_str().unwrap();
        let form = format!("invoice_settings[default_payment_method]={card}");
        at_stripe(self.stack, &format!("/v1/customers/{customer}"), &form);
        for product in ["hosting", "costs", "campaigns"] {
            self.does(product, &format!("default_payment_method={card}"));
        }
    }

    /// The newest charge of that amount.
    fn charge(&self, minor: i64) -> String {
        let all = self.stack.stripe().objects("charge");
        let found = all.into_iter().rev().find(|charge| charge["amount"] == minor && charge["paid"] == true);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn days(&self, days: u64) {
        self.stack.advance(Duration::from_secs(days * DAY)).await;
    }

    /// What happens in a month, at Stripe: in its portal and its dashboard.
    async fn month(&self, month: u32) {
        let stripe = self.stack.stripe();
        match month {
            1 => self.changes("hosting", GROWTH, 1),
            2 => self.changes("costs", COSTS, 3),
            // A renewal of each is not paid, and is some days later with another card.
            3 => {
                // A renewal of this very hour is a draft, which the bad card would leave unpaid for good.
                self.stack.advance(Duration::from_secs(2 * 3_600)).await;
                self.pays_with("pm_card_chargeCustomerFail");
                let hosting = self.subscription("hosting");
                let end = hosting["items"]["data"][0]["current_period_end"].as_i64().unwrap();
                let end = Timestamp::from_secs(end) + Duration::from_secs(DAY);
                self.stack.advance(end.since(self.stack.now())).await;
                self.pays_with("pm_card_mastercard");
            }
            4 => self.changes("hosting", LAUNCH, 1),
            5 => {
                let unused = "bill_for[unused_time_from][type]=none";
                at_stripe(self.stack, &format!("{}/pause", self.path("campaigns")), unused);
                self.days(3).await;
                at_stripe(self.stack, &format!("{}/resume", self.path("campaigns")), "");
            }
            6 => {
                let charge = self.charge(29_900);
                at_stripe(self.stack, "/v1/refunds", &format!("charge={charge}&amount=5000"));
            }
            7 => {
                let dispute = stripe.open_dispute(&self.charge(29_900)).unwrap();
                self.days(2).await;
                stripe.close_dispute(dispute["id"].as_str().unwrap(), true).unwrap();
            }
            8 => {
                self.does("costs", "cancel_at_period_end=true");
                self.days(1).await;
                self.does("costs", "cancel_at_period_end=false");
            }
            // They leave, and come back by a page that somebody at support made.
            9 => {
                let (status, _) = stripe.request(&Method::DELETE, &self.path("campaigns"), "");
                assert_eq!(status, 200);
                self.days(1).await;
                let session = at_stripe(self.stack, "/v1/checkout/sessions", &self.asked);
                let by = crate::buyers::card("4242424242424242");
                stripe.pay_checkout(session["id"].as_str().unwrap(), &by).unwrap();
            }
            10 => {
                let path = format!("/v1/customers/{}", customer(self.stack, &self.anna));
                at_stripe(self.stack, &path, "name=Northwind");
            }
            11 => self.does("hosting", "cancel_at_period_end=true"),
            _ => {}
        }
        self.days(30).await;
    }
}

/// A session's form without the moment at which it ended.
fn without_end(form: &str) -> String {
    let kept = form.split('&').filter(|pair| !pair.starts_with("expires_at="));
    kept.collect::<Vec<_>>().join("&")
}

/// Lives a year; answers what is kept of it, in words that are the same for everybody who lives it.
async fn lived(in_order: bool) -> (Vec<String>, usize) {
    let stack = Stack::start().await;
    let begun = stack.now();
    let staff = staff(&stack).await;
    staff.post_empty("/v1/admin/catalog/sync").await.expect(200);
    let anna = stack.verified("anna@example.com").await;
    let webhooks = stack.stripe().webhooks();
    if !in_order {
        webhooks.hold();
        // Nobody reads Stripe's list, and nobody compares at night.
        for (function, call) in
            [("catch_up_events", "GET /v1/events"), ("reconcile_stripe", "GET /v1/subscriptions")]
        {
            stack.faults().on(function, "stripe", call).always().fail(400, "away");
        }
    }
    for price in [LAUNCH, COSTS, CAMPAIGNS] {
        buy(&stack, &anna, price).await;
        // They come back from Stripe's page.
        let product = price.split('_').next().unwrap();
        let slots = items(&stack, &anna, "checkout");
        let slot = slots.iter().find(|slot| slot["product"] == product).unwrap();
        let path = format!("/v1/billing/checkout/{}", slot["session"].as_str().unwrap());
        assert_eq!(anna.get(&path).await.ok()["state"], "done");
        // What renews in one second does so in any order.
        stack.advance(Duration::from_secs(60)).await;
    }
    stack.settle().await;
    let calls = stack.stripe().calls();
    let asked = calls.iter().rev().find(|call| call.operation == "POST /v1/checkout/sessions").unwrap();
    let life = Life { stack: &stack, anna, asked: without_end(&asked.request) };
    for month in 1..=12 {
        life.month(month).await;
    }
    let events = stack.stripe().events().len();
    if !in_order {
        assert!(webhooks.pending() > 400, "{} wait", webhooks.pending());
        stack.shuffle("project_stripe");
        stack.deliver_twice("project_stripe");
        webhooks.shuffle();
        webhooks.double();
        webhooks.deliver().await;
        stack.settle().await;
        assert_eq!(webhooks.pending(), 0);
        // So many at once are in each other's way, and are looked at again.
        for _ in 0..4 {
            stack.advance(Duration::from_secs(200)).await;
        }
        let events = stack.table("billing").of_kind("stripe_event");
        let open =
            events.iter().filter(|event| !["done", "skipped"].contains(&event["state"].as_str().unwrap()));
        let open: Vec<[&Value; 4]> = open
            .map(|event| ["event_type", "state", "attempts", "error"].map(|field| &event[field]))
            .collect();
        assert!(open.is_empty(), "{open:#?}");
        stack.faults().clear();
    }
    let kept = kept(&stack, &life.anna, begun);
    audit::check(&stack).await;
    (kept, events)
}

/// Everything that is kept of somebody, sorted: Stripe's ids by their number among its objects, moments by their day.
fn kept(stack: &Stack, anna: &Client, begun: Timestamp) -> Vec<String> {
    let mut names = BTreeMap::from([(anna.org().to_owned(), "the organisation".to_owned())]);
    for kind in [
        "customer",
        "subscription",
        "invoice",
        "charge",
        "refund",
        "dispute",
        "payment_method",
        "checkout.session",
        "price",
        "balance_transaction",
    ] {
        for (number, object) in stack.stripe().objects(kind).iter().enumerate() {
            names.insert(object["id"].as_str().unwrap().to_owned(), format!("{kind} {number}"));
        }
    }
    let mine = |item: &Value| item["pk"].as_str().unwrap().contains(anna.org());
    let all = stack.table("billing").items().into_iter().filter(mine);
    let mut lines: Vec<String> = all
        .filter(|item| KINDS.contains(&item["kind"].as_str().unwrap()))
        .map(|mut item| {
            item.as_object_mut().unwrap().retain(|name, _| !ENVELOPE.contains(&name.as_str()));
            named(&item, &names, begun).to_string()
        })
        .collect();
    lines.sort();
    lines
}

fn named(value: &Value, names: &BTreeMap<String, String>, begun: Timestamp) -> Value {
    match value {
        Value::Object(fields) => {
            let name = |text: &String| names.get(text).unwrap_or(text).clone();
            let mut named: serde_json::Map<_, _> =
                fields.iter().map(|(field, value)| (name(field), named(value, names, begun))).collect();
            // When it was first seen to be paid: that it was is what counts.
            if let Some(first) = named.get_mut("first_paid_at") {
                *first = true.into();
            }
            named.into()
        }
        Value::Array(all) => all.iter().map(|value| named(value, names, begun)).collect(),
        Value::String(text) => {
            let (id, rest) = text.split_once(':').unwrap_or((text, ""));
            if let Some(name) = names.get(id) {
                return format!("{name} {rest}").into();
            }
            match text.parse::<Timestamp>() {
                // A year is lived in some seconds, which are not the same ones.
                Ok(at) => {
                    let half_days = (at.as_secs() - begun.as_secs() + 6 * 3_600).div_euclid(12 * 3_600);
                    format!("half-day {half_days}").into()
                }
                Err(_) => match text.split_once('_') {
                    Some((kind, rest)) if rest.len() > 12 && !rest.contains('_') => kind.into(),
                    _ => value.clone(),
                },
            }
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn e6_a_year_of_events_in_any_order_and_twice_ends_as_it_does_in_order() {
    let ((in_order, events), (in_any, _)) = tokio::join!(lived(true), lived(false));
    // By the calendar some months have fewer.
    assert!(events >= 450, "{events} events");
    assert!(in_order.len() > 100, "{} items", in_order.len());
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>().join("\n")
    };
    let (missing, more) = (only(&in_order, &in_any), only(&in_any, &in_order));
    assert!(missing.is_empty() && more.is_empty(), "in order:\n{missing}\n\nin any order:\n{more}");
    assert_eq!(in_order.len(), in_any.len());
}
