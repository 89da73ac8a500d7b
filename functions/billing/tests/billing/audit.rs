//! The auditor: what must hold of billing's table, accounts' table and Stripe together, whatever happened before. Called at the
//! end of every test in which customers do something, when nothing is under way any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::accounts::Entitlements;
use domain::billing::ledger::balances;
use domain::billing::{
    Charge, Dunning, LedgerAccount, Posting, Product, Standing, Subscription, Trial, recompute,
};
use local::Stack;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Calls of Stripe that move money, or make what does.
const MONEY: [&str; 5] = [
    "POST /v1/customers",
    "POST /v1/checkout/sessions",
    "POST /v1/subscriptions",
    "POST /v1/credit_notes",
    "POST /v1/refunds",
];

/// Everything at once.
pub(crate) async fn check(stack: &Stack) {
    // Words that were lost are caught up with, and calls without an answer are finished.
    stack.stripe().webhooks().normal();
    stack.advance(Duration::from_secs(17 * 60)).await;
    let books = Books { stack, items: stack.table("billing").items() };
    books.one_live_subscription_a_product();
    books.what_may_be_used_follows_from_what_there_is();
    books.the_ledger_balances_and_proves_stripes_balance();
    books.no_more_goes_back_than_was_paid();
    books.every_call_has_ended();
    books.a_trial_is_given_once();
    books.no_money_moves_without_a_stored_call();
}

struct Books<'a> {
    stack: &'a Stack,
    items: Vec<Value>,
}

impl Books<'_> {
    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.items.iter().filter(move |item| item["kind"] == kind)
    }

    fn read<T: DeserializeOwned>(&self, kind: &str) -> Vec<T> {
        self.of(kind).map(|item| serde_json::from_value(item.clone()).unwrap()).collect()
    }

    /// I1: at most one subscription of an organisation to a product is live, here and at Stripe, and they are the same.
    fn one_live_subscription_a_product(&self) {
        let mut live = BTreeMap::new();
        for subscription in self.stack.stripe().objects("subscription") {
            let is_over =
                ["canceled", "incomplete_expired"].contains(&subscription["status"].as_str().unwrap());
            let of = |name: &str| subscription["metadata"][name].as_str().map(str::to_owned);
            let Some(owner) = of("org").zip(of("product")).filter(|_| !is_over) else { continue };
            let before = live.insert(owner, subscription["id"].clone());
            assert_eq!(before, None, "two are live: {subscription}");
        }
        let kept: Vec<Subscription> = self.read("subscription");
        let kept: BTreeMap<_, _> = kept
            .iter()
            .filter(|subscription| subscription.is_live())
            .map(|subscription| {
                let owner = (subscription.org.to_string(), subscription.product.to_string());
                (owner, Value::from(subscription.observed.stripe_id.clone()))
            })
            .collect();
        assert_eq!(kept, live, "what is live here and at Stripe");
    }

    /// I2: what an organisation may use follows from its trials, subscriptions and unpaid invoices, and accounts knows it.
    fn what_may_be_used_follows_from_what_there_is(&self) {
        let (trials, subscriptions, dunning): (Vec<Trial>, Vec<Subscription>, Vec<Dunning>) =
            (self.read("trial"), self.read("subscription"), self.read("dunning"));
        let organisations = self.stack.table("accounts").of_kind("organisation");
        for item in self.of("entitlements") {
            let entitlements: Entitlements = serde_json::from_value(item.clone()).unwrap();
            let org = item["pk"].as_str().unwrap().trim_start_matches("ORG#");
            let ladders: BTreeMap<Product, Vec<Dunning>> = Product::ALL
                .map(|product| {
                    let own =
                        dunning.iter().filter(|one| one.org.to_string() == org && one.product == product);
                    (product, own.cloned().collect())
                })
                .into();
            let standings = Product::ALL.map(|product| {
                let standing = Standing {
                    trial: trials.iter().find(|one| one.org.to_string() == org && one.product == product),
                    subscription: subscriptions
                        .iter()
                        .find(|one| one.org.to_string() == org && one.product == product),
                    dunning: &ladders[&product],
                };
                (product, standing)
            });
            let changes = recompute(&entitlements, &standings.into());
            assert!(changes.is_none(), "{org} may use something else: {changes:?}");
            let held = organisations.iter().find(|organisation| organisation["id"] == org).unwrap();
            let held: Entitlements = serde_json::from_value(held["entitlements"].clone()).unwrap();
            assert_eq!(held, entitlements, "what accounts holds for {org}");
        }
    }

    /// I7: every posting balances, and Stripe's balance in the ledger is what Stripe has, in each currency.
    fn the_ledger_balances_and_proves_stripes_balance(&self) {
        let postings: Vec<Posting> = self.read("posting");
        for posting in &postings {
            assert!(posting.is_balanced(), "{posting:?}");
        }
        let mut ours = BTreeMap::new();
        for ((account, currency), sum) in balances(&postings) {
            if account == LedgerAccount::StripeBalance {
                ours.insert(currency.as_str().to_owned(), sum);
            }
        }
        let mut theirs: BTreeMap<String, i128> = BTreeMap::new();
        for moved in self.stack.stripe().objects("balance_transaction") {
            let net = i128::from(moved["net"].as_i64().unwrap());
            *theirs.entry(moved["currency"].as_str().unwrap().to_owned()).or_default() += net;
        }
        ours.retain(|_, sum| *sum != 0);
        theirs.retain(|_, sum| *sum != 0);
        assert_eq!(ours, theirs, "Stripe's balance in the ledger, and at Stripe");
    }

    /// I9: refunds and disputes never exceed what was paid, here and at Stripe.
    fn no_more_goes_back_than_was_paid(&self) {
        for charge in self.read::<Charge>("charge") {
            assert!(charge.refunded + charge.disputed <= charge.amount.minor, "{charge:?}");
            assert!(charge.reserved.is_empty(), "{charge:?}");
            let theirs = self.stack.stripe().get(&charge.id).unwrap();
            assert_eq!(theirs["amount_refunded"], charge.refunded, "{theirs}");
        }
    }

    /// I10: every stored call has ended one way or the other.
    fn every_call_has_ended(&self) {
        for op in self.of("stripe_op") {
            assert!(["done", "failed"].contains(&op["state"].as_str().unwrap()), "{op}");
        }
    }

    /// I11: each mailbox and each company tried a product once.
    fn a_trial_is_given_once(&self) {
        let mut marked = BTreeSet::new();
        for mark in self.of("trial_mark") {
            assert!(marked.insert(mark["pk"].to_string()), "{mark}");
            let is_theirs = self
                .of("trial")
                .any(|trial| (&trial["org"], &trial["product"]) == (&mark["org"], &mark["product"]));
            assert!(is_theirs, "a mark without a trial: {mark}");
        }
        for trial in self.of("trial") {
            let is_marked = self
                .of("trial_mark")
                .any(|mark| (&mark["org"], &mark["product"]) == (&trial["org"], &trial["product"]));
            assert!(is_marked, "a trial without a mark: {trial}");
        }
    }

    /// I12: what moves money was stored before it was said.
    fn no_money_moves_without_a_stored_call(&self) {
        for call in self.stack.stripe().calls() {
            if !MONEY.contains(&call.operation.as_str()) || call.function == "root" {
                continue;
            }
            let said = call.request.replace("%5B", "[").replace("%5D", "]").replace("%3A", ":");
            let mark = said.split('&').find_map(|pair| pair.strip_prefix("metadata[tenantry_call]="));
            let mark = mark.unwrap_or_else(|| panic!("{} moved money unmarked: {said}", call.function));
            let (org, rest) = mark.split_once(':').unwrap();
            let (action, entity) = rest.split_once(':').unwrap();
            let (pk, sk) = (format!("ORG#{org}"), format!("OP#{action}#{entity}"));
            assert!(
                self.of("stripe_op").any(|op| op["pk"] == pk.as_str() && op["sk"] == sk.as_str()),
                "{} moved money without a stored call: {mark}",
                call.function
            );
        }
    }
}
