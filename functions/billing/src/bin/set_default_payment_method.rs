//! `PUT /v1/billing/payment-methods/{method}/default`: pay renewals with this method, of all subscriptions too.

use billing::Billing;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::project;
use billing::view::MethodsView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::stripe::customer::{CustomerParams, DefaultMethod};
use platform::stripe::subscription::SubscriptionUpdate;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(set_default_payment_method)
}

async fn set_default_payment_method(app: App, call: Call<Payer>) -> Result<Reply<MethodsView>> {
    let billing = Billing::of(&app, call.caller.org());
    let method = billing.payment_method(call.path("method")).await?;
    method.ensure_usable(call.now)?;
    let account = billing.account().await?;
    let customer = account.stripe_customer.clone().ok_or(Error::NotFound)?;
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };

    let default = DefaultMethod { default_payment_method: Some(method.id.clone()) };
    let params = CustomerParams { invoice_settings: Some(default), ..CustomerParams::default() };
    let key = format!("default:{customer}:{}:{}", method.id, account.version);
    calls.stripe.customers().update(&customer, &params, &key).await?;
    for subscription in calls.billing.subscriptions().await?.iter().filter(|one| one.is_live()) {
        let id = &subscription.observed.stripe_id;
        let update = SubscriptionUpdate {
            default_payment_method: Some(method.id.clone()),
            ..SubscriptionUpdate::default()
        };
        let key = format!("default:{id}:{}:{}", method.id, subscription.version);
        calls.stripe.subscriptions().update(id, &update, &key).await?;
        project::subscription::look(&calls, subscription.product, id).await?;
    }
    project::methods::look(&calls).await?;
    Ok(Reply::ok(MethodsView::of(&calls.billing.payment_methods().await?)))
}
