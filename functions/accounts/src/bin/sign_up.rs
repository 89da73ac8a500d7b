//! `POST /v1/auth/signup` (also `/v1/auth/register`): open an account and come in.
//!
//! Person, organisation, ownership, session and verification link come to be together. An address that has an account
//! answers 409 (docs/decisions says why that is told).

use accounts::device::Device;
use accounts::entrance::{Entrance, Tokens};
use accounts::refresh_token::RefreshToken;
use accounts::store::Credential;
use accounts::{Accounts, Secrets, language, link, password};
use domain::accounts::{Session, SignUp, Verification};
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_ip(3, MINUTE)]).serve(sign_up)
}

async fn sign_up(app: App, call: Call<Public, SignUp>) -> Result<Reply<Entrance, 201>> {
    let (origin, now) = (call.origin(), call.now);
    let spelling = call.body.password.choose(&call.body.identity())?;
    let accounts = Accounts::of(&app);
    accounts.ensure_free(&call.body.email).await?;

    let secrets = Secrets::of(&app).await?;
    let preferred = language::preferred(call.header("accept-language"));
    let account = call.body.open(origin.id(), origin.id(), preferred, now);
    let credential = Credential { hash: password::hash(&secrets, &spelling)?, chosen_at: now };
    let refresh = RefreshToken::of(account.user.id, origin.id());
    let session =
        Session::begin(refresh.session, account.user.id, account.organisation.id, refresh.hash(), now);
    let verification = Verification::request(&account.user, link::link(account.user.id), now);
    accounts.open(&account, &credential, &session, &verification, origin).await?;

    app.count("SignUps", 1);
    let tokens = Tokens::of(&secrets, &session, &account.membership, &refresh, now)?;
    let role = account.membership.role;
    let entrance =
        Entrance::new(tokens, &Device::new(now), &secrets, account.user, account.organisation, role);
    Ok(Reply::created(entrance))
}
