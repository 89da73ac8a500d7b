//! Queue `notifications-mail`: hands one delivery to SES; likewise `notifications-security-mail`, which nothing delays.
//!
//! Safe to repeat: a delivery is claimed before SES is called. If a worker dies between SES's yes and its record, the mail
//! is sent once more under the same `X-Tenantry-Delivery`, and its record says `maybe_duplicate`.

use domain::notifications::{Claim, Delivery, MailQueued, SuppressionReason, Verdict, verdict};
use notifications::Notifications;
use notifications::letters::queue_of;
use notifications::post::{Handed, Post};
use platform::queue::{self, Message};
use platform::store::Stored;
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    queue::serve(send_mail)
}

async fn send_mail(app: App, message: Message<MailQueued>) -> Result<()> {
    let notifications = Notifications::of(&app);
    let stored = notifications.delivery(message.body.delivery).await?.ok_or(Error::NotFound)?;
    let claimed = match stored.value.clone().claim(message.now) {
        Claim::Send(delivery) => delivery,
        Claim::GiveUp(delivery) => {
            app.count("MailsFailed", 1);
            return notifications.save(stored, delivery, None).await.map(drop);
        }
        // Handed back, as the worker that has it may die: then this message is the one that is left.
        Claim::Busy => return Err(Error::Conflict),
        Claim::Settled => return Ok(()),
    };
    let Some(notice) = stored.notice.clone() else {
        return Err(Error::internal("a delivery that is not settled has lost its notice"));
    };

    let suppression = notifications.suppression(&stored.to).await?;
    let verdict = verdict(stored.template.class(), suppression.as_ref());
    if let Some(suppression) = suppression.filter(|_| verdict != Verdict::Send) {
        return withhold(&app, &notifications, &message, stored, verdict, suppression.reason).await;
    }

    let post = Post::of(&app)?;
    let mail = post.compose(&stored, &notice)?;
    let claimed = notifications.save(stored, claimed, None).await?;
    let handed = post.hand_over(&claimed, mail).await;
    record(&app, &notifications, &message, claimed, handed).await
}

async fn withhold(
    app: &App,
    notifications: &Notifications,
    message: &Message<MailQueued>,
    stored: Stored<Delivery>,
    verdict: Verdict,
    reason: SuppressionReason,
) -> Result<()> {
    app.count(if verdict == Verdict::Undeliverable { "MailsUndeliverable" } else { "MailsSuppressed" }, 1);
    let (withheld, undeliverable) = stored.value.clone().withheld(verdict, reason, message.now);
    let event = undeliverable.map(|event| message.origin().envelope(stored.org, &event));
    notifications.save(stored, withheld, event).await.map(drop)
}

async fn record(
    app: &App,
    notifications: &Notifications,
    message: &Message<MailQueued>,
    claimed: Stored<Delivery>,
    handed: Handed,
) -> Result<()> {
    match handed {
        Handed::Accepted(name) => {
            app.count("MailsSent", 1);
            notifications.change(claimed, |delivery| delivery.sent(name.clone(), app.time())).await.map(drop)
        }
        Handed::Refused(reason) => {
            app.count("MailsFailed", 1);
            notifications
                .change(claimed, |delivery| delivery.failed(reason.clone(), app.time()))
                .await
                .map(drop)
        }
        Handed::Later { reason, certain } => {
            app.count("MailsPutOff", 1);
            let put_off = |delivery: Delivery| delivery.put_off(reason.clone(), certain, app.time());
            let delivery = notifications.change(claimed, put_off).await?;
            let queue = app.queue(queue_of(delivery.template));
            queue.send(message.origin(), message.org, &message.body, delivery.wait()).await
        }
    }
}
