//! `POST /v1/auth/verify-email/resend`: mail another verification link.
//!
//! The answer is the same for an address that is unknown, verified already or had its share of mail.

use accounts::{Accounts, link};
use domain::Email;
use domain::accounts::Verification;
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Resend {
    /// The address that was signed up with.
    email: Email,
}

/// The request was taken, which says nothing about the address.
#[derive(Serialize, JsonSchema)]
struct Taken {
    /// Always `accepted`.
    status: &'static str,
}

const TAKEN: Taken = Taken { status: "accepted" };

fn main() -> Exit {
    http::limit(&[Limit::per_ip(3, MINUTE)]).serve(resend_verification)
}

async fn resend_verification(app: App, call: Call<Public, Resend>) -> Result<Reply<Taken, 202>> {
    let accounts = Accounts::of(&app);
    if let Some(user) = accounts.find(&call.body.email).await? {
        let was = accounts.verification(user.id).await?;
        let Some(next) = Verification::resend(was.as_deref(), &user, link::link(user.id), call.now) else {
            return Ok(Reply::accepted(TAKEN));
        };
        match accounts.replace_link(was.as_ref(), &next, &user, call.origin()).await {
            // Followed or replaced meanwhile: either way the person has what they asked for.
            Ok(()) | Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Reply::accepted(TAKEN))
}
