//! `PUT /v1/billing/caps/{meter}`: say how much may be spent on a meter by day or month, and whether use stops there.

use billing::Billing;
use billing::payer::Payer;
use billing::usage;
use domain::billing::{Cap, NewCap, catalog};
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(20, MINUTE)]).serve(put_spend_cap)
}

async fn put_spend_cap(app: App, call: Call<Payer, NewCap>) -> Result<Reply<Cap>> {
    let meter = call.path("meter");
    let (product, _) = catalog().meter(meter).ok_or(Error::NotFound)?;
    let billing = Billing::of(&app, call.caller.org());
    let once = |cap: &Cap| call.once(&Reply::ok(cap.clone()));
    let cap = usage::put_cap(&billing, meter, product, &call.body, call.origin(), once).await?;
    Ok(Reply::ok(cap))
}
