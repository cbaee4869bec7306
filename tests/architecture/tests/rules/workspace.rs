//! The workspace as cargo and git see it.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the root of the workspace")
}

/// What cargo knows, with the resolved graph.
pub(crate) fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .expect("cargo metadata")
}

/// The folder of a member, seen from the root: `shared/engine`.
pub(crate) fn folder(package: &Package) -> String {
    let folder = package.manifest_path.parent().expect("a folder");
    let folder = folder.as_std_path().strip_prefix(root());
    folder.expect("a member").display().to_string()
}

/// Whether `text` is `pattern`, where a `*` at its end stands for anything.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}

/// Whether one of the patterns is `text`.
pub(crate) fn any(patterns: &[&str], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

/// The files that git holds, seen from the root, if they are there.
pub(crate) fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git");
    assert!(output.status.success(), "git ls-files failed: {output:?}");
    let names = String::from_utf8(output.stdout).expect("names in UTF-8");
    let names = names.split_terminator('\0').map(str::to_owned);
    let files: Vec<String> = names.filter(|name| root().join(name).is_file()).collect();
    assert!(files.iter().any(|name| name == "Cargo.toml"), "{files:?}");
    files
}

/// A file of the tree as text; `None` if it is none.
pub(crate) fn text(name: &str) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(name)).expect(name)).ok()
}

/// Fails with every fault at once.
pub(crate) fn none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}
