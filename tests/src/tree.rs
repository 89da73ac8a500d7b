//! The work tree: files by their path from its root, and files that a test keeps up to date.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file's text.
///
/// # Panics
/// When it is not there: a test that needs it has then failed.
#[must_use]
pub fn read(path: &str) -> String {
    match fs::read_to_string(root().join(path)) {
        Ok(text) => text,
        Err(error) => panic!("{path}: {error}"),
    }
}

/// Whether there is such a file or directory.
#[must_use]
pub fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// The names in a directory, sorted; none if there is no such directory.
#[must_use]
pub fn list(path: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join(path))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Every file below a directory with this ending, as sorted paths from the root.
#[must_use]
pub fn below(path: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in list(path) {
        let inner = format!("{path}/{name}");
        if root().join(&inner).is_dir() {
            found.extend(below(&inner, ending));
        } else if name.ends_with(ending) {
            found.push(inner);
        }
    }
    found
}

/// Every Rust file of ours, as paths from the root.
#[must_use]
pub fn rust_files() -> Vec<String> {
    ["shared", "functions", "local", "tests"].iter().flat_map(|top| below(top, ".rs")).collect()
}

/// The areas: the directories of `functions/`.
#[must_use]
pub fn areas() -> Vec<String> {
    list("functions")
}

/// Whether tests rewrite the files that they keep, instead of comparing: `UPDATE_GOLDEN=1 cargo test --workspace --test product`.
#[must_use]
#[allow(clippy::disallowed_methods)] // The switch belongs to whoever runs the tests, not to a function's configuration.
pub fn updating() -> bool {
    std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1")
}

/// Compares a kept file with what it should hold, or rewrites it when updating.
///
/// # Panics
/// When they differ; the text names the first line that does and the command that rewrites the file.
pub fn keep(path: &str, wanted: &str) {
    let kept = fs::read_to_string(root().join(path)).unwrap_or_default();
    if kept == wanted {
        return;
    }
    if updating() {
        if let Err(error) = fs::write(root().join(path), wanted) {
            panic!("{path}: {error}");
        }
        return;
    }
    let same = kept.lines().zip(wanted.lines()).take_while(|(kept, wanted)| kept == wanted).count();
    panic!(
        "{path} is out of date from line {}:\n  kept    {}\n  should  {}\nRun: UPDATE_GOLDEN=1 cargo test --workspace --test product",
        same + 1,
        kept.lines().nth(same).unwrap_or("(the end)"),
        wanted.lines().nth(same).unwrap_or("(the end)"),
    );
}
