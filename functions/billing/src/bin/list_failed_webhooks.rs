//! `GET /v1/admin/webhooks`: events of Stripe's that could not be worked on, or that no worker came to within an hour, oldest first.

use billing::BillingOfAll;
use billing::view::FailedEvents;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(list_failed_webhooks)
}

async fn list_failed_webhooks(app: App, call: Call<Operator>) -> Result<Reply<FailedEvents>> {
    let failed = BillingOfAll::of(&app).overdue_events(call.now).await?;
    Ok(Reply::ok(FailedEvents::of(&failed)))
}
