//! Queue `notifications-route`: stores and queues the mails that an event of any area calls for.
//!
//! Safe to repeat: a mail's delivery has an id made of event, recipient and template, and is stored once. An event about
//! people who are not known yet is tried again, as events may overtake each other.

use std::time::Duration;

use domain::Email;
use domain::notifications::{Fact, MailQueued};
use notifications::Notifications;
use notifications::letters::{Told, deliveries, queue_of};
use platform::queue::{self, Message};
use platform::{App, Exit, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    mail_support: Email,
}

fn main() -> Exit {
    queue::serve(route_notification)
}

async fn route_notification(app: App, message: Message<Told>) -> Result<()> {
    let notifications = Notifications::of(&app);
    let letter = match &message.body.0 {
        Fact::Person(addressee) => return notifications.remember(addressee).await,
        Fact::Letter(letter) => letter,
        Fact::Quiet => return Ok(()),
    };

    let Settings { mail_support } = app.config()?;
    for delivery in deliveries(&notifications, &mail_support, letter, &message).await? {
        notifications.queue(&delivery).await?;
        // Sent also when the delivery was there before: perhaps the worker that stored it died just then.
        let queued = MailQueued { delivery: delivery.id };
        let queue = app.queue(queue_of(delivery.template));
        queue.send(message.origin(), delivery.org, &queued, Duration::ZERO).await?;
    }
    Ok(())
}
