//! The host serves the site, or no longer: what its manifest tells, and whether it is true.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use domain::HostId;
use domain::hosting::{Direction, OperationKind, Reservation};
use platform::partner::Answer;
use platform::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::engine::{Outcome, Run};
use crate::store::hosts;

/// A host's agent reports every half minute, and at once after it applied something.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
const PROBE_AGAIN: Duration = Duration::from_secs(10);
/// The header in which a host says which site it serves.
const SITE_HEADER: &str = "x-tenantry-site";
/// The header in which a host says which host it is.
const HOST_HEADER: &str = "x-tenantry-host";

/// Which versions of the host's manifest this step asked for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Asked {
    /// To do the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward: Option<u64>,
    /// To take it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back: Option<u64>,
}

/// Whether a host that is not up can be left to learn of a change when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// The step waits for it.
    Waits,
    /// It serves nothing now, and will serve what the manifest then says.
    Learns,
}

/// Brings the manifest of a host to say something else of the site, and waits until the host has applied it.
///
/// The manifest's number grows in the transaction that changes it, so that whoever finds the site changed may wait for
/// the number that is read afterwards.
pub(super) async fn tell(
    run: &Run<'_>,
    host: HostId,
    absent: Absent,
    change: impl FnOnce(Reservation) -> Reservation,
) -> Result<Outcome> {
    let asked: Asked = run.params()?;
    let forward = run.operation.direction == Direction::Forward;
    let Some(generation) = (if forward { asked.forward } else { asked.back }) else {
        let Some(reservation) = run.store.reservation(host, run.site.id).await? else {
            return match absent {
                Absent::Learns => Ok(Outcome::done()),
                Absent::Waits => {
                    Err(Error::internal(format!("host {host} keeps no room for site {}", run.site.id)))
                }
            };
        };
        let wanted = change(reservation.value.clone());
        if wanted != reservation.value {
            let [changed, counted] = hosts::tell(&reservation, &wanted);
            run.store.table().transact([changed, counted, run.fenced()]).await?;
        }
        let newest = Some(run.store.host(host).await?.generation);
        return Outcome::again(if forward {
            Asked { forward: newest, ..asked }
        } else {
            Asked { back: newest, ..asked }
        });
    };
    let host = run.store.host(host).await?;
    let out = absent == Absent::Learns && !host.serves();
    if out || host.applied_generation >= generation {
        return Outcome::with(json!({"generation": generation}));
    }
    Ok(Outcome::Wait(LOOK_AGAIN))
}

pub(super) async fn publish(run: &Run<'_>) -> Result<Outcome> {
    let (host, bucket) = (run.host()?, run.bucket()?);
    let asked: Asked = run.params()?;
    // Who moves has files of his own.
    if asked.forward.is_none() && run.operation.workflow == OperationKind::Provision {
        put_welcome(run, &bucket).await?;
    }
    let serving = |kept: Reservation| Reservation { serving: true, bucket: Some(bucket), ..kept };
    tell(run, host, Absent::Waits, serving).await
}

pub(super) async fn stop(run: &Run<'_>) -> Result<Outcome> {
    let Some(host) = run.host_at_work() else { return Ok(Outcome::done()) };
    let gone = |kept: Reservation| Reservation {
        serving: false,
        copying: false,
        bucket: None,
        also: None,
        copy: None,
        ..kept
    };
    tell(run, host, Absent::Learns, gone).await
}

pub(super) async fn suspend(run: &Run<'_>) -> Result<Outcome> {
    let suspended = |kept: Reservation| Reservation { suspended: true, ..kept };
    tell(run, run.host()?, Absent::Learns, suspended).await
}

pub(super) async fn resume(run: &Run<'_>) -> Result<Outcome> {
    let resumed = |kept: Reservation| Reservation { suspended: false, ..kept };
    tell(run, run.host()?, Absent::Waits, resumed).await
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
    let Some(ip) = run.store.host(run.host()?).await?.value.ip else {
        return Ok(Outcome::Wait(PROBE_AGAIN));
    };
    let probe = run
        .app
        .partner()
        .get(&format!("http://{ip}/"))
        .named("host")
        .header("host", &run.fqdn())
        .send()
        .await;
    checked(run, probe.is_ok_and(|answer| is_the_site(run, &answer)))
}

/// Asks for the site as any visitor does, and wants the answer to come from the new host.
pub(super) async fn check_name(run: &Run<'_>) -> Result<Outcome> {
    let host = run.host()?.to_string();
    let probe = run.app.partner().get(&format!("http://{}/", run.site.fqdn)).named("host").send().await;
    let is_it =
        |answer: &Answer| is_the_site(run, answer) && answer.header(HOST_HEADER) == Some(host.as_str());
    checked(run, probe.is_ok_and(|answer| is_it(&answer)))
}

/// A site whose owner put no start page there answers too, by what says so.
fn is_the_site(run: &Run<'_>, answer: &Answer) -> bool {
    answer.status == 200 && answer.header(SITE_HEADER) == Some(run.site.id.to_string().as_str())
}

fn checked(run: &Run<'_>, good: bool) -> Result<Outcome> {
    if good { Outcome::with(json!({"checked_at": run.now()})) } else { Ok(Outcome::Wait(PROBE_AGAIN)) }
}
