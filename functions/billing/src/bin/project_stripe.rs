//! Queue `billing-inbox`: look at the object that an event of Stripe's is about, and store how it is now.
//!
//! Safe to repeat and to reorder: an event is a hint to look, and what is stored is what was fetched last.

use billing::{BillingOfAll, inbox};
use domain::billing::events::StripeEventReceived;
use platform::queue::{self, Message};
use platform::stripe::Stripe;
use platform::{App, Exit, Result};

fn main() -> Exit {
    queue::serve(project_stripe)
}

async fn project_stripe(app: App, message: Message<StripeEventReceived>) -> Result<()> {
    let stripe = Stripe::of(&app).await?;
    inbox::deal_with(&app, &BillingOfAll::of(&app), stripe, &message.body.event, message.origin()).await
}
