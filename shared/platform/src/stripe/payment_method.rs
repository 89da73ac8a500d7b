//! Cards, debit mandates and whatever else pays.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::customer::Customer;
use super::value::{Address, Expand, Metadata, identified, or_nothing, unix, words};
use super::{Stripe, StripeError, nothing, part};

/// A payment method.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PaymentMethod {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: MethodKind,
    /// None once it is detached.
    pub customer: Option<Expand<Customer>>,
    pub card: Option<Card>,
    pub sepa_debit: Option<SepaDebit>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub billing_details: BillingDetails,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Card {
    pub brand: String,
    pub last4: String,
    pub exp_month: u8,
    pub exp_year: u16,
    pub country: Option<String>,
    pub fingerprint: Option<String>,
    pub funding: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SepaDebit {
    pub last4: Option<String>,
    pub country: Option<String>,
    pub bank_code: Option<String>,
    pub fingerprint: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BillingDetails {
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub address: Option<Address>,
}

words! {
    /// What pays.
    MethodKind {
        Card = "card",
        SepaDebit = "sepa_debit",
        Ideal = "ideal",
        Bancontact = "bancontact",
        Link = "link",
        Paypal = "paypal",
        UsBankAccount = "us_bank_account",
        CustomerBalance = "customer_balance",
    }
}

identified!(PaymentMethod);

/// What may be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentMethodUpdate {
    pub billing_details: Option<BillingDetails>,
    pub card: Option<CardUpdate>,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardUpdate {
    pub exp_month: Option<u8>,
    pub exp_year: Option<u16>,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct PaymentMethods<'a>(pub(super) &'a Stripe);

#[derive(Serialize)]
struct Attach<'a> {
    customer: &'a str,
}

impl PaymentMethods<'_> {
    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<PaymentMethod, StripeError> {
        self.0.get(&format!("/v1/payment_methods/{}", part(id)), &nothing()).await
    }

    /// Gives one to a customer.
    ///
    /// # Errors
    /// Stripe's refusals; a card may be declined.
    pub async fn attach(self, id: &str, customer: &str, key: &str) -> Result<PaymentMethod, StripeError> {
        self.0.post(&format!("/v1/payment_methods/{}/attach", part(id)), &Attach { customer }, key).await
    }

    /// Takes one from its customer, for good.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn detach(self, id: &str, key: &str) -> Result<PaymentMethod, StripeError> {
        self.0.post(&format!("/v1/payment_methods/{}/detach", part(id)), &nothing(), key).await
    }

    /// Changes what the parameters name.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn update(
        self,
        id: &str,
        params: &PaymentMethodUpdate,
        key: &str,
    ) -> Result<PaymentMethod, StripeError> {
        self.0.post(&format!("/v1/payment_methods/{}", part(id)), params, key).await
    }
}
