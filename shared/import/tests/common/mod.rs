//! What the tests share.

use std::fs;
use std::path::{Path, PathBuf};

use porpoise_import::{Imported, Options, import};
use serde_json::Value;

/// A fixture of our own.
pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    fs::read_to_string(path).unwrap()
}

/// The smallest workflow that has everything it needs.
pub(crate) fn minimal() -> Value {
    serde_json::from_str(&fixture("minimal.json")).unwrap()
}

/// Imports a value.
pub(crate) fn accepted(value: &Value) -> Imported {
    import(
        "file.json",
        value.to_string().as_bytes(),
        &Options::default(),
    )
    .unwrap()
}

/// The faults of a value, one a line.
pub(crate) fn refused(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap();
    import("file.json", text.as_bytes(), &Options::default())
        .unwrap_err()
        .to_string()
}

/// The folder with files of others; none, loudly, if it is not set.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("PORPOISE_DS_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: PORPOISE_DS_DATA is not set, the exports of others are not there");
    }
    folder
}

/// A file of that folder; none, loudly, if it has others.
pub(crate) fn file(data: &Path, name: &str) -> Option<Vec<u8>> {
    let file = fs::read(data.join(name));
    if file.is_err() {
        println!("SKIPPED: {} has no {name}", data.display());
    }
    file.ok()
}

/// The files of a folder whose names hold a part, by name; none, loudly, if there is no such folder.
pub(crate) fn files(folder: &Path, part: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        println!("SKIPPED: there is no {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().contains(part))
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
