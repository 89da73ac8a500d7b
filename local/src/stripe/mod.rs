//! The fake Stripe: API, pages and webhooks of the pinned version, on the stack's clock, as strict as the real one.
//!
//! Objects are kept as the JSON they are answered as; fields that begin with `_` are the fake's own. A call, a click and
//! something that falls due are each one [`turn`], durable before it is answered. What it plays and what not is told in
//! `docs/local-stripe.md`.

mod calendar;
mod cards;
mod catalog;
mod charges;
mod checkout;
mod credit_notes;
mod customers;
mod disputes;
mod endpoint;
mod error;
mod expand;
mod form;
mod intents;
mod invoice_items;
mod invoices;
mod lines;
mod meters;
mod methods;
mod pages;
mod payments;
mod people;
mod portal;
mod previews;
mod proration;
mod refunds;
mod renewals;
mod routes;
mod schedules;
mod schema;
mod setups;
mod store;
mod subscriptions;
mod tax;
mod turn;
mod updates;
mod usage;
mod value;
mod webhooks;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use serde_json::{Value, json};

pub use self::cards::PaidBy;
pub use self::webhooks::Webhooks;

use self::endpoint::KEY_LIVES;
use self::error::Outcome;
use self::routes::Route;
use self::store::Store;
use self::turn::Turn;
use self::value::{int, public, text};
use self::webhooks::Mode;
use crate::activity::Activity;
use crate::aws::{Called, Cloud};
use crate::harness::web::Web;
use crate::{Clock, Context, Error, Result};

/// The version that Tenantry pins.
pub const VERSION: &str = "2026-10-28.endive";
/// The path of the API and the pages.
pub const PATH: &str = "/_local/stripe";

/// Every call, by noun.
static ROUTES: &[&[Route]] = &[
    customers::ROUTES,
    catalog::ROUTES,
    webhooks::ROUTES,
    methods::ROUTES,
    setups::ROUTES,
    intents::ROUTES,
    charges::ROUTES,
    refunds::ROUTES,
    credit_notes::ROUTES,
    disputes::ROUTES,
    subscriptions::ROUTES,
    schedules::ROUTES,
    invoices::ROUTES,
    invoice_items::ROUTES,
    checkout::ROUTES,
    portal::ROUTES,
    meters::ROUTES,
    usage::ROUTES,
];

/// When something of an object falls due, and what happens then.
type Life = (&'static str, fn(&Value) -> Option<i64>, fn(&mut Turn<'_>, &str));

/// Something that falls due: when, the kind and id of its object, and what happens.
type Due = (i64, &'static str, String, fn(&mut Turn<'_>, &str));

/// What falls due by time, in the order in which it happens when several things do so in the same second.
static LIVES: &[Life] = &[
    ("subscription_schedule", schedules::due, schedules::fall_due),
    ("subscription", renewals::due, renewals::fall_due),
    ("payment_intent", intents::due, intents::fall_due),
    ("invoice", invoices::due, invoices::fall_due),
    ("checkout.session", checkout::due, checkout::fall_due),
    ("refund", refunds::due, refunds::fall_due),
    ("dispute", disputes::due, disputes::fall_due),
];

/// What a fake Stripe is opened with.
pub struct StripeConfig {
    /// The folder of its file.
    pub data: PathBuf,
    /// The stack's clock.
    pub clock: Clock,
    /// `http://localhost:<port>`: what its pages and links begin with.
    pub stack_url: String,
    /// `http://127.0.0.1:<port>`: where that is reached for certain.
    pub address: String,
    /// `{stripe_key, webhook_secrets}`.
    pub secret: Value,
    /// What is going on: deliveries are.
    pub activity: Activity,
    /// Whose faults and ledger count its calls.
    pub cloud: Cloud,
}

/// The account whose Stripe this is.
pub(crate) struct Account {
    key: String,
    webhook_secret: String,
    stack_url: String,
    address: String,
}

impl Account {
    /// A page's address.
    fn page(&self, path: &str) -> String {
        format!("{}{PATH}{path}", self.stack_url)
    }
}

/// The fake Stripe; clones are the same one.
#[derive(Clone)]
pub struct Stripe {
    shared: Arc<Shared>,
}

struct Shared {
    account: Account,
    clock: Clock,
    activity: Activity,
    cloud: Cloud,
    web: Web,
    store: Mutex<Store>,
    mode: Mutex<Mode>,
    keys: Mutex<BTreeSet<String>>,
    sending: Mutex<webhooks::Sending>,
}

impl Stripe {
    /// Opens it on its folder; what was acknowledged before is there.
    ///
    /// # Errors
    /// When its file cannot be used, or the secret is none.
    pub fn open(config: StripeConfig) -> Result<Self> {
        let StripeConfig { data, clock, stack_url, address, secret, activity, cloud } = config;
        let secret_of = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or_else(|| Error::new("the billing secret is not complete"))
        };
        let account = Account {
            key: secret_of(&secret["stripe_key"])?,
            webhook_secret: secret_of(&secret["webhook_secrets"][0])?,
            stack_url,
            address,
        };
        let store = Store::open(&data.join("stripe.db")).context("opening stripe.db")?;
        let stripe = Self {
            shared: Arc::new(Shared {
                account,
                clock,
                activity,
                cloud,
                web: Web::new(""),
                store: Mutex::new(store),
                mode: Mutex::default(),
                keys: Mutex::default(),
                sending: Mutex::default(),
            }),
        };
        stripe.with_turn(stripe.now(), Value::Null, |turn| {
            let account = turn.account;
            webhooks::declare(turn, account);
        });
        Ok(stripe)
    }

    /// Lets everything happen that has fallen due, each thing at its own moment, and delivers what is due.
    ///
    /// # Errors
    /// When something falls due again and again without moving on.
    pub fn tick(&self) -> Result<()> {
        let now = self.now();
        let mut last = None;
        while let Some((at, kind, id, fall_due)) = self.first_due().filter(|(at, ..)| *at <= now) {
            let this = Some((at, kind, id.clone()));
            if this == last {
                return Err(Error::new(format!("the fake Stripe's {kind} {id} does not move on from {at}")));
            }
            last = this;
            self.with_turn(at, json!({ "id": null, "idempotency_key": null }), |turn| fall_due(turn, &id));
        }
        self.forget_old(now);
        self.kick();
        Ok(())
    }

    /// The earliest moment at which something happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let first = self.first_due().map(|(at, ..)| at);
        [first, self.next_delivery()].into_iter().flatten().min().map(Timestamp::from_secs)
    }

    fn first_due(&self) -> Option<Due> {
        let store = self.lock_store();
        let mut first: Option<Due> = None;
        for (kind, due, fall_due) in LIVES {
            for value in store.each(kind) {
                if let Some(at) = due(value).filter(|at| first.as_ref().is_none_or(|first| *at < first.0)) {
                    first = Some((at, kind, text(&value["id"]).to_owned(), *fall_due));
                }
            }
        }
        first
    }

    fn forget_old(&self, now: i64) {
        let old: Vec<String> = {
            let store = self.lock_store();
            let keys = store.each_with_id("_key").filter(|(_, key)| int(&key["at"]) <= now - KEY_LIVES);
            keys.map(|(id, _)| id.to_owned()).collect()
        };
        if !old.is_empty() {
            self.with_turn(now, Value::Null, |turn| old.iter().for_each(|id| turn.note("_key", id, None)));
        }
    }

    /// Takes a turn: everything in it is durable when this returns, and its events are on their way.
    fn with_turn<T>(&self, at: i64, request: Value, play: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let result = {
            let dropped = self.lock_mode().dropped;
            let mut store = self.lock_store();
            let mut turn = Turn::new(&mut store, &self.shared.account, at, request);
            let result = play(&mut turn);
            if !dropped {
                webhooks::plan(&mut turn);
            }
            // A full disk; the stack's other parts fail of it as well, and tell.
            turn.keep().unwrap_or_else(|error| panic!("stripe.db: {error}"));
            result
        };
        self.kick();
        result
    }

    /// A turn that may be refused, taken by somebody at this moment: a person at a page, or a test.
    fn act(&self, play: impl Fn(&mut Turn<'_>) -> Outcome<Value>) -> Result<Value, Value> {
        let acted = self.with_turn(self.now(), json!({ "id": null, "idempotency_key": null }), |turn| {
            turn.attempt(&play)
        });
        acted.map(|value| public(&value)).map_err(|error| error.error)
    }

    fn now(&self) -> i64 {
        self.shared.clock.now().as_secs()
    }

    fn lock_store(&self) -> MutexGuard<'_, Store> {
        lock(&self.shared.store)
    }

    fn lock_mode(&self) -> MutexGuard<'_, Mode> {
        lock(&self.shared.mode)
    }

    fn lock_keys(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.shared.keys)
    }

    fn lock_sending(&self) -> MutexGuard<'_, webhooks::Sending> {
        lock(&self.shared.sending)
    }

    /// The calls that were made of it, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        self.shared.cloud.calls().recent().into_iter().filter(|called| called.service == "stripe").collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
