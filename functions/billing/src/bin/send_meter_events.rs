//! Queue `billing-meters`: tell Stripe an hour of use, once; a try of yesterday is looked for in Stripe's sums before another.
//!
//! Safe to repeat: Stripe knows the value by its identifier for a day, and after that it is not sent again unseen.

use billing::BillingOfAll;
use billing::send_usage::Sender;
use domain::billing::events::UsageSealed;
use platform::queue::{self, Message};
use platform::stripe::Stripe;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    queue::serve(send_meter_events)
}

async fn send_meter_events(app: App, message: Message<UsageSealed>) -> Result<()> {
    let org = message.org.ok_or_else(|| Error::Malformed("use of no organisation".to_owned()))?;
    let stripe = Stripe::of(&app).await?;
    let billing = BillingOfAll::of(&app).one(org);
    let sender = Sender { app: &app, stripe, billing, origin: message.origin() };
    sender.send(&message.body).await
}
