//! The folder with the answers: each whole in a file of its own, or not there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{Failure, REFUSED};

/// What is in the folder. Hidden, so that nobody takes it for an answer.
const MANIFEST: &str = ".import.json";

/// Answers of a server.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    manifest: Manifest,
    goes_on: bool,
    /// What this import has seen: everything else is older.
    seen: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    url: String,
    project: Option<String>,
    complete: bool,
}

impl Store {
    /// A new folder, or one with answers of the same server.
    pub(super) fn open(folder: &Path, url: &str, project: Option<&str>) -> Result<Self, Failure> {
        let manifest = Manifest {
            url: url.to_owned(),
            project: project.map(str::to_owned),
            complete: false,
        };
        let cannot = |error: &io::Error| cannot_write(folder, error);
        let found = match fs::read(folder.join(MANIFEST)) {
            Ok(bytes) => Some(serde_json::from_slice::<Manifest>(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(cannot(&error)),
        };
        let refused = |message: String| {
            let hint = "name another folder with `--answers DIR`";
            Err(Failure::new(REFUSED, message).coded(Code::File).hint(hint))
        };
        let goes_on = match found {
            None => {
                let holds_something =
                    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
                if holds_something {
                    return refused(format!(
                        "`{}` holds other files than answers of DolphinScheduler",
                        folder.display()
                    ));
                }
                false
            }
            Some(Some(found))
                if (&found.url, &found.project) == (&manifest.url, &manifest.project) =>
            {
                !found.complete
            }
            // a project that nobody sees has left nothing of its own
            Some(Some(_)) if !holds_projects(folder) => false,
            Some(Some(found)) => {
                let of = found
                    .project
                    .map(|project| format!(" (project `{project}`)"));
                let of = of.unwrap_or_default();
                return refused(format!(
                    "`{}` holds answers of {}{of}",
                    folder.display(),
                    found.url
                ));
            }
            Some(None) => {
                return refused(format!("`{}` is damaged", folder.join(MANIFEST).display()));
            }
        };
        // what workflows do may be nobody else's business
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| cannot(&error))?;
        let store = Self {
            folder: folder.to_owned(),
            manifest,
            goes_on,
            seen: BTreeSet::new(),
        };
        store.note_down()?;
        Ok(store)
    }

    /// Whether an import that was interrupted left answers.
    pub(super) const fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// An answer that is there already from an import that was interrupted.
    pub(super) fn kept(&self, name: &str) -> Option<Value> {
        let bytes = self
            .goes_on
            .then(|| fs::read(self.folder.join(name)).ok())??;
        serde_json::from_slice(&bytes).ok()
    }

    /// An answer that is as good as asked anew.
    pub(super) fn see(&mut self, name: &str) {
        self.seen.insert(name.to_owned());
    }

    /// Keeps an answer: whole, or not at all.
    pub(super) fn keep(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.write(name, bytes)?;
        self.see(name);
        Ok(())
    }

    /// Everything was read: answers of earlier imports go.
    pub(super) fn complete(mut self) -> Result<(), Failure> {
        let mut old = Vec::new();
        let found = walk(&self.folder, &self.folder, &mut old);
        found.map_err(|error| cannot_write(&self.folder, &error))?;
        old.retain(|name| !self.seen.contains(name));
        for name in old {
            let path = self.folder.join(name);
            fs::remove_file(&path).map_err(|error| cannot_write(&path, &error))?;
        }
        self.manifest.complete = true;
        self.note_down()
    }

    fn note_down(&self) -> Result<(), Failure> {
        let text = serde_json::to_string(&self.manifest).unwrap_or_default();
        self.write(MANIFEST, text.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.folder.join(name);
        let part = path.with_extension("part");
        let written = || -> io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)?;
            }
            let mut options = fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        written().map_err(|error| cannot_write(&path, &error))
    }
}

/// Whether there are answers of projects: each has a folder of its own.
fn holds_projects(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut kinds = entries.filter_map(|entry| entry.file_type().ok());
    kinds.any(|kind| kind.is_dir())
}

/// The answers below a folder, by their paths from `root`.
fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &path, found)?;
        } else if kind.is_file()
            && path
                .extension()
                .is_some_and(|extension| extension == "json" || extension == "part")
            && let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str)
            && name != MANIFEST
        {
            found.push(name.to_owned());
        }
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        REFUSED,
        format!("cannot keep answers in `{}`", path.display()),
    )
    .coded(Code::File)
    .because(error)
}
