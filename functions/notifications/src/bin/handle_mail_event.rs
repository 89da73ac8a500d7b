//! Queue `notifications-mail-events`: records what SES tells of a mail, and sends nothing more to mailboxes that refuse ours.
//!
//! Safe to repeat and to reorder: states only go forward, and a mailbox is put on the list once.

use domain::Email;
use notifications::Notifications;
use notifications::mail_event::MailEvent;
use platform::queue::{self, Message};
use platform::{App, Exit, Result};

fn main() -> Exit {
    queue::serve(handle_mail_event)
}

async fn handle_mail_event(app: App, message: Message<MailEvent>) -> Result<()> {
    let MailEvent { delivery, feedback: Some(feedback), recipients } = &message.body else { return Ok(()) };
    let notifications = Notifications::of(&app);

    if let Some(reason) = feedback.suppresses() {
        for recipient in recipients {
            // SES may write what we never sent to; such an address cannot come from us again either.
            let Ok(email) = recipient.parse::<Email>() else { continue };
            notifications.suppress(&email, reason, message.at).await?;
            app.count("MailboxesSuppressed", 1);
        }
    }

    let stored = match delivery {
        Some(id) => notifications.delivery(*id).await?,
        None => None,
    };
    match stored {
        Some(stored) => {
            notifications.change(stored, |delivery| delivery.observe(feedback, message.now)).await?;
        }
        None => app.count("MailEventsOfUnknownMails", 1),
    }
    Ok(())
}
