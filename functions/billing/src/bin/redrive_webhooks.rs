//! `POST /v1/admin/webhooks/redrive`: have all events of Stripe's looked into once more that could not be worked on.

use billing::BillingOfAll;
use billing::view::FailedEvents;
use platform::auth::Operator;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_ip(10, MINUTE)]).serve(redrive_webhooks)
}

async fn redrive_webhooks(app: App, call: Call<Operator>) -> Result<Reply<FailedEvents, 202>> {
    let all = BillingOfAll::of(&app);
    let failed = all.overdue_events(call.now).await?;
    for listed in &failed {
        // The index may be behind: what a worker has dealt with meanwhile is left alone.
        let stored = all.inbox(&listed.id).await?;
        let Ok(replayed) = stored.replay(call.now) else { continue };
        match all.replay(&stored, &replayed, call.origin()).await {
            Ok(()) | Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Reply::accepted(FailedEvents::of(&failed)))
}
