//! `GET /v1/entitlements`: what the organisation may use now, product by product.

use billing::Billing;
use domain::accounts::Entitlements;
use platform::auth::Viewer;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(get_entitlements)
}

async fn get_entitlements(app: App, call: Call<Viewer>) -> Result<Reply<Entitlements>> {
    let stored = Billing::of(&app, call.caller.org()).entitlements().await?;
    // Until its account is open, an organisation has what accounts gave it.
    let entitlements = stored.map_or_else(|| call.caller.entitlements.clone(), |stored| stored.value);
    Ok(Reply::ok(entitlements.at(call.now)))
}
