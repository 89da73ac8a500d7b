//! Queue `hosting-billing`: let an organisation's sites be what its plan says now: where they run, and whether they do.
//!
//! Safe to repeat and to reorder: a site ignores what is not newer than what it has heard. What is wished for while an
//! operation is at work begins at that one's end. What was heard is kept first, for sites that are made in this moment.

use domain::accounts::Entitlements;
use domain::accounts::entitlements::HOSTING;
use domain::billing::EntitlementsChanged;
use domain::hosting::Site;
use domain::hosting::operation::Request;
use hosting::HostingOfAll;
use platform::queue::{self, Message};
use platform::store::{Stored, again};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    queue::serve(on_billing_event)
}

async fn on_billing_event(app: App, message: Message<EntitlementsChanged>) -> Result<()> {
    let org = message.org.ok_or_else(|| Error::Malformed("entitlements of no organisation".to_owned()))?;
    let EntitlementsChanged { version, products } = message.body.clone();
    let plan = Entitlements { version, products };
    let hosting = HostingOfAll::of(&app);
    again(async || hosting.hear(org, &plan, message.now).await).await?;
    for listed in hosting.sites_of(org).await? {
        // It may change in this moment.
        again(async || inform(&hosting, &hosting.site(org, listed.id).await?, &plan, &message).await).await?;
    }
    Ok(())
}

async fn inform(
    hosting: &HostingOfAll,
    stored: &Stored<Site>,
    plan: &Entitlements,
    message: &Message<EntitlementsChanged>,
) -> Result<()> {
    let Some(site) = stored.entitled(plan.version, plan.products.get(HOSTING), message.now) else {
        return Ok(());
    };
    let request = Request { operation: message.origin().id(), by: None, now: message.now };
    hosting.wish(stored, &site.next_operation(request), message.origin()).await
}
