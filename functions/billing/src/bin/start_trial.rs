//! `POST /v1/trials/{product}`: start the trial of a product: 14 days, once for an organisation, a mailbox and a company.

use billing::Billing;
use billing::view::TrialView;
use domain::billing::Product;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::store::again;
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(start_trial)
}

async fn start_trial(app: App, call: Call<Admin>) -> Result<Reply<TrialView, 201>> {
    call.caller.require_verified_email()?;
    let product: Product = call.id("product")?;
    let billing = Billing::of(&app, call.caller.org());
    let trial = again(async || {
        let once = |trial: &_| call.once(&Reply::created(TrialView::of(trial, call.now)));
        billing.start_trial(product, call.caller.user(), call.origin(), once).await
    });
    let trial = trial.await?;
    app.count("TrialsStarted", 1);
    Ok(Reply::created(TrialView::of(&trial, call.now)))
}
