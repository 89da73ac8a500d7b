//! `POST /v1/admin/hosting/hosts/{host}/drain`: move every site off a host, which ends when it is empty.
//!
//! Safe to repeat: sites that are on their way are left alone, sites that stayed are asked again. Sites that are not served
//! do not move; the answer names them.

use domain::SiteId;
use domain::hosting::SiteState;
use domain::hosting::operation::Request;
use hosting::HostingOfAll;
use hosting::view::{HostView, OperationView};
use platform::auth::Operator;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// A host that takes no more sites.
#[derive(Serialize, JsonSchema)]
struct Drain {
    /// The host.
    host: HostView,
    /// The moves that begin now; others begin when what is at work on their sites ends.
    operations: Vec<OperationView>,
    /// Sites that do not move, because they are not served: the host is not empty before they are served again, or gone.
    stays: Vec<SiteId>,
}

fn main() -> Exit {
    http::limit(&[Limit::per_user(30, MINUTE)]).serve(drain_host)
}

async fn drain_host(app: App, call: Call<Operator>) -> Result<Reply<Drain, 202>> {
    let hosting = HostingOfAll::of(&app);
    let stored = hosting.host(call.id("host")?).await?;
    let host = stored.value.clone().drained()?;
    if host.state != stored.state {
        hosting.drain(&stored, &host, call.now).await?;
    }
    let (mut operations, mut stays) = (Vec::new(), Vec::new());
    for kept in hosting.reservations(host.id).await? {
        let stored = hosting.site(kept.org, kept.site).await?;
        // A site that is only leaving, or has not arrived, does not live here.
        if stored.host != Some(host.id) {
            continue;
        }
        if !matches!(stored.state, SiteState::Active | SiteState::Migrating) {
            stays.push(stored.id);
        }
        let request = Request { operation: call.new_id(), by: Some(call.caller.user), now: call.now };
        let wish = stored.value.clone().leave_host().next_operation(request);
        match hosting.wish(&stored, &wish, call.origin()).await {
            Ok(()) => operations.extend(wish.1.as_ref().map(|(operation, _)| OperationView::from(operation))),
            // Its worker was faster: the operator asks again and finds the host draining.
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Reply::accepted(Drain { host: HostView::from(&host), operations, stays }))
}
