//! ZIP archives, taken for hostile until they prove otherwise.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use crate::Folder;
use crate::fault::{ImportFaults, Problems, short};
use crate::json::FILE_BYTES_MAX;

/// Files of an archive.
const FILES_MAX: usize = 10_000;
/// Bytes of a path.
const PATH_BYTES_MAX: usize = 1_000;

/// The files of a ZIP, unpacked in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    /// Whether these bytes are those of a ZIP.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
    }

    /// Unpacks all files. `name` serves messages only.
    ///
    /// # Errors
    /// What is wrong with the archive: it is damaged or encrypted, unpacks to too much, or holds a link, or a path that
    /// leaves its folder.
    pub fn open(name: &str, bytes: &[u8]) -> Result<Self, ImportFaults> {
        open(bytes).map_err(|message| {
            let hint = Some("unpack it yourself, and import the folder");
            Problems::one(hint, message).locate(name, "", None)
        })
    }

    /// The files by their paths: names and `/`.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let files = self.files.iter();
        files.map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }
}

impl Folder for Archive {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).cloned()
    }
}

fn open(bytes: &[u8]) -> Result<Archive, String> {
    if bytes.len() > FILE_BYTES_MAX {
        let message = "the archive has {} bytes, at most {} are read";
        return Err(message
            .replacen("{}", &bytes.len().to_string(), 1)
            .replacen("{}", &FILE_BYTES_MAX.to_string(), 1));
    }
    let damaged = |error: &dyn std::fmt::Display| {
        format!(
            "the archive cannot be read: {}",
            crate::fault::line(&error.to_string())
        )
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    if archive.len() > FILES_MAX {
        let count = archive.len();
        return Err(format!(
            "the archive has {count} files, at most {FILES_MAX} are read"
        ));
    }
    let mut files = BTreeMap::new();
    let mut left = FILE_BYTES_MAX;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| damaged(&error))?;
        let path = file.name().map_err(|error| damaged(&error))?.into_owned();
        let shown = short(&path);
        if file.is_symlink() {
            return Err(format!("the archive holds a link, `{shown}`"));
        }
        if file.is_dir() {
            is_inside(path.trim_end_matches('/')).ok_or_else(|| outside(&shown))?;
            continue;
        }
        is_inside(&path).ok_or_else(|| outside(&shown))?;
        // What it says of its size is not believed.
        let mut content = Vec::new();
        let limit = u64::try_from(left).unwrap_or_default() + 1;
        let read = file.by_ref().take(limit).read_to_end(&mut content);
        read.map_err(|error| damaged(&error))?;
        left = left
            .checked_sub(content.len())
            .ok_or_else(|| format!("the archive unpacks to more than {FILE_BYTES_MAX} bytes"))?;
        if files.insert(path, content).is_some() {
            return Err(format!("the archive holds `{shown}` more than once"));
        }
    }
    Ok(Archive { files })
}

fn outside(path: &str) -> String {
    format!("the archive holds a path that leaves its folder, `{path}`")
}

/// Names and `/`, from the folder on.
fn is_inside(path: &str) -> Option<()> {
    let is_plain = !path.is_empty()
        && path.len() <= PATH_BYTES_MAX
        && !path.contains(['\\', ':'])
        && !path.contains(char::is_control)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    is_plain.then_some(())
}
