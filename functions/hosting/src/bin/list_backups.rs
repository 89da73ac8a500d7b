//! `GET /v1/hosting/sites/{site}/backups`: a site's backups, newest first, in pages.

use domain::Timestamp;
use domain::hosting::{Backup, BackupId};
use hosting::Hosting;
use platform::auth::Admin;
use platform::http::{self, Call, Reply};
use platform::page::{Listed, PageQuery};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// A backup.
#[derive(Serialize, JsonSchema)]
struct BackupView {
    /// Its id: restore by it.
    id: BackupId,
    /// How many files it holds.
    files: u64,
    /// How large they are together.
    bytes: u64,
    /// Whether somebody asked for it; the others are taken every day.
    by_request: bool,
    /// When it was taken.
    taken_at: Timestamp,
    /// Until when it can be restored.
    valid_until: Timestamp,
}

fn main() -> Exit {
    http::serve(list_backups)
}

async fn list_backups(app: App, call: Call<Admin, (), PageQuery>) -> Result<Reply<Listed<BackupView>>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let site = hosting.site(call.id("site")?).await?;
    let paging = call.paging(&call.query, &site.id.to_string())?;
    let page = hosting.backups(site.id, paging.limit, paging.after.clone()).await?;
    Ok(Reply::ok(paging.listed(page, |backup| BackupView::from(backup.value))))
}

impl From<Backup> for BackupView {
    fn from(backup: Backup) -> Self {
        let Backup { id, files, bytes, requested_by, taken_at, valid_until, .. } = backup;
        Self { id, files, bytes, by_request: requested_by.is_some(), taken_at, valid_until }
    }
}
