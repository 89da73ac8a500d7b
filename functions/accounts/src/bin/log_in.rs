//! `POST /v1/auth/login`: a password for tokens.
//!
//! A wrong password, an unknown address, a locked pool and a suspended person answer alike and cost alike.

use accounts::device::Device;
use accounts::entrance::{Entrance, Tokens};
use accounts::refresh_token::RefreshToken;
use accounts::{Accounts, Secrets, password};
use domain::Email;
use domain::accounts::{Password, Session, UserState};
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Who wants to come in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogIn {
    /// The address that was signed up with.
    email: Email,
    /// The password.
    password: Password,
    /// The device's mark from the last log-in, if it kept one: it lets this device in while others are locked out.
    #[serde(default)]
    device: Option<String>,
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(5, MINUTE)]).serve(log_in)
}

async fn log_in(app: App, call: Call<Public, LogIn>) -> Result<Reply<Entrance>> {
    let LogIn { email, password: typed, device } = &call.body;
    let now = call.now;
    let (accounts, secrets) = (Accounts::of(&app), Secrets::of(&app).await?);
    let known = device.as_deref().and_then(|mark| Device::read(mark, email, &secrets, now));

    let attempts = accounts.count_attempt(email, known.as_ref(), now).await?;
    let account = accounts.credential(email).await?;
    let kept = account.as_ref().map(|(_, credential)| credential.hash.as_str());
    let right = password::matches(&secrets, kept, typed)?;
    let admitted = match account {
        Some((user, _)) if right && !attempts.are_too_many() => Some(accounts.person(user).await?.value),
        _ => None,
    };
    let Some(user) = admitted.filter(|user| user.state == UserState::Active) else {
        if let Some(until) = attempts.lock(now) {
            accounts.lock(email, known.as_ref(), until).await?;
            app.count("LockOuts", 1);
        }
        app.count("LogInsRefused", 1);
        return Err(Error::Unauthenticated("invalid_credentials"));
    };

    let org = *user.organisations.first().ok_or_else(no_organisation)?;
    let member = accounts.member(user.id, org).await?;
    let refresh = RefreshToken::of(user.id, call.origin().id());
    let session = Session::begin(refresh.session, user.id, org, refresh.hash(), now);
    accounts.start(&session, &session.started(known.is_some()), call.origin()).await?;
    accounts.forget_attempts(email, known.as_ref()).await?;

    app.count("LogIns", 1);
    let device = known.unwrap_or_else(|| Device::new(now)).seen(now);
    let tokens = Tokens::of(&secrets, &session, &member.membership, &refresh, now)?;
    let role = member.membership.role;
    Ok(Reply::ok(Entrance::new(tokens, &device, &secrets, user, member.organisation, role)))
}

fn no_organisation() -> Error {
    Error::forbidden("no_organisation", "You do not belong to any organisation.")
}
