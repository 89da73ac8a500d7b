//! Tax ids: what is written on invoices, and decides whether the buyer owes the tax.

use domain::billing::account::check_tax_id;
use platform::stripe::customer::NewTaxId;
use platform::{Error, Result};

use crate::calls::Calls;
use crate::{customer, project};

/// Writes a tax id of a type, in the place of the one there is.
///
/// # Errors
/// 422 `tax_id_invalid` if it cannot be one; what Stripe refuses.
pub async fn put(calls: &Calls<'_>, tax_type: &str, value: &str) -> Result<()> {
    let value = check_tax_id(tax_type, value)?;
    let customer = customer::customer(calls).await?;
    let account = calls.billing.account().await?;
    let known = calls.stripe.customers().tax_ids(&customer).await?;
    let of_type = || known.iter().filter(|id| id.kind == tax_type);
    if !of_type().any(|id| id.value == value) {
        let new = NewTaxId { kind: tax_type.to_owned(), value: value.clone() };
        let key = format!("tax_id:{customer}:{tax_type}:{}:{}", new.value, account.version);
        let created = calls.stripe.customers().create_tax_id(&customer, &new, &key).await;
        created.map_err(|error| match error.code() {
            "tax_id_invalid" => Error::invalid_as("tax_id_invalid", "/value", error.message),
            _ => error.into(),
        })?;
    }
    for old in of_type().filter(|id| id.value != value) {
        calls.stripe.customers().delete_tax_id(&customer, &old.id).await?;
    }
    project::methods::look(calls).await
}

/// Takes the tax ids of a type away.
///
/// # Errors
/// What Stripe refuses.
pub async fn delete(calls: &Calls<'_>, tax_type: &str) -> Result<()> {
    let Some(customer) = calls.billing.account().await?.stripe_customer.clone() else { return Ok(()) };
    for old in calls.stripe.customers().tax_ids(&customer).await? {
        if old.kind == tax_type {
            calls.stripe.customers().delete_tax_id(&customer, &old.id).await?;
        }
    }
    project::methods::look(calls).await
}
