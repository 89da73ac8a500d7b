//! Backups: a list of the versions that a site's files have, and the way back to one.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use domain::hosting::backup::{BackedFile, KEPT, differences, surplus};
use domain::hosting::{Backup, BackupId, Run as Wanted};
use platform::store::Write;
use platform::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::{Outcome, Run};
use crate::store::backups;

/// How many files one turn puts back.
const AT_ONCE: usize = 200;

/// The backup's id, chosen before its list is stored under it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Chosen {
    backup: BackupId,
}

/// How far a restore has come. A file that was put in parts has another tag once it is copied, so tags alone would not tell.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    /// Files up to this key are put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

pub(super) fn choose(run: &Run<'_>) -> Result<Value> {
    serde_json::to_value(Chosen { backup: run.origin.id() }).map_err(Error::caused)
}

/// The list is stored first, then the backup that names it; surplus backups go in the same transaction.
pub(super) async fn take(run: &Run<'_>) -> Result<Outcome> {
    let Chosen { backup: id } = run.given()?;
    let (client, bucket) = (Client::new(run.app.aws()), run.bucket()?);
    let (mut files, mut bytes) = (Vec::new(), 0_u64);
    let (mut key, mut version) = (None, None);
    loop {
        let call = client.list_object_versions().bucket(&bucket).set_key_marker(key);
        let page = call.set_version_id_marker(version).send().await;
        let page = page.map_err(|error| Error::aws("s3", error))?;
        for file in page.versions().iter().filter(|file| file.is_latest() == Some(true)) {
            let (Some(key), Some(version)) = (file.key(), file.version_id()) else { continue };
            bytes += u64::try_from(file.size().unwrap_or(0)).unwrap_or(0);
            let tag = plain(file.e_tag());
            files.push(BackedFile { key: key.to_owned(), version: version.to_owned(), tag });
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    let manifest = format!("{}/{}/{id}.json", run.site.org, run.site.id);
    let body = serde_json::to_vec(&files).map_err(Error::caused)?;
    let put = client
        .put_object()
        .bucket(&run.settings.backups_bucket)
        .key(&manifest)
        .content_type("application/json");
    put.body(ByteStream::from(body)).send().await.map_err(|error| Error::aws("s3", error))?;

    let backup = Backup {
        id,
        site: run.site.id,
        org: run.site.org,
        manifest,
        files: files.len() as u64,
        bytes,
        requested_by: run.operation.requested_by,
        taken_at: run.now(),
        valid_until: run.now() + KEPT,
    };
    let before = run.store.backups_of(run.site.id).await?;
    let kept = run.site.desired.backups.saturating_sub(1);
    // The newest of those before may be as many as the plan keeps, less this one.
    let surplus = if kept == 0 { before.as_slice() } else { surplus(&before, kept) };
    let mut writes: Vec<Write> = vec![backups::create(&backup)];
    writes.extend(surplus.iter().take(50).map(backups::delete));
    let outputs = json!({"backup": id, "files": backup.files, "bytes": backup.bytes});
    Ok(Outcome::Done { outputs, writes, site: None })
}

/// Puts back what differs, some files a turn, until nothing does. What came since the backup is deleted, and is still there
/// as an older version.
pub(super) async fn put_back(run: &Run<'_>) -> Result<Outcome> {
    if run.site.wanted() == Wanted::Deleted {
        return Ok(Outcome::done());
    }
    let id = run.operation.backup.ok_or_else(|| Error::internal("a restore without a backup"))?;
    let backup = run.store.backup(run.site.id, id).await?;
    let (client, bucket) = (Client::new(run.app.aws()), run.bucket()?);
    let list = client.get_object().bucket(&run.settings.backups_bucket).key(&backup.manifest).send().await;
    let list = list.map_err(|error| Error::aws("s3", error))?.body.collect().await.map_err(Error::caused)?;
    let backed: Vec<BackedFile> = serde_json::from_slice(&list.into_bytes()).map_err(Error::caused)?;
    let present = present(&client, &bucket).await?;
    let (changed, gone) = differences(&backed, &present);
    let Progress { after } = run.params()?;
    let mut changed: Vec<&BackedFile> =
        changed.into_iter().filter(|file| after.as_ref().is_none_or(|after| file.key > *after)).collect();
    if changed.is_empty() && gone.is_empty() {
        return Outcome::with(json!({"backup": id, "files": backed.len()}));
    }
    changed.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    changed.truncate(AT_ONCE);
    for file in &changed {
        let source = format!("{bucket}/{}?versionId={}", encoded(&file.key), file.version);
        let copy = client.copy_object().bucket(&bucket).key(&file.key).copy_source(source).send().await;
        copy.map_err(|error| Error::aws("s3", error))?;
    }
    let gone: Vec<ObjectIdentifier> = gone
        .into_iter()
        .take(1_000)
        .map(|key| ObjectIdentifier::builder().key(key).build())
        .collect::<Result<_, _>>()
        .map_err(Error::caused)?;
    if !gone.is_empty() {
        let delete = Delete::builder().set_objects(Some(gone)).quiet(true).build().map_err(Error::caused)?;
        let answer = client.delete_objects().bucket(&bucket).delete(delete).send().await;
        let answer = answer.map_err(|error| Error::aws("s3", error))?;
        if let Some(left) = answer.errors().first() {
            return Err(Error::partner("s3", true, format!("not deleted: {:?}", left.code())));
        }
    }
    Outcome::again(Progress { after: changed.last().map(|file| file.key.clone()).or(after) })
}

/// The files that the site has, with their tags.
async fn present(client: &Client, bucket: &str) -> Result<BTreeMap<String, String>> {
    let (mut files, mut after) = (BTreeMap::new(), None);
    loop {
        let call = client.list_objects_v2().bucket(bucket).set_continuation_token(after);
        let page = call.send().await.map_err(|error| Error::aws("s3", error))?;
        files.extend(
            page.contents()
                .iter()
                .filter_map(|object| Some((object.key()?.to_owned(), plain(object.e_tag())))),
        );
        after = page.next_continuation_token;
        if after.is_none() {
            return Ok(files);
        }
    }
}

/// A tag as it is compared: lists differ in whether they put it into quotation marks.
fn plain(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

/// A key as a copy's source has it: percent encoded, slashes as they are.
fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}
