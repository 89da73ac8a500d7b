//! `POST /v1/billing/portal`: a link to Stripe's own pages for invoices and payment methods.

use billing::Billing;
use billing::payer::Payer;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::stripe::Stripe;
use platform::stripe::portal::NewPortalSession;
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A link that is good for a few minutes.
#[derive(Serialize, JsonSchema)]
struct Portal {
    /// Where to go.
    url: String,
}

#[derive(Deserialize)]
struct Settings {
    app_url: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(create_portal)
}

async fn create_portal(app: App, call: Call<Payer>) -> Result<Reply<Portal, 201>> {
    let Settings { app_url } = app.config()?;
    let account = Billing::of(&app, call.caller.org()).account().await?;
    let no_customer = || Error::refused("no_customer", "Nothing was bought yet.");
    let customer = account.stripe_customer.clone().ok_or_else(no_customer)?;
    let session = NewPortalSession {
        customer,
        return_url: Some(format!("{app_url}/billing")),
        ..NewPortalSession::default()
    };
    let key = format!("portal:{}:{}", call.caller.org(), call.origin().request_id);
    let session = Stripe::of(&app).await?.portal().create(&session, &key).await?;
    let reply = Reply::created(Portal { url: session.url });
    // The link opens the customer's invoices: it stays out of the table.
    drop(call.once(&reply)?);
    Ok(reply)
}
