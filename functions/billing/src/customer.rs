//! The organisation's customer at Stripe: made once, when money first comes into it.

use domain::billing::Account;
use platform::stripe::Address;
use platform::stripe::customer::CustomerParams;
use platform::{Error, Result};
use serde_json::Value;

use crate::calls::{Action, Calls, Next, Wanted, metadata};
use platform::store::again;

/// The entity of the call that makes the customer.
pub(crate) const CUSTOMER: &str = "account";

/// The organisation's customer.
///
/// # Errors
/// `account_not_ready`; what Stripe refuses.
pub async fn customer(calls: &Calls<'_>) -> Result<String> {
    let account = calls.billing.account().await?;
    if let Some(customer) = &account.stripe_customer {
        return Ok(customer.clone());
    }
    let params = CustomerParams {
        metadata: metadata(&[("org", calls.billing.org().to_string())]),
        ..params(&account)
    };
    let wanted = Wanted::new(Action::Customer, CUSTOMER, "/v1/customers", &params)?;
    let made = again(async || calls.make(wanted.clone(), Vec::new()).await).await?;
    made["id"].as_str().map(str::to_owned).ok_or_else(|| Error::internal("a customer without an id"))
}

/// The call that brings the customer up to date; `None` if a form said what the account says now.
///
/// # Errors
/// `internal`.
pub(crate) fn differing(account: &Account, form: &Value, customer: &str) -> Result<Option<Next>> {
    let now = serde_json::to_value(params(account)).map_err(Error::caused)?;
    let fields = now.as_object().ok_or_else(|| Error::internal("a form without fields"))?;
    if fields.iter().all(|(name, value)| name == "metadata" || form[name] == *value) {
        return Ok(None);
    }
    let path = format!("/v1/customers/{customer}");
    Ok(Some(Next { action: Action::CustomerUpdate, path, form: now }))
}

/// What Stripe is told of an organisation.
#[must_use]
pub fn params(account: &Account) -> CustomerParams {
    CustomerParams {
        email: account.email.as_ref().map(ToString::to_string),
        preferred_locales: vec![account.locale.tag().to_owned()],
        name: account.name.clone(),
        address: account.address.as_ref().map(|address| Address {
            line1: Some(address.line1.clone()),
            line2: address.line2.clone(),
            city: address.city.clone(),
            postal_code: address.postal_code.clone(),
            state: address.state.clone(),
            country: Some(address.country.clone()),
        }),
        ..CustomerParams::default()
    }
}
