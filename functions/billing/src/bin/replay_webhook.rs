//! `POST /v1/admin/webhooks/{event}/replay`: have an event of Stripe's looked into once more.

use billing::BillingOfAll;
use billing::view::FailedEvent;
use platform::auth::Operator;
use platform::http::{self, Call, Reply};
use platform::store::again;
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::serve(replay_webhook)
}

async fn replay_webhook(app: App, call: Call<Operator>) -> Result<Reply<FailedEvent, 202>> {
    let all = BillingOfAll::of(&app);
    let replayed = again(async || {
        let stored = all.inbox(call.path("event")).await?;
        let replayed = stored.replay(call.now)?;
        all.replay(&stored, &replayed, call.origin()).await.map(|()| replayed)
    })
    .await?;
    Ok(Reply::accepted(FailedEvent::from(&replayed)))
}
