//! Queue `billing-accounts`: opens the account of an organisation that has just signed up, with its trial of hosting.
//!
//! Safe to repeat: an account that is open stays as it is. Whoever had the trial before, by mailbox or by company, gets none,
//! and whoever asked for a paid plan may start it later.

use billing::BillingOfAll;
use domain::accounts::UserSignedUp;
use domain::billing::Account;
use platform::queue::{self, Message};
use platform::store::again;
use platform::{App, Exit, Result};

fn main() -> Exit {
    queue::serve(open_account)
}

async fn open_account(app: App, message: Message<UserSignedUp>) -> Result<()> {
    let UserSignedUp { org, email, wanted_plan, locale, .. } = &message.body;
    let account = Account { email: Some(email.clone()), locale: *locale, ..Account::new(*org, message.now) };
    let wants_trial = wanted_plan.as_deref().is_none_or(|plan| plan == "trial");
    let billing = BillingOfAll::of(&app).one(*org);
    let began = again(async || billing.open(email, &account, wants_trial, message.origin()).await).await?;
    app.count("TrialsStarted", u64::from(began));
    Ok(())
}
