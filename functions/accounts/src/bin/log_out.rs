//! `POST /v1/auth/logout`: end this session.
//!
//! Answers 204 also when the session had ended before, or the access token has run out.

use accounts::Accounts;
use accounts::leaving::Leaving;
use domain::accounts::session::Ending;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_ip(30, MINUTE)]).serve(log_out)
}

async fn log_out(app: App, call: Call<Leaving>) -> Result<Reply<(), 204>> {
    let Leaving { user, session, .. } = call.caller;
    Accounts::of(&app).end(user, session, Ending::LoggedOut, call.origin()).await?;
    Ok(Reply::no_content())
}
