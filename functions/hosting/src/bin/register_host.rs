//! `POST /v1/hosts/register`: an instance shows its one-time token and becomes a host, with a key of its own.
//!
//! The key follows from token and nonce, so an agent that did not hear the answer asks again and gets the same one, until
//! its first report. Whoever else shows the token, or shows it later, gets 401.

use domain::hosting::Host;
use domain::hosting::host::BEAT;
use domain::hosting::host_protocol::{HostCredentials, HostRegistration};
use hosting::{HostingOfAll, host_actor};
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result, hash};

const REFUSED: Error = Error::Unauthenticated("invalid_host_token");

fn main() -> Exit {
    http::limit(&[Limit::per_ip(60, MINUTE)]).serve(register_host)
}

async fn register_host(app: App, call: Call<Public, HostRegistration>) -> Result<Reply<HostCredentials>> {
    let body = call.body;
    body.check()?;
    let hosting = HostingOfAll::of(&app);
    let stored = match hosting.host(body.host).await {
        Ok(stored) => stored,
        Err(Error::NotFound) => return Err(REFUSED),
        Err(error) => return Err(error),
    };
    if !is_the_machine(&stored, &body) {
        return Err(REFUSED);
    }
    let key = key(&body);
    let key_hash = hash::sha256_hex(&key);
    let repeated = is_same(stored.key_hash.as_deref(), &key_hash) && stored.heartbeat_at.is_none();
    if !repeated {
        let token_hash = hash::sha256_hex(&body.token);
        if !is_same(stored.token_hash.as_deref(), &token_hash) {
            return Err(REFUSED);
        }
        body.capacity.check(stored.cap_units)?;
        match hosting.register(&stored, &token_hash, key_hash, call.now).await {
            Ok(_) => {}
            // Used in this moment, or only changed: when it is still good, the agent's next try will find it so.
            Err(Error::Refused { code: "token_used", .. }) => {
                return Err(unless_good(&hosting, &body, &token_hash).await);
            }
            Err(error) => return Err(error),
        }
    }
    let manifest = hosting.manifest(&stored).await?;
    let report_every_seconds = u32::try_from(BEAT.as_secs()).unwrap_or(30);
    Ok(Reply::ok(HostCredentials { host: body.host, key, report_every_seconds, manifest }))
}

/// Whether what registers is the instance that was launched, as far as it is known yet.
fn is_the_machine(host: &Host, body: &HostRegistration) -> bool {
    let same_instance = host.instance_id.as_ref().is_none_or(|known| *known == body.instance_id);
    same_instance && host.ip.as_ref().is_none_or(|known| *known == body.ip.to_string())
}

fn key(body: &HostRegistration) -> String {
    let secret = hash::hmac(body.token.as_bytes(), format!("{}\n{}", body.host, body.nonce).as_bytes());
    host_actor::key(body.host, &hash::sha256_hex(secret))
}

fn is_same(known: Option<&str>, shown: &str) -> bool {
    known.is_some_and(|known| hash::same(known.as_bytes(), shown.as_bytes()))
}

async fn unless_good(hosting: &HostingOfAll, body: &HostRegistration, token_hash: &str) -> Error {
    match hosting.host(body.host).await {
        Ok(host) if is_same(host.token_hash.as_deref(), token_hash) => Error::Conflict,
        Ok(_) => REFUSED,
        Err(error) => error,
    }
}
