//! Stripe as a caller: who can sign a body with the endpoint's secret.

use domain::{OrgId, Timestamp};
use platform::auth::{Actor, Scheme};
use platform::http::RequestParts;
use platform::stripe::{BillingSecret, Event, webhook};
use platform::{App, Error, Result};

/// An event that Stripe signed.
#[derive(Debug)]
pub struct Signed {
    /// What it tells.
    pub event: Event,
    /// Whether our key moves real money: an event of the other mode is not ours.
    pub livemode: bool,
}

impl Actor for Signed {
    const NAME: &'static str = "stripe";
    const SCHEME: Option<Scheme> =
        Some(Scheme::Header { name: "stripe_signature", header: "stripe-signature" });

    async fn admit(app: &App, request: &RequestParts, now: Timestamp) -> Result<Self> {
        let unsigned = || Error::Malformed("The body is not signed by Stripe, or too long ago.".to_owned());
        let header = request.header("stripe-signature").ok_or_else(unsigned)?;
        let secret = app.secret::<BillingSecret>("BILLING_SECRET").await?;
        // The raw bytes: one that was read and written again has another signature.
        let event = webhook::verify(request.body()?, header, &secret.webhook_secrets, now);
        let event = event.map_err(|_| unsigned())?;
        Ok(Self { event, livemode: secret.livemode().unwrap_or(false) })
    }

    fn org(&self) -> Option<OrgId> {
        None
    }

    fn label(&self) -> String {
        "stripe".to_owned()
    }
}
