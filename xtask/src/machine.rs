//! Where things lie on this machine.

use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// The folder of the exports of other people's workflows, for tests; no commit holds them.
pub(crate) const DATA_VARIABLE: &str = "PORPOISE_DS_DATA";

/// Where that folder lies, seen from the root, on machines that have it.
const DATA_FOLDER: &str = "../shared/data/dolphinscheduler";

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The root of the workspace.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let here = var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    let root = Path::new(&here).parent();
    root.map(Path::to_path_buf)
        .context("xtask does not lie in a workspace")
}

/// A folder outside the tree for what is downloaded or compiled once.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let base = match var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(base.join("porpoise"))
}

/// Whether a CI service runs us.
pub(crate) fn is_ci() -> bool {
    var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// The folder of exports for the tests that read them, or `None`, said loudly.
pub(crate) fn exports() -> anyhow::Result<Option<PathBuf>> {
    if let Some(folder) = var_os(DATA_VARIABLE).filter(|folder| !folder.is_empty()) {
        return Ok(Some(folder.into()));
    }
    let folder = root()?.join(DATA_FOLDER);
    if folder.is_dir() {
        return Ok(Some(folder.canonicalize()?));
    }
    eprintln!("xtask: WARNING: {DATA_VARIABLE} is not set and there is no {DATA_FOLDER}:");
    eprintln!("xtask: WARNING: the tests over real exports are SKIPPED");
    Ok(None)
}
