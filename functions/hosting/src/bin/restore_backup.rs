//! `POST /v1/hosting/sites/{site}/backups/{backup}/restore`: bring a site's files back to what they were.
//!
//! What came since the backup is deleted; it can still be got from a backup taken before. Answers 202 with the operation.

use domain::hosting::operation::Request;
use domain::hosting::{BackupId, OperationKind};
use hosting::Hosting;
use hosting::view::OperationView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(10, MINUTE)]).serve(restore_backup)
}

async fn restore_backup(app: App, call: Call<Admin>) -> Result<Reply<OperationView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let stored = hosting.site(call.id("site")?).await?;
    let id: BackupId = call.id("backup")?;
    let backup = hosting.backup(stored.id, id).await?;
    if backup.valid_until <= call.now {
        return Err(Error::gone(
            "backup_gone",
            "The versions of the files that it names are kept no longer.",
        ));
    }
    let request = Request { operation: call.new_id(), by: Some(call.caller.user()), now: call.now };
    let (site, begun) = stored.value.clone().work_on_files(OperationKind::Restore, Some(id), request)?;

    let reply = Reply::accepted(OperationView::from(&begun.0));
    hosting.wish(&stored, &(site, Some(begun)), None, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}
