//! Customers, their tax ids and their payment methods.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use serde::{Deserialize, Serialize};

use super::payment_method::PaymentMethod;
use super::value::{Address, Created, Deleted, Expand, List, Metadata, Page, identified, or_nothing, words};
use super::{Stripe, StripeError, expanding, nothing, part};

/// A customer; of a deleted one Stripe tells the id alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Customer {
    pub id: String,
    #[serde(default)]
    pub deleted: bool,
    pub email: Option<String>,
    pub name: Option<String>,
    pub address: Option<Address>,
    /// What the next invoice takes into account: negative is credit.
    #[serde(default, deserialize_with = "or_nothing")]
    pub balance: i64,
    pub currency: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub delinquent: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub invoice_settings: CustomerInvoiceSettings,
    #[serde(default, deserialize_with = "or_nothing")]
    pub preferred_locales: Vec<String>,
    /// Only where `tax` is expanded.
    pub tax: Option<CustomerTax>,
    pub tax_exempt: Option<TaxExempt>,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct CustomerInvoiceSettings {
    pub default_payment_method: Option<Expand<PaymentMethod>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomerTax {
    pub automatic_tax: TaxState,
}

/// A tax id, and whether its authority knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaxId {
    pub id: String,
    /// `eu_vat`, `ch_vat`, `gb_vat`.
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
    pub country: Option<String>,
    pub verification: Option<Verification>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Verification {
    pub status: TaxIdStatus,
    pub verified_name: Option<String>,
    pub verified_address: Option<String>,
}

words! {
    /// Whether tax can be computed for a customer.
    TaxState {
        Failed = "failed",
        NotCollecting = "not_collecting",
        Supported = "supported",
        UnrecognizedLocation = "unrecognized_location",
    }
}

words! {
    /// Whether a customer pays tax.
    TaxExempt { None = "none", Exempt = "exempt", Reverse = "reverse" }
}

words! {
    /// What the tax authority says.
    TaxIdStatus {
        Pending = "pending",
        Unavailable = "unavailable",
        Unverified = "unverified",
        Verified = "verified",
    }
}

identified!(Customer, TaxId);

/// What a customer is made with, or changed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerParams {
    pub email: Option<String>,
    pub name: Option<String>,
    pub business_name: Option<String>,
    pub phone: Option<String>,
    pub description: Option<String>,
    pub address: Option<Address>,
    pub preferred_locales: Vec<String>,
    pub invoice_settings: Option<DefaultMethod>,
    pub tax: Option<TaxParams>,
    pub tax_exempt: Option<TaxExempt>,
    /// Only for a new customer.
    pub tax_id_data: Vec<NewTaxId>,
    pub metadata: Metadata,
    pub expand: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DefaultMethod {
    pub default_payment_method: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaxParams {
    /// `immediately` refuses an address that tax cannot be computed for.
    pub validate_location: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewTaxId {
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerFilter {
    pub email: Option<String>,
    pub created: Option<Created>,
    #[serde(flatten)]
    pub page: Page,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Customers<'a>(pub(super) &'a Stripe);

impl Customers<'_> {
    /// Makes one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(self, params: &CustomerParams, key: &str) -> Result<Customer, StripeError> {
        self.0.post("/v1/customers", params, key).await
    }

    /// Changes what the parameters name.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn update(self, id: &str, params: &CustomerParams, key: &str) -> Result<Customer, StripeError> {
        self.0.post(&format!("/v1/customers/{}", part(id)), params, key).await
    }

    /// One, with `tax` or `invoice_settings.default_payment_method` expanded.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str, expand: &[&str]) -> Result<Customer, StripeError> {
        self.0.get(&format!("/v1/customers/{}", part(id)), &expanding(expand)).await
    }

    /// Deletes one for good, and cancels what it subscribes to.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn delete(self, id: &str) -> Result<Deleted, StripeError> {
        self.0.delete(&format!("/v1/customers/{}", part(id)), &nothing()).await
    }

    /// A page of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn list(self, filter: &CustomerFilter) -> Result<List<Customer>, StripeError> {
        self.0.get("/v1/customers", filter).await
    }

    /// Adds a tax id; whether it is valid shows later.
    ///
    /// # Errors
    /// `tax_id_invalid` if it cannot be one.
    pub async fn create_tax_id(
        self,
        customer: &str,
        params: &NewTaxId,
        key: &str,
    ) -> Result<TaxId, StripeError> {
        self.0.post(&format!("/v1/customers/{}/tax_ids", part(customer)), params, key).await
    }

    /// All tax ids of a customer.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn tax_ids(self, customer: &str) -> Result<Vec<TaxId>, StripeError> {
        self.0.all(&format!("/v1/customers/{}/tax_ids", part(customer)), &nothing()).await
    }

    /// Takes a tax id away.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn delete_tax_id(self, customer: &str, id: &str) -> Result<Deleted, StripeError> {
        let path = format!("/v1/customers/{}/tax_ids/{}", part(customer), part(id));
        self.0.delete(&path, &nothing()).await
    }

    /// All payment methods of a customer.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn payment_methods(self, customer: &str) -> Result<Vec<PaymentMethod>, StripeError> {
        self.0.all(&format!("/v1/customers/{}/payment_methods", part(customer)), &nothing()).await
    }
}
