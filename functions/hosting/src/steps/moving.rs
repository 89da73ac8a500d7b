//! A site goes to another host: its files are copied and compared there, its name is led there, its old room given back.
//!
//! Both hosts read the same bucket. What must not happen is that the new one serves files that are not the site's: so for a
//! few seconds nobody writes, and the two fingerprints must agree before the name is led over.

use std::time::Duration;

use aws_sdk_s3::Client;
use domain::Timestamp;
use domain::hosting::bucket::Openness;
use domain::hosting::converge::NOT_WANTED;
use domain::hosting::{Direction, Reservation, Run as Wanted, StepName, content};
use platform::{Error, Result, hash};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket;
use super::room::{self, Planned};
use super::serving::{Absent, tell};
use crate::engine::{Outcome, Run};
use crate::store::hosts;

/// Who cannot write for longer than this notices.
pub(super) const LONGEST_FREEZE: Duration = Duration::from_secs(60);
/// How long the old host goes on serving whoever still remembers its address.
const SOURCE_KEPT: Duration = Duration::from_secs(3_600);
const LOOK_AGAIN: Duration = Duration::from_secs(10);
const COMPARE_AGAIN: Duration = Duration::from_secs(2);
const SOURCE_AGAIN: Duration = Duration::from_secs(10 * 60);

/// The moment from which nobody writes, stored before the bucket is asked to refuse.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Freeze {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// What the site's files were when nobody could write any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Frozen {
    pub(super) at: Timestamp,
    fingerprint: String,
    files: usize,
    /// The host looks at its copy anew for this generation of its manifest.
    generation: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Unfrozen {
    frozen_millis: u64,
}

/// The plan still wants the site elsewhere. From here on it is shown as moving.
pub(super) fn check(run: &Run<'_>) -> Result<Outcome> {
    let site = &run.site.value;
    if site.wanted() != Wanted::On || !site.must_move() {
        let remedy = "Nothing: the site stays where it is.";
        let failure = run.failure(NOT_WANTED, "The site is no longer wanted elsewhere.", remedy);
        return Ok(Outcome::Abort(failure));
    }
    Ok(Outcome::with(Planned::of(&site.desired))?.changing(site.clone().migrating(), None))
}

pub(super) async fn copy(run: &Run<'_>) -> Result<Outcome> {
    let (host, bucket) = (run.host()?, run.bucket()?);
    let copying = |kept: Reservation| Reservation { copying: true, bucket: Some(bucket), ..kept };
    let told = tell(run, host, Absent::Waits, copying).await?;
    if !matches!(told, Outcome::Done { .. }) {
        return Ok(told);
    }
    let kept = run.store.reservation(host, run.site.id).await?;
    Ok(if kept.is_some_and(|kept| kept.copy.is_some()) { told } else { Outcome::Wait(LOOK_AGAIN) })
}

pub(super) async fn freeze(run: &Run<'_>) -> Result<Outcome> {
    let Freeze { at } = run.params()?;
    let Some(at) = at else {
        // A list that cannot be had, or not in one turn, shows before anybody is kept from writing.
        fingerprint(run).await?;
        return Outcome::again(Freeze { at: Some(run.now()) });
    };
    if let Some(abort) = is_too_long(run, at) {
        return Ok(abort);
    }
    if let Some(busy) = bucket::set(run, Openness::Frozen).await? {
        return Ok(busy);
    }
    let (fingerprint, files) = fingerprint(run).await?;
    let host = run.host()?;
    run.store.table().transact([hosts::count(host), run.fenced()]).await?;
    let generation = run.store.host(host).await?.generation;
    Outcome::with(Frozen { at, fingerprint, files, generation })
}

/// Whoever was kept from writing writes again.
pub(super) async fn thaw(run: &Run<'_>) -> Result<Outcome> {
    if let Some(busy) = bucket::set(run, Openness::Open).await? {
        return Ok(busy);
    }
    if run.operation.direction == Direction::Back {
        return Ok(Outcome::done());
    }
    let frozen: Frozen = run.outputs(StepName::FreezeWrites)?;
    let millis = run.now().since(frozen.at).as_millis();
    let frozen_millis = u64::try_from(millis).unwrap_or(u64::MAX);
    run.app.measure("MoveFrozenMillis", frozen_millis as f64, platform::Unit::Milliseconds);
    Outcome::with(Unfrozen { frozen_millis })
}

/// Nobody was kept from writing for too long yet, else the move is given up.
pub(super) fn too_long(run: &Run<'_>) -> Result<Option<Outcome>> {
    let frozen: Frozen = run.outputs(StepName::FreezeWrites)?;
    Ok(is_too_long(run, frozen.at))
}

fn is_too_long(run: &Run<'_>, frozen_at: Timestamp) -> Option<Outcome> {
    if run.now().since(frozen_at) < LONGEST_FREEZE {
        return None;
    }
    let message =
        "The new host did not confirm its copy of the files soon enough; the site stays where it was.";
    let remedy = "Look whether the new host reports every few seconds, then ask for the move again.";
    Some(Outcome::Abort(run.failure("freeze_too_long", message, remedy)))
}

pub(super) async fn compare(run: &Run<'_>) -> Result<Outcome> {
    if let Some(abort) = too_long(run)? {
        return Ok(abort);
    }
    let frozen: Frozen = run.outputs(StepName::FreezeWrites)?;
    let (fingerprint, _) = fingerprint(run).await?;
    if fingerprint != frozen.fingerprint {
        let message = "A file changed while nobody should have written; the site stays where it was.";
        let remedy =
            "Find out who writes to the bucket past its policy (CloudTrail), then ask for the move again.";
        return Ok(Outcome::Abort(run.failure("content_changed", message, remedy)));
    }
    let kept = run.store.reservation(run.host()?, run.site.id).await?;
    let copy = kept.and_then(|kept| kept.copy.clone());
    let same = copy
        .is_some_and(|copy| copy.generation >= frozen.generation && copy.fingerprint == frozen.fingerprint);
    if !same {
        return Ok(Outcome::Wait(COMPARE_AGAIN));
    }
    Outcome::with(json!({"fingerprint": frozen.fingerprint, "files": frozen.files}))
}

/// The fingerprint of what is in the site's bucket, and how many files that is.
async fn fingerprint(run: &Run<'_>) -> Result<(String, usize)> {
    let (client, bucket) = (Client::new(run.app.aws()), run.bucket()?);
    let (mut files, mut after) = (Vec::new(), None);
    loop {
        let call = client.list_objects_v2().bucket(&bucket).set_continuation_token(after);
        let page = call.send().await.map_err(|error| Error::aws("s3", error))?;
        files.extend(page.contents().iter().filter_map(|object| {
            Some((object.key()?.to_owned(), object.e_tag().unwrap_or_default().to_owned()))
        }));
        after = page.next_continuation_token;
        if after.is_none() {
            break;
        }
    }
    let listing = content::listing(files.iter().map(|(key, tag)| (key.as_str(), tag.as_str())));
    Ok((hash::sha256_hex(listing), files.len()))
}

/// From here on the site is the new host's.
pub(super) async fn commit(run: &Run<'_>) -> Result<Outcome> {
    let Planned { mode, units, disk_mib, .. } = room::planned(run)?;
    let Unfrozen { frozen_millis } = run.outputs(StepName::UnfreezeWrites)?;
    let host = run.host()?;
    let Some(kept) = run.store.reservation(host, run.site.id).await? else {
        return Err(Error::internal(format!("host {host} keeps no room for site {}", run.site.id)));
    };
    let settled = Reservation { copying: false, copy: None, ..kept.value.clone() };
    let (site, moved) = run.site.value.clone().moved(mode, (units, disk_mib), frozen_millis);
    let event = moved.map(|moved| run.origin.event(site.org, &moved));
    let outputs = json!({"host": host, "frozen_millis": frozen_millis});
    let writes = hosts::tell(&kept, &settled).into();
    Ok(Outcome::Done { outputs, writes, site: None }.changing(site, event))
}

/// The old host goes on serving for a while, unless the site is to be down anyway.
pub(super) fn keep_source(run: &Run<'_>) -> Outcome {
    let waited = run.now().since(run.started_at());
    if waited >= SOURCE_KEPT || run.site.wanted() != Wanted::On {
        return Outcome::done();
    }
    Outcome::Wait(SOURCE_AGAIN.min(SOURCE_KEPT - waited))
}

pub(super) async fn release_source(run: &Run<'_>) -> Result<Outcome> {
    room::give_back(run, run.site.former_host).await
}
