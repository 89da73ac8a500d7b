//! Queue `billing-sites`: counts an organisation's sites, so that a smaller plan is not bought for more of them than it holds.
//!
//! Safe to repeat and to reorder: each site is counted under its own name, and one that is gone stays gone.

use billing::BillingOfAll;
use billing::sites::SiteTold;
use platform::queue::{self, Message};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    queue::serve(count_sites)
}

async fn count_sites(app: App, message: Message<SiteTold>) -> Result<()> {
    let org = message.org.ok_or_else(|| Error::Malformed("a site of no organisation".to_owned()))?;
    let billing = BillingOfAll::of(&app).one(org);
    match message.body {
        SiteTold::Requested(site) => billing.count_site(site).await,
        SiteTold::Gone(site) => billing.uncount_site(site).await,
        SiteTold::Stays => Ok(()),
    }
}
