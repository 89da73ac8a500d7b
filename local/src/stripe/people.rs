//! What people do: payers, their banks, and tests that look at everything.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::endpoint::Asked;
use super::error::{Outcome, StripeError};
use super::turn::{Turn, kind_of};
use super::value::{int, list, public, text};
use super::webhooks::{self, Webhooks};
use super::{PaidBy, Stripe, checkout, disputes, intents, methods, setups};

impl Stripe {
    /// All objects of a kind (Stripe's `object`), oldest first.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let store = self.lock_store();
        let mut all: Vec<&Value> = store.each(kind).collect();
        all.sort_by_key(|value| int(&value["_seq"]));
        all.into_iter().map(public).collect()
    }

    /// The object with an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Value> {
        let store = self.lock_store();
        let found = kind_of(id).and_then(|kind| store.get(kind, id));
        found.or_else(|| store.get("product", id)).map(public)
    }

    /// All events, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.objects("event")
    }

    /// The events of a type, oldest first.
    #[must_use]
    pub fn events_of(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["type"] == kind).collect()
    }

    /// What happens to webhooks.
    #[must_use]
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks { stripe: self }
    }

    /// Sends an event to every endpoint once more, as somebody at Stripe's dashboard may.
    pub fn replay(&self, event: &str) {
        self.with_turn(self.now(), Value::Null, |turn| {
            let endpoints = turn.those("webhook_endpoint", |endpoint| endpoint["status"] == "enabled");
            for endpoint in endpoints {
                webhooks::plan_one(turn, &json!({ "event": event, "endpoint": endpoint["id"] }));
            }
        });
    }

    /// The header `Stripe-Signature` of a body, as the stack's own endpoint is sent it now.
    #[must_use]
    pub fn signature(&self, body: &str) -> String {
        webhooks::signature(&self.shared.account.webhook_secret, self.now(), body)
    }

    /// Pays a checkout session as a person does on its page.
    ///
    /// # Errors
    /// Stripe's error object, as the page shows it.
    pub fn pay_checkout(&self, session: &str, paid: &PaidBy) -> Result<Value, Value> {
        self.act(|turn| checkout::pay(turn, session, paid))
    }

    /// The payment of a session that waits for the payer's bank.
    #[must_use]
    pub fn pending_action(&self, session: &str) -> Option<String> {
        self.with_turn(self.now(), Value::Null, |turn| checkout::pending_action(turn, session))
    }

    /// The payer confirms with the bank: a `pi_` or `seti_`.
    ///
    /// # Errors
    /// When nothing is asked, or the bank says no after all.
    pub fn approve_action(&self, intent: &str) -> Result<Value, Value> {
        self.act(|turn| answer(turn, intent, true))
    }

    /// The payer refuses to confirm.
    ///
    /// # Errors
    /// When nothing is asked.
    pub fn reject_action(&self, intent: &str) -> Result<Value, Value> {
        self.act(|turn| answer(turn, intent, false))
    }

    /// What Stripe.js does with a payment's client secret and what a person typed.
    ///
    /// # Errors
    /// A decline.
    pub fn confirm_payment(&self, intent: &str, paid: &PaidBy) -> Result<Value, Value> {
        self.act(|turn| confirm_with(turn, intent, paid))
    }

    /// What Stripe.js does with a setup's client secret and what a person typed.
    ///
    /// # Errors
    /// A decline.
    pub fn confirm_setup(&self, intent: &str, paid: &PaidBy) -> Result<Value, Value> {
        self.act(|turn| setups::confirm_with(turn, intent, paid))
    }

    /// The payer of a charge asks the bank for the money back.
    ///
    /// # Errors
    /// When there is no such charge.
    pub fn open_dispute(&self, charge: &str) -> Result<Value, Value> {
        self.act(|turn| {
            turn.must("charge", charge, "id")?;
            Ok(disputes::open(turn, charge, "fraudulent"))
        })
    }

    /// The bank decides a dispute.
    ///
    /// # Errors
    /// When there is no such dispute.
    pub fn close_dispute(&self, dispute: &str, won: bool) -> Result<Value, Value> {
        self.act(|turn| {
            turn.must("dispute", dispute, "id")?;
            disputes::close(turn, dispute, won);
            turn.must("dispute", dispute, "id")
        })
    }

    /// The bank takes a charge for fraud.
    ///
    /// # Errors
    /// When there is no such charge.
    pub fn warn_of_fraud(&self, charge: &str) -> Result<Value, Value> {
        self.act(|turn| {
            turn.must("charge", charge, "id")?;
            Ok(disputes::warn(turn, charge))
        })
    }

    /// The authority says of a tax id what it did not say before: `verified`, `unverified` or `unavailable`.
    ///
    /// # Errors
    /// When there is no such tax id.
    pub fn verify_tax_id(&self, tax_id: &str, status: &str) -> Result<Value, Value> {
        self.act(|turn| {
            turn.must("tax_id", tax_id, "id")?;
            turn.edit("tax_id", tax_id, |tax_id| tax_id["verification"]["status"] = status.into());
            turn.event("customer.tax_id.updated", tax_id);
            turn.must("tax_id", tax_id, "id")
        })
    }

    /// The card's bank has sent its holder a new one, of which Stripe hears by itself.
    ///
    /// # Errors
    /// When there is no such card.
    pub fn renew_card(&self, method: &str, month: u32, year: u32) -> Result<Value, Value> {
        self.act(|turn| {
            turn.must("payment_method", method, "id")?;
            turn.edit("payment_method", method, |method| {
                method["card"]["exp_month"] = month.into();
                method["card"]["exp_year"] = year.into();
            });
            turn.event("payment_method.automatically_updated", method);
            turn.must("payment_method", method, "id")
        })
    }

    /// What becomes of a subscription when the last retry has failed: `past_due` (it stays), `cancel` or `unpaid`.
    pub fn after_retries(&self, setting: &str) {
        self.with_turn(self.now(), Value::Null, |turn| {
            turn.note("_setting", "after_retries", Some(setting.into()));
        });
    }

    /// The API without HTTP, as the account's owner.
    #[must_use]
    pub fn request(&self, method: &Method, path: &str, form: &str) -> (u16, Value) {
        let form = Bytes::copy_from_slice(form.as_bytes());
        let authorization = format!("Bearer {}", self.shared.account.key);
        let asked = Asked {
            method: method.as_str(),
            path,
            form: &form,
            key: None,
            authorization: &authorization,
            version: None,
            content_type: "application/x-www-form-urlencoded",
        };
        let answered = self.play(&asked, &|turn: &mut Turn<'_>| super::endpoint::call(turn, &asked));
        (answered.status, answered.body)
    }
}

pub(super) fn answer(turn: &mut Turn<'_>, intent: &str, approved: bool) -> Outcome<Value> {
    if intent.starts_with("seti_") {
        setups::answer(turn, intent, approved)
    } else {
        intents::answer(turn, intent, approved)
    }
}

pub(super) fn confirm_with(turn: &mut Turn<'_>, intent: &str, paid: &PaidBy) -> Outcome<Value> {
    let known = turn.must("payment_intent", intent, "id")?;
    let method = paid.method()?;
    if !list(&known["payment_method_types"]).contains(&method["type"]) {
        return Err(StripeError::refused(format!(
            "The payment method type {} is not offered.",
            text(&method["type"])
        )));
    }
    let method = methods::save(turn, method);
    intents::confirm_now(turn, intent, &method, &json!({}))
}
