//! Sessions of the customer portal: Stripe's own pages for invoices and payment methods.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use serde::{Deserialize, Serialize};

use super::value::identified;
use super::{Stripe, StripeError};

/// A session; its page opens for a few minutes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PortalSession {
    pub id: String,
    pub url: String,
}

identified!(PortalSession);

/// What a session is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewPortalSession {
    pub customer: String,
    /// Where the page leads back to.
    pub return_url: Option<String>,
    /// `bpc_…`, or the account's default.
    pub configuration: Option<String>,
    pub locale: Option<String>,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct Portal<'a>(pub(super) &'a Stripe);

impl Portal<'_> {
    /// Opens one.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn create(self, params: &NewPortalSession, key: &str) -> Result<PortalSession, StripeError> {
        self.0.post("/v1/billing_portal/sessions", params, key).await
    }
}
