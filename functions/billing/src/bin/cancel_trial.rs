//! `DELETE /v1/trials/{product}`: end a trial now; what was made in it is kept for 30 days. Asking again changes nothing.

use billing::Billing;
use billing::view::TrialView;
use domain::billing::{Product, TrialTrigger};
use platform::auth::Owner;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::store::again;
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(cancel_trial)
}

async fn cancel_trial(app: App, call: Call<Owner>) -> Result<Reply<TrialView>> {
    let product: Product = call.id("product")?;
    let billing = Billing::of(&app, call.caller.org());
    let (trial, _) = again(async || {
        let once = |trial: &_| call.once(&Reply::ok(TrialView::of(trial, call.now)));
        let trigger = TrialTrigger::Cancel { by: Some(call.caller.user()) };
        billing.step_trial(product, &trigger, call.origin(), once).await
    })
    .await?;
    Ok(Reply::ok(TrialView::of(&trial, call.now)))
}
