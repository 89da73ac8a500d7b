//! Schedule `cron(0 3 * * ? *)`: compare subscriptions, invoices, movements of money and metered use with Stripe, mend what can be, and keep a report.

use billing::reconcile::reconcile;
use platform::schedule::{self, Tick};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    schedule::serve(reconcile_stripe)
}

async fn reconcile_stripe(app: App, tick: Tick) -> Result<()> {
    let stripe = Stripe::of(&app).await?;
    reconcile(&app, &stripe, tick.origin()).await.map(drop)
}
