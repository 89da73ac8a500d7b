//! `GET /v1/hosts/{host}/names/{fqdn}`: whether a host may obtain a certificate for a name: 204, or 404.
//!
//! Without this check anybody could point a name at a host and use up its certificate authority's limits.

use hosting::HostingOfAll;
use hosting::host_actor::Host;
use platform::http::{self, Call, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::serve(check_host_name)
}

async fn check_host_name(app: App, call: Call<Host>) -> Result<Reply<(), 204>> {
    let name = call.path("fqdn").to_ascii_lowercase();
    let sites = HostingOfAll::of(&app).reservations(call.caller.id()).await?;
    let served = sites.iter().any(|site| site.answers(&name));
    if served { Ok(Reply::no_content()) } else { Err(Error::NotFound) }
}
