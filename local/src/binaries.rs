//! The functions' binaries: where they are, and how they get there.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use domain::Timestamp;

use crate::template::Model;
use crate::{Context, Error, Result};

/// The workspace this crate was built in.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A variable of this process's own environment.
#[allow(clippy::disallowed_methods, reason = "the one place of the local stack that reads its environment")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where a stack's time is wanted to begin: `TENANTRY_STARTS_AT`, as in `2027-01-31T23:58:00Z`. A date that is still to come
/// is tried by it before it comes.
///
/// # Errors
/// When it is no moment.
pub fn starts_at() -> Result<Option<Timestamp>> {
    let moment = variable("TENANTRY_STARTS_AT").map(|text| text.parse());
    moment.transpose().context("reading TENANTRY_STARTS_AT")
}

/// The folder of the functions' binaries, built if they are out of date; `TENANTRY_BINARIES` names one that is ready.
///
/// # Errors
/// When they do not build.
pub async fn ready(workspace: &Path, aloud: bool) -> Result<PathBuf> {
    if let Some(folder) = variable("TENANTRY_BINARIES") {
        return Ok(PathBuf::from(folder));
    }
    let mut command = tokio::process::Command::new(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.args(["build", "--workspace", "--bins", "--quiet"]).current_dir(workspace).stdin(Stdio::null());
    // What cargo sets for the process it runs would make it rebuild what depends on it.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_CRATE_NAME"] {
        command.env_remove(name);
    }
    let told = if aloud {
        let status = command.status().await.context("starting cargo to build the functions")?;
        (status.success(), String::new())
    } else {
        let output = command.output().await.context("starting cargo to build the functions")?;
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    match told {
        (true, _) => {}
        (false, errors) => return Err(Error::new(format!("the functions do not build\n{errors}"))),
    }
    let target = variable("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    Ok(target.join("debug"))
}

/// Complains about functions whose binary is not there.
///
/// # Errors
/// Naming them and where the template states them.
pub fn check(model: &Model, folder: &Path) -> Result<()> {
    let missing: Vec<String> = model
        .functions
        .iter()
        .filter(|function| {
            !folder.join(format!("{}{}", function.verb, std::env::consts::EXE_SUFFIX)).exists()
        })
        .map(|function| format!("{}: {} has no binary `{}`", function.place, function.id, function.verb))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("not in {}:\n{}", folder.display(), missing.join("\n"))))
}
