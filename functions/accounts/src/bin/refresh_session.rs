//! `POST /v1/auth/refresh`: a refresh token for new tokens.
//!
//! Safe to repeat for 30 seconds: a lost answer and two open tabs get the same successor. After that, or once the
//! successor was used, the token counts as stolen and its session ends.

use accounts::entrance::Tokens;
use accounts::refresh_token::RefreshToken;
use accounts::{Accounts, Secrets};
use domain::accounts::Session;
use domain::accounts::session::{Ending, Presented};
use platform::Origin;
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// How often a token is judged anew because another use of it was faster.
const ROUNDS: u32 = 5;

/// The token to exchange.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// The refresh token that was got last.
    #[schemars(length(max = 256))]
    refresh_token: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(60, MINUTE)]).serve(refresh_session)
}

async fn refresh_session(app: App, call: Call<Public, Refresh>) -> Result<Reply<Tokens>> {
    let (accounts, secrets) = (Accounts::of(&app), Secrets::of(&app).await?);
    let used = RefreshToken::read(&call.body.refresh_token, &secrets)
        .ok_or(Error::Unauthenticated("invalid_refresh_token"))?;

    let (session, successor) = exchange(&app, &accounts, &used, call.origin()).await?;

    let member = accounts.member(session.user, session.org).await?;
    Ok(Reply::ok(Tokens::of(&secrets, &session, &member.membership, &successor, call.now)?))
}

/// The session and the token that takes the used one's place, whoever put it there.
async fn exchange(
    app: &App,
    accounts: &Accounts,
    used: &RefreshToken,
    origin: &Origin,
) -> Result<(Session, RefreshToken)> {
    let now = origin.now;
    for _ in 0..ROUNDS {
        let stored = accounts.session(used.user, used.session).await?;
        let stored = stored.ok_or(Error::Unauthenticated("invalid_refresh_token"))?;
        let presented =
            stored.present(&used.hash(), now).map_err(|denied| Error::Unauthenticated(denied.code()))?;
        let saved = match presented {
            Presented::Repeated(sealed) => return Ok((stored.value, used.open(&sealed)?)),
            Presented::Current => {
                let successor = used.successor();
                let rotated = stored.value.clone().rotate(successor.hash(), used.seal(&successor)?, now);
                accounts.rotate(&stored, &rotated).await.map(|()| (rotated, successor))
            }
            Presented::Stolen => {
                // Whatever else happens to the session meanwhile, it ends.
                accounts.end(used.user, used.session, Ending::RefreshReused, origin).await?;
                app.count("RefreshTokensReused", 1);
                return Err(Error::Unauthenticated("session_revoked"));
            }
        };
        match saved {
            Err(Error::Conflict) => {}
            other => return other,
        }
    }
    Err(Error::Conflict)
}
