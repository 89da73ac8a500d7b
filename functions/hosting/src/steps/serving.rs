//! The host serves the site, or no longer: what its manifest tells, and whether it is true.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use domain::HostId;
use domain::hosting::{Reservation, StepName};
use platform::store::Stored;
use platform::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket::Made;
use crate::engine::{Outcome, Run};
use crate::store::hosts;

/// A host's agent reports every half minute, and at once after it applied something.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
const PROBE_AGAIN: Duration = Duration::from_secs(10);
/// The header in which a host says which site it serves.
const SITE_HEADER: &str = "x-tenantry-site";

/// Which versions of the host's manifest this step asked for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Asked {
    /// With the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    with: Option<u64>,
    /// Without the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    without: Option<u64>,
}

pub(super) async fn publish(run: &Run<'_>) -> Result<Outcome> {
    let asked: Asked = run.params()?;
    let (host, reservation) = slot(run).await?;
    let Some(reservation) = reservation else {
        return Err(Error::internal(format!("host {host} keeps no room for site {}", run.site.id)));
    };
    let Some(generation) = asked.with else {
        if !reservation.serving {
            let Made { bucket, .. } = run.outputs(StepName::CreateBucket)?;
            put_welcome(run, &bucket).await?;
            change_manifest(run, &reservation, Some(bucket)).await?;
        }
        let with = Some(run.store.host(host).await?.generation);
        return Outcome::again(Asked { with, ..asked });
    };
    if run.store.host(host).await?.applied_generation >= generation {
        return Outcome::with(json!({"generation": generation}));
    }
    Ok(Outcome::Wait(LOOK_AGAIN))
}

pub(super) async fn stop(run: &Run<'_>) -> Result<Outcome> {
    let asked: Asked = run.params()?;
    if run.site.target_host.or(run.site.host).is_none() {
        return Ok(Outcome::done());
    }
    let (host, reservation) = slot(run).await?;
    let Some(reservation) = reservation else { return Ok(Outcome::done()) };
    let Some(generation) = asked.without else {
        if reservation.serving {
            change_manifest(run, &reservation, None).await?;
        }
        let without = Some(run.store.host(host).await?.generation);
        return Outcome::again(Asked { without, ..asked });
    };
    let host = run.store.host(host).await?;
    // A host that is not up serves nothing; when it comes back, its manifest no longer names the site.
    if !host.is_ready() || host.applied_generation >= generation {
        return Outcome::with(json!({"generation": generation}));
    }
    Ok(Outcome::Wait(LOOK_AGAIN))
}

/// Puts the site into the host's manifest, or takes it out. The manifest's number grows in the same transaction, so that
/// whoever finds the site changed may wait for the number that is read afterwards.
async fn change_manifest(
    run: &Run<'_>,
    reservation: &Stored<Reservation>,
    bucket: Option<String>,
) -> Result<()> {
    let [changed, counted] = hosts::serve(reservation, bucket);
    run.store.table().transact([changed, counted, run.fenced()]).await
}

async fn slot(run: &Run<'_>) -> Result<(HostId, Option<Stored<Reservation>>)> {
    let Some(host) = run.site.target_host.or(run.site.host) else {
        return Err(Error::internal(format!("site {} has no room on any host", run.site.id)));
    };
    Ok((host, run.store.reservation(host, run.site.id).await?))
}

/// The page that a new site shows until its owner puts another there.
async fn put_welcome(run: &Run<'_>, bucket: &str) -> Result<()> {
    let page = include_str!("welcome.html").replace("{{fqdn}}", &run.site.fqdn);
    let put = Client::new(run.app.aws())
        .put_object()
        .bucket(bucket)
        .key("index.html")
        .content_type("text/html; charset=utf-8")
        .if_none_match("*")
        .body(ByteStream::from(page.into_bytes()));
    match put.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("PreconditionFailed") => Ok(()),
        Err(error) => Err(Error::aws("s3", error)),
    }
}

/// Asks the host for the site by its name. By the host's address, because this function's resolver may still remember that
/// the name did not exist.
pub(super) async fn check(run: &Run<'_>) -> Result<Outcome> {
    let (host, _) = slot(run).await?;
    let Some(ip) = run.store.host(host).await?.value.ip else {
        return Ok(Outcome::Wait(PROBE_AGAIN));
    };
    let probe = run
        .app
        .partner()
        .get(&format!("http://{ip}/"))
        .named("host")
        .header("host", &run.site.fqdn)
        .send()
        .await;
    let Ok(answer) = probe else {
        return Ok(Outcome::Wait(PROBE_AGAIN));
    };
    if answer.status == 200 && answer.header(SITE_HEADER) == Some(run.site.id.to_string().as_str()) {
        return Outcome::with(json!({"checked_at": run.now()}));
    }
    Ok(Outcome::Wait(PROBE_AGAIN))
}
