//! `DELETE /v1/billing/payment-methods/{method}`: take a payment method away; not the last one that a subscription renews with.

use billing::Billing;
use billing::calls::Calls;
use billing::payer::Payer;
use billing::project;
use billing::view::MethodsView;
use domain::billing::Subscription;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(delete_payment_method)
}

async fn delete_payment_method(app: App, call: Call<Payer>) -> Result<Reply<MethodsView>> {
    let billing = Billing::of(&app, call.caller.org());
    let methods = billing.payment_methods().await?;
    let wanted =
        |method: &&platform::store::Stored<domain::billing::PaymentMethod>| method.id == call.path("method");
    let method = methods.iter().find(wanted).ok_or(Error::NotFound)?;
    let subscriptions: Vec<Subscription> =
        billing.subscriptions().await?.into_iter().map(|stored| stored.value).collect();
    method.ensure_removable(methods.len() - 1, &subscriptions)?;
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    calls.stripe.payment_methods().detach(&method.id, &format!("detach:{}", method.id)).await?;
    project::methods::look(&calls).await?;
    Ok(Reply::ok(MethodsView::of(&calls.billing.payment_methods().await?)))
}
