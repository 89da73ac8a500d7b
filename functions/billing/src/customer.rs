//! The organisation's customer at Stripe: made once, when money first comes into it.

use domain::billing::Account;
use platform::stripe::Address;
use platform::stripe::customer::CustomerParams;
use platform::{Error, Result};

use crate::again::again;
use crate::calls::{Action, Calls, Wanted, metadata};

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
    let form = serde_json::to_value(params).map_err(Error::caused)?;
    let wanted = Wanted {
        action: Action::Customer,
        entity: "account".to_owned(),
        path: "/v1/customers".to_owned(),
        form,
    };
    let made = again(async || calls.make(wanted.clone(), Vec::new()).await).await?;
    made["id"].as_str().map(str::to_owned).ok_or_else(|| Error::internal("a customer without an id"))
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
