//! `POST /v1/auth/verify-email`: follow a verification link.
//!
//! A link is good once and for a day. Only this POST uses it: a mail scanner that opens the page changes nothing.

use accounts::{Accounts, link};
use domain::accounts::verification::dead_link;
use domain::{Email, Timestamp, UserId};
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The link's token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Follow {
    /// What the mailed link carries after `token=`.
    #[schemars(length(max = 128))]
    token: String,
}

/// Who is verified.
#[derive(Serialize, JsonSchema)]
struct Verified {
    /// The person.
    user: UserId,
    /// Their address.
    email: Email,
    /// Since when.
    verified_at: Timestamp,
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(10, MINUTE)]).serve(verify_email)
}

async fn verify_email(app: App, call: Call<Public, Follow>) -> Result<Reply<Verified>> {
    let accounts = Accounts::of(&app);
    let (user, token_hash) = link::read(&call.body.token).ok_or_else(dead_link)?;
    let was_link = accounts.verification(user).await?.ok_or_else(dead_link)?;
    let was_user = accounts.person(user).await?;

    let (link, user, event) =
        was_link.value.clone().confirm(was_user.value.clone(), &token_hash, call.now)?;
    accounts.verify((&was_link, &link), (&was_user, &user), &event, call.origin()).await?;

    app.count("EmailsVerified", 1);
    Ok(Reply::ok(Verified { user: user.id, email: user.email, verified_at: event.at }))
}
