//! Balance transactions: every cent that came or went.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::value::{Created, List, Page, identified, unix};
use super::{Pages, Stripe, StripeError, nothing, part};

/// A movement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BalanceTransaction {
    pub id: String,
    /// Before the fee.
    pub amount: i64,
    pub fee: i64,
    pub net: i64,
    pub currency: String,
    /// `charge`, `payment`, `refund`, `adjustment`, `payout`.
    #[serde(rename = "type")]
    pub kind: String,
    pub reporting_category: String,
    /// `available` or `pending`.
    pub status: String,
    /// What moved it: `ch_…`, `re_…`, `du_…`, `po_…`.
    pub source: Option<String>,
    #[serde(with = "unix")]
    pub created: Timestamp,
    #[serde(with = "unix")]
    pub available_on: Timestamp,
}

identified!(BalanceTransaction);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalanceFilter {
    pub created: Option<Created>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub source: Option<String>,
    pub payout: Option<String>,
    pub currency: Option<String>,
    #[serde(flatten)]
    pub page: Page,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub struct BalanceTransactions<'a>(pub(super) &'a Stripe);

impl BalanceTransactions<'_> {
    /// One.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn get(self, id: &str) -> Result<BalanceTransaction, StripeError> {
        self.0.get(&format!("/v1/balance_transactions/{}", part(id)), &nothing()).await
    }

    /// A page of them, newest first.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn list(self, filter: &BalanceFilter) -> Result<List<BalanceTransaction>, StripeError> {
        self.0.get("/v1/balance_transactions", filter).await
    }

    /// All of them.
    ///
    /// # Errors
    /// Stripe's refusals.
    pub async fn all(self, filter: &BalanceFilter) -> Result<Vec<BalanceTransaction>, StripeError> {
        self.0.all("/v1/balance_transactions", filter).await
    }

    /// All of them, page by page.
    pub fn pages(self, filter: &BalanceFilter) -> Pages<BalanceTransaction> {
        self.0.pages("/v1/balance_transactions", filter)
    }
}
