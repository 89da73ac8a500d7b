//! Queue `hosting-mail-events`: count what became of sites' mails; a site that too much comes back to sends no more.
//!
//! Safe to repeat: what is told of a mail is counted once.

use hosting::HostingOfAll;
use hosting::mail_events::MailTold;
use platform::queue::{self, Message};
use platform::{App, Exit, Result};

fn main() -> Exit {
    queue::serve(on_email_event)
}

async fn on_email_event(app: App, message: Message<MailTold>) -> Result<()> {
    let Some(fate) = message.body.fate else { return Ok(()) };
    let stopped = HostingOfAll::of(&app).count_fate(&message.body, fate, message.origin()).await?;
    if stopped.is_some() {
        app.count("MailDomainsStopped", 1);
    }
    Ok(())
}
