//! One turn: a call, something falling due, or a person's click; it is kept as a whole or undone as a whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::store::Store;
use super::value::{difference, int, public, text};
use super::{Account, VERSION};

/// The kind of object that an id's prefix means.
const PREFIXES: &[(&str, &str)] = &[
    ("sub_sched_", "subscription_schedule"),
    ("cus_", "customer"),
    ("txi_", "tax_id"),
    ("prod_", "product"),
    ("price_", "price"),
    ("cs_", "checkout.session"),
    ("bps_", "billing_portal.session"),
    ("pm_", "payment_method"),
    ("seti_", "setup_intent"),
    ("pi_", "payment_intent"),
    ("ch_", "charge"),
    ("py_", "charge"),
    ("txn_", "balance_transaction"),
    ("sub_", "subscription"),
    ("inpay_", "invoice_payment"),
    ("in_", "invoice"),
    ("ii_", "invoiceitem"),
    ("cn_", "credit_note"),
    ("re_", "refund"),
    ("du_", "dispute"),
    ("mtr_", "billing.meter"),
    ("evt_", "event"),
    ("we_", "webhook_endpoint"),
    ("mandate_", "mandate"),
    ("issfr_", "radar.early_fraud_warning"),
];

/// Kinds whose objects do not say whether they are of test mode.
const WITHOUT_MODE: [&str; 2] = ["balance_transaction", "refund"];

/// The kind of object with such an id.
pub(super) fn kind_of(id: &str) -> Option<&'static str> {
    PREFIXES.iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, kind)| *kind)
}

/// A turn under way.
pub(super) struct Turn<'store> {
    store: &'store mut Store,
    /// The moment it happens at, in seconds since 1970.
    pub(super) now: i64,
    pub(super) account: &'store Account,
    /// What objects were before this turn.
    before: BTreeMap<(String, String), Option<Value>>,
    /// What the latest event told of an object.
    told: BTreeMap<String, Value>,
    /// The events that came of it, in order.
    pub(super) events: Vec<String>,
    /// The `request` of its events.
    request: Value,
}

impl<'store> Turn<'store> {
    pub(super) fn new(store: &'store mut Store, account: &'store Account, now: i64, request: Value) -> Self {
        let (before, told) = (BTreeMap::new(), BTreeMap::new());
        Self { store, now, account, before, told, events: Vec::new(), request }
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// SQLite's; then nothing has happened.
    pub(super) fn keep(mut self) -> rusqlite::Result<()> {
        if self.before.is_empty() {
            return Ok(());
        }
        let kept = self.store.keep(self.before.keys().map(|(kind, id)| (kind.as_str(), id.as_str())));
        if kept.is_err() {
            self.undo();
        }
        kept
    }

    /// Forgets everything that happened in it.
    pub(super) fn undo(&mut self) {
        for ((kind, id), value) in std::mem::take(&mut self.before) {
            self.store.set(&kind, &id, value);
        }
        self.told.clear();
        self.events.clear();
    }

    pub(super) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.store.get(kind, id)
    }

    /// The object that an id means, of whatever kind.
    pub(super) fn find(&self, id: &str) -> Option<&Value> {
        self.store.get(kind_of(id)?, id)
    }

    /// A copy of an object that a parameter or the path (`id`) names.
    ///
    /// # Errors
    /// `resource_missing`.
    pub(super) fn must(&self, kind: &str, id: &str, param: &str) -> Outcome<Value> {
        let found = self.get(kind, id).filter(|found| found["deleted"] != true).cloned();
        found.ok_or_else(|| StripeError::missing(&kind.replace(['.', '_'], " "), id, param))
    }

    /// A copy of an object that another one names, which is always there.
    pub(super) fn of(&self, kind: &str, id: &Value) -> Value {
        self.get(kind, text(id)).cloned().unwrap_or_default()
    }

    /// Every object of a kind, oldest first.
    pub(super) fn all(&self, kind: &str) -> Vec<&Value> {
        let mut all: Vec<&Value> = self.store.each(kind).collect();
        all.sort_by_key(|value| int(&value["_seq"]));
        all
    }

    /// The objects of a kind that fit, oldest first, as copies.
    pub(super) fn those(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.all(kind).into_iter().filter(|value| fits(value)).cloned().collect()
    }

    /// Makes a new object with an id of this prefix.
    pub(super) fn make(&mut self, kind: &str, prefix: &str, value: Value) -> Value {
        self.make_as(kind, &new_id(prefix), value)
    }

    /// Makes a new object with this id.
    pub(super) fn make_as(&mut self, kind: &str, id: &str, mut value: Value) -> Value {
        value["id"] = id.into();
        value["object"] = kind.into();
        if !WITHOUT_MODE.contains(&kind) {
            value["livemode"] = false.into();
        }
        value["_seq"] = self.store.next_number().into();
        if value.get("created").is_none() && kind != "invoiceitem" {
            value["created"] = self.now.into();
        }
        self.write(kind, id, Some(value.clone()));
        value
    }

    /// Puts a changed object back.
    pub(super) fn put(&mut self, value: &Value) {
        let (kind, id) = (text(&value["object"]).to_owned(), text(&value["id"]).to_owned());
        self.write(&kind, &id, Some(value.clone()));
    }

    /// Changes an object in place.
    pub(super) fn edit(&mut self, kind: &str, id: &str, change: impl FnOnce(&mut Value)) {
        let Some(old) = self.store.get(kind, id).cloned() else { return };
        self.before.entry((kind.to_owned(), id.to_owned())).or_insert(Some(old));
        if let Some(value) = self.store.get_mut(kind, id) {
            change(value);
        }
    }

    pub(super) fn remove(&mut self, kind: &str, id: &str) {
        self.write(kind, id, None);
    }

    /// Writes what is no object of Stripe's: kinds that begin with `_`.
    pub(super) fn note(&mut self, kind: &str, id: &str, value: Option<Value>) {
        self.write(kind, id, value);
    }

    fn write(&mut self, kind: &str, id: &str, value: Option<Value>) {
        let old = self.store.set(kind, id, value);
        self.before.entry((kind.to_owned(), id.to_owned())).or_insert(old);
    }

    /// Tells the world what became of an object; an update says what was before.
    pub(super) fn event(&mut self, what: &str, id: &str) {
        let Some(object) = self.find(id).map(public) else { return };
        self.event_of(what, object);
    }

    /// As [`Turn::event`], with the object as it shall be told.
    pub(super) fn event_of(&mut self, what: &str, object: Value) {
        let id = text(&object["id"]).to_owned();
        let mut data = json!({ "object": object });
        if what.ends_with("updated") || what.ends_with("paused") || what.ends_with("resumed") {
            let started = kind_of(&id)
                .and_then(|kind| self.before.get(&(kind.to_owned(), id.clone())))
                .and_then(Option::as_ref)
                .map(public);
            let before = self.told.get(&id).cloned().or(started);
            let changed = before.and_then(|before| difference(&before, &data["object"]));
            match changed {
                Some(changed) => data["previous_attributes"] = changed,
                // Nothing has changed, so there is nothing to tell.
                None if what == "customer.updated" || what == "customer.subscription.updated" => return,
                None => data["previous_attributes"] = json!({}),
            }
        }
        self.told.insert(id, data["object"].clone());
        let event = self.make(
            "event",
            "evt_",
            json!({
                "api_version": VERSION,
                "data": data,
                "pending_webhooks": 0,
                "request": self.request,
                "type": what,
            }),
        );
        self.events.push(text(&event["id"]).to_owned());
    }
}

/// A new id: the prefix and letters and digits as Stripe draws them.
pub(super) fn new_id(prefix: &str) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let length = match prefix {
        "cus_" | "prod_" | "sub_item_" | "si_" => 14,
        "cs_test_" => 58,
        _ => 24,
    };
    let drawn = crate::random::bytes::<64>();
    let letters = drawn.iter().take(length).map(|byte| char::from(LETTERS[usize::from(*byte) % 62]));
    prefix.chars().chain(letters).collect()
}
