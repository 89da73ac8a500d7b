//! `GET /v1/trials/{product}`: the organisation's trial of a product: where it stands, how long it lasts, what it holds.
//!
//! Clients of the old system ask for the trial of hosting by their organisation's id.

use billing::Billing;
use billing::view::TrialView;
use domain::OrgId;
use domain::billing::Product;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::serve(get_trial)
}

async fn get_trial(app: App, call: Call<Viewer>) -> Result<Reply<TrialView>> {
    let org = call.caller.org();
    let by_org = !call.path("org").is_empty();
    if by_org && call.id::<OrgId>("org")? != org {
        return Err(Error::NotFound);
    }
    let product = if by_org { Product::Hosting } else { call.id("product")? };
    let billing = Billing::of(&app, org);
    let trial = billing.trial(product).await?;
    let view = TrialView::of(&trial, call.now).using(billing.usage(product).await?);
    Ok(Reply::ok(view).version(trial.version))
}
