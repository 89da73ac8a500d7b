//! `POST /v1/hosts/{host}/report`: a host's heartbeat and the manifest it has applied; the answer is what it is to serve.

use domain::hosting::host_protocol::{HostReport, Manifest};
use hosting::HostingOfAll;
use hosting::host_actor::Host;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result, Unit};

fn main() -> Exit {
    http::serve(report_host)
}

async fn report_host(app: App, call: Call<Host, HostReport>) -> Result<Reply<Manifest>> {
    let report = &call.body;
    report.check()?;
    let hosting = HostingOfAll::of(&app);
    let host = hosting.beat(call.caller.stored.clone(), report.generation, call.origin()).await?;
    hosting.copied(host.id, report).await?;
    app.count("SitesFailedOnHost", report.failed());
    app.measure("HostDiskUsedBytes", report.disk_used_bytes as f64, Unit::Bytes);
    Ok(Reply::ok(hosting.manifest(&host).await?))
}
