//! The daily look for what the product has lost sight of: machines, addresses, buckets, zones, records and mail domains
//! without an owner, rooms that do not add up, and records that are not as they are wanted. What is nobody's is reported and
//! looked at by people first; a record that somebody changed is asked for again.

mod zones;

use std::collections::BTreeSet;

use aws_sdk_ses::types::IdentityType;
use domain::SiteId;
use domain::hosting::bucket;
use domain::hosting::orphan::{Orphan, OrphanKind};
use domain::hosting::{HostState, Site};
use platform::ec2::Ec2;
use platform::store::Stored;
use platform::{App, Error, Origin, Result};
use serde::Deserialize;

use crate::store::keys;
use crate::{HostingOfAll, capacity};

const HOST_TAG: &str = "tenantry:host";
const STAGE_TAG: &str = "tag:tenantry:stage";

#[derive(Debug, Deserialize)]
struct Settings {
    stage: String,
    aws_region: String,
    sites_domain: String,
    sites_zone_id: String,
}

/// Looks at everything once; what is found again keeps the day on which it was seen first.
///
/// # Errors
/// What the table or AWS fail with.
pub async fn look(app: &App, origin: &Origin) -> Result<()> {
    let settings: Settings = app.config()?;
    let store = HostingOfAll::of(app);
    let mut found = machines(app, &store, &settings).await?;
    found.extend(buckets(app, &store, &settings).await?);
    found.extend(mail_domains(app, &store, &settings).await?);
    let (zones, done) = zones::look(app, &store, &settings, origin).await;
    found.extend(zones.orphans);
    for (kind, name) in &found {
        store.saw_orphan(&Orphan::new(*kind, name, origin.now), origin).await?;
    }
    if done.is_ok() {
        store.forget_orphans(&found).await?;
    }
    app.count("OrphansFound", found.len() as u64);
    app.count("RecordsDrifted", zones.drifted);
    app.count("RoomsThatDoNotAddUp", rooms(&store, &settings).await?);
    done
}

type Found = Vec<(OrphanKind, String)>;

/// Instances and Elastic IPs with our tag whose host is unknown or ended.
async fn machines(app: &App, store: &HostingOfAll, settings: &Settings) -> Result<Found> {
    let ec2 = Ec2::new(app);
    let ours: (&str, &[&str]) = (STAGE_TAG, &[settings.stage.as_str()]);
    let there = ("instance-state-name", &["pending", "running", "stopped"][..]);
    let instances = ec2.describe_instances(&[], &[ours, there]).await?;
    let instances = instances.into_iter().map(|one| (OrphanKind::Instance, one.id, one.tags));
    let addresses = ec2.describe_addresses(&[ours]).await?;
    let addresses = addresses.into_iter().map(|one| (OrphanKind::Address, one.id, one.tags));
    let mut found = Vec::new();
    for (kind, id, tags) in instances.chain(addresses) {
        let known = match tags.get(HOST_TAG).and_then(|id| id.parse().ok()) {
            Some(host) => match store.host(host).await {
                Ok(host) => host.state != HostState::Terminated,
                Err(Error::NotFound) => false,
                Err(error) => return Err(error),
            },
            None => false,
        };
        if !known {
            found.push((kind, id));
        }
    }
    Ok(found)
}

/// Buckets with a site's name that no site has.
async fn buckets(app: &App, store: &HostingOfAll, settings: &Settings) -> Result<Found> {
    let client = aws_sdk_s3::Client::new(app.aws());
    let prefix = bucket::prefix(&settings.stage);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let call = client.list_buckets().prefix(&prefix).set_continuation_token(after);
        let page = call.send().await.map_err(|error| Error::aws("s3", error))?;
        // Where the whole list comes at once, the prefix is ours to look at.
        for name in page.buckets().iter().filter_map(|bucket| bucket.name()) {
            if name.starts_with(&prefix) && !has_owner(store, &prefix, name).await? {
                found.push((OrphanKind::Bucket, name.to_owned()));
            }
        }
        after = page.continuation_token;
        if after.is_none() {
            return Ok(found);
        }
    }
}

async fn has_owner(store: &HostingOfAll, prefix: &str, name: &str) -> Result<bool> {
    let ulid = name.trim_start_matches(prefix).split('-').next().unwrap_or_default().to_uppercase();
    let Ok(id) = format!("site_{ulid}").parse::<SiteId>() else { return Ok(false) };
    let owned = |site: Stored<Site>| site.current_op.is_some() || site.bucket.as_deref() == Some(name);
    match store.site_by_id(id).await {
        Ok(site) => Ok(owned(site)),
        Err(Error::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Mail domains under the sites' domain that are no site's. Of others nobody can tell whether they were made here.
async fn mail_domains(app: &App, store: &HostingOfAll, settings: &Settings) -> Result<Found> {
    let client = aws_sdk_ses::Client::new(app.aws());
    let under = format!(".{}", settings.sites_domain);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let call = client.list_identities().identity_type(IdentityType::Domain).set_next_token(after);
        let page = call.send().await.map_err(|error| Error::aws("ses", error))?;
        for domain in page.identities.into_iter().filter(|domain| domain.ends_with(&under)) {
            if !store.is_mail_domain(&domain).await? {
                found.push((OrphanKind::MailDomain, domain));
            }
        }
        after = page.next_token;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Hosts whose free room is not what their sites leave of it. Placements in this moment are looked at twice.
async fn rooms(store: &HostingOfAll, settings: &Settings) -> Result<u64> {
    let mut wrong = 0;
    for pool in capacity::pools(&settings.aws_region) {
        for host in store.hosts(&pool).await? {
            let mut adds_up = false;
            for _ in 0..2 {
                let before = store.host(host.id).await?;
                let kept: u64 = store.reservations(host.id).await?.iter().map(|kept| kept.units).sum();
                adds_up = before.cap_units.checked_sub(before.free_units) == Some(kept);
                if adds_up {
                    break;
                }
            }
            wrong += u64::from(!adds_up);
        }
    }
    Ok(wrong)
}

/// The keys under which what was found is kept, to tell it from what is gone.
pub(crate) fn keys_of(found: &[(OrphanKind, String)]) -> BTreeSet<String> {
    found.iter().map(|(kind, name)| keys::orphan(*kind, name).sk).collect()
}
