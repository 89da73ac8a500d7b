//! `POST /v1/contact`: passes a stranger's message on to the support mailbox.
//!
//! The message is stored with the event that makes it a mail, so that nothing is lost while mail is down.

use domain::notifications::{ContactMessageReceived, NewContactMessage};
use notifications::Notifications;
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// That the message was taken.
#[derive(Serialize, JsonSchema)]
struct Received {
    /// Always `accepted`.
    status: &'static str,
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(5, MINUTE)]).serve(send_contact_message)
}

async fn send_contact_message(
    app: App,
    call: Call<Public, NewContactMessage>,
) -> Result<Reply<Received, 202>> {
    // A program that fills in the hidden field hears the same as everybody, so that it does not try another way.
    if let Some(message) = call.body.clone().accept()? {
        let event = call.origin().envelope(None, &ContactMessageReceived { message: message.clone() });
        Notifications::of(&app).receive(&message, event).await?;
    }
    Ok(Reply::accepted(Received { status: "accepted" }))
}
