//! Payment methods and what else Stripe keeps of a customer: fetched as a whole, as there are few.

use domain::billing::account::TaxId;
use domain::billing::{Account, Currency, Money, OpState, PaymentMethod, StripeOp};
use platform::store::{Index, Stored, Write, again};
use platform::stripe::customer::Customer;
use platform::stripe::payment_method as stripe;
use platform::{Error, Result};

use crate::calls::{Action, Calls};
use crate::customer::CUSTOMER;

/// Fetches the organisation's customer with its payment methods and tax ids, and stores them.
///
/// # Errors
/// What Stripe refuses.
pub async fn look(calls: &Calls<'_>) -> Result<()> {
    again(async || {
        let account = calls.billing.account().await?;
        let Some(customer) = account.stripe_customer.clone() else { return Ok(()) };
        let stored = calls.billing.payment_methods().await?;
        let fetched = calls.stripe.customers().get(&customer, &[]).await?;
        if fetched.deleted {
            return calls.billing.write(gone(calls, &account, &stored).await?).await;
        }
        let methods = calls.stripe.customers().payment_methods(&customer).await?;
        let tax_ids = calls.stripe.customers().tax_ids(&customer).await?;
        let tax_ids = tax_ids.into_iter().map(|id| TaxId {
            id: id.id,
            tax_type: id.kind,
            value: id.value,
            verification: id
                .verification
                .map_or_else(|| "unavailable".to_owned(), |found| found.status.to_string()),
        });
        let changed = Account { tax_ids: tax_ids.collect(), ..told(&account, &fetched)? };

        let mut writes: Vec<Write> = Vec::new();
        if changed != account.value {
            writes.push(Write::replace(&account, &changed));
        }
        for method in &methods {
            let was = stored.iter().find(|stored| stored.id == method.id);
            let next = PaymentMethod::project(was.map(|was| &was.value), method_of(calls, method, &changed));
            if was.is_none_or(|was| was.value != next) {
                writes.push(calls.billing.put_method(was, &next));
            }
        }
        let gone = stored.iter().filter(|stored| !methods.iter().any(|method| method.id == stored.id));
        writes.extend(gone.map(Write::remove));
        calls.billing.write(writes).await
    })
    .await
}

/// Somebody deleted the customer at Stripe, and with it all that it paid with: the next purchase makes another.
async fn gone(
    calls: &Calls<'_>,
    account: &Stored<Account>,
    methods: &[Stored<PaymentMethod>],
) -> Result<Vec<Write>> {
    let changed = Account {
        stripe_customer: None,
        default_payment_method: None,
        tax_ids: Vec::new(),
        balance: None,
        ..account.value.clone()
    };
    let mut writes = vec![Write::replace(account, &changed).unindex(Index::Gsi1)];
    writes.extend(methods.iter().map(Write::remove));
    // Stripe would answer to the same key with the customer that is gone.
    if let Some(made) = calls.billing.op(Action::Customer.as_str(), CUSTOMER).await? {
        writes.push(Write::replace(&made, &StripeOp { state: OpState::Failed, ..made.value.clone() }));
    }
    Ok(writes)
}

fn told(account: &Account, customer: &Customer) -> Result<Account> {
    let currency = customer.currency.as_deref().map(str::parse::<Currency>).transpose();
    let currency =
        currency.map_err(|_| Error::internal("a customer of a strange currency"))?.or(account.currency);
    let default = customer.invoice_settings.default_payment_method.as_ref();
    Ok(Account {
        currency,
        default_payment_method: default.map(|method| method.id().to_owned()),
        delinquent: customer.delinquent,
        balance: currency
            .filter(|_| customer.balance != 0)
            .map(|currency| Money::new(customer.balance, currency)),
        ..account.clone()
    })
}

fn method_of(calls: &Calls<'_>, method: &stripe::PaymentMethod, account: &Account) -> PaymentMethod {
    let (card, debit) = (method.card.as_ref(), method.sepa_debit.as_ref());
    PaymentMethod {
        id: method.id.clone(),
        org: calls.billing.org(),
        method: method.kind.to_string(),
        brand: card.map(|card| card.brand.clone()).or_else(|| debit.and_then(|debit| debit.country.clone())),
        last4: card.map(|card| card.last4.clone()).or_else(|| debit.and_then(|debit| debit.last4.clone())),
        exp_month: card.map(|card| card.exp_month.into()),
        exp_year: card.map(|card| card.exp_year.into()),
        is_default: account.default_payment_method.as_deref() == Some(method.id.as_str()),
        warned: std::collections::BTreeSet::new(),
        created_at: method.created,
        next_at: None,
    }
}
