//! What is to be imported: files, folders, archives.

use std::fs;
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use porpoise_import::{Archive, Folder, Input, is_statement, statements};

use super::super::define;
use crate::failure::{Failure, REFUSED, USAGE};

/// Files of a folder that are read, and their bytes.
const FILES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Folders in folders.
const DEPTH_MAX: usize = 32;
/// Bytes of a file that another one names.
const NAMED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Files in memory, and where those are that they name.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<Source>,
    folders: Vec<Box<dyn Folder>>,
}

#[derive(Debug)]
struct Source {
    /// For messages.
    name: String,
    /// From its folder.
    path: String,
    bytes: Vec<u8>,
    folder: Option<usize>,
    is_found: bool,
}

impl Sources {
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut sources = Self::default();
        for path in paths {
            sources.add(path)?;
        }
        Ok(sources)
    }

    pub(super) fn inputs(&self) -> Vec<Input<'_>> {
        let files = self.files.iter();
        files
            .map(|source| Input {
                name: &source.name,
                bytes: &source.bytes,
                path: &source.path,
                folder: source.folder.and_then(|at| Some(&**self.folders.get(at)?)),
                is_found: source.is_found,
            })
            .collect()
    }

    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        let name = path.display().to_string();
        if path.is_dir() {
            let folder = self.folder(Box::new(Directory(path.to_owned())));
            let before = self.files.len();
            let mut left = BYTES_MAX;
            self.walk(path, &mut Vec::new(), folder, &mut left)?;
            if self.files.len() == before {
                let message = format!("`{name}` holds no `.json`, `.yaml` or `.yml` file");
                return Err(Failure::new(REFUSED, message).coded(Code::File));
            }
            return Ok(());
        }
        let bytes = define::bytes(path)?;
        if Archive::is_one(&bytes) {
            return self.unpack(&name, &bytes);
        }
        let file_name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let parent = path.parent().map(Path::to_owned).unwrap_or_default();
        let parent = if parent.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            parent
        };
        let folder = self.folder(Box::new(Directory(parent)));
        self.files.push(Source {
            path: file_name.unwrap_or_else(|| name.clone()),
            name,
            bytes,
            folder: Some(folder),
            is_found: false,
        });
        Ok(())
    }

    fn unpack(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let archive = Archive::open(name, bytes).map_err(|faults| {
            Failure::new(
                REFUSED,
                format!("`{name}` cannot be imported; nothing of it was"),
            )
            .coded(Code::Faults)
            .cause(faults.to_string())
        })?;
        let files: Vec<_> = archive
            .files()
            .filter(|(path, _)| may_hold_a_workflow(path) && !path.starts_with("__MACOSX/"))
            .map(|(path, bytes)| (path.to_owned(), bytes.to_owned()))
            .collect();
        if files.is_empty() {
            return self.statements(name, &archive);
        }
        let folder = self.folder(Box::new(archive));
        self.files
            .extend(files.into_iter().map(|(path, bytes)| Source {
                name: format!("{name}/{path}"),
                path,
                bytes,
                folder: Some(folder),
                is_found: true,
            }));
        Ok(())
    }

    /// An archive of SQL files is one workflow.
    fn statements(&mut self, name: &str, archive: &Archive) -> Result<(), Failure> {
        let is_one =
            |(path, _): &(&str, &[u8])| is_statement(path) && !path.starts_with("__MACOSX/");
        if !archive.files().any(|file| is_one(&file)) {
            let message = format!("`{name}` holds no `.json`, `.yaml`, `.yml` or `.sql` file");
            return Err(Failure::new(REFUSED, message).coded(Code::File));
        }
        let bytes = statements(name, archive.files().filter(is_one)).map_err(|faults| {
            Failure::new(
                REFUSED,
                format!("`{name}` cannot be imported; nothing of it was"),
            )
            .coded(Code::Faults)
            .cause(faults.to_string())
        })?;
        self.files.push(Source {
            name: format!("{name}/statements.yaml"),
            path: name.to_owned(),
            bytes,
            folder: None,
            is_found: false,
        });
        Ok(())
    }

    fn folder(&mut self, folder: Box<dyn Folder>) -> usize {
        self.folders.push(folder);
        self.folders.len() - 1
    }

    /// Reads what may hold a workflow, in the order of names. Links and hidden files are passed by.
    fn walk(
        &mut self,
        directory: &Path,
        parts: &mut Vec<String>,
        folder: usize,
        left: &mut u64,
    ) -> Result<(), Failure> {
        let cannot = |error: &std::io::Error| {
            Failure::new(USAGE, format!("cannot read `{}`", directory.display()))
                .coded(Code::File)
                .because(error)
        };
        let entries = fs::read_dir(directory).map_err(|error| cannot(&error))?;
        let mut entries = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| cannot(&error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type().map_err(|error| cannot(&error))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            parts.push(name.clone());
            if kind.is_dir() {
                if parts.len() > DEPTH_MAX {
                    let message = format!("`{}` is nested too deep", path.display());
                    return Err(Failure::new(REFUSED, message).coded(Code::File));
                }
                self.walk(&path, parts, folder, left)?;
            } else if kind.is_file() && may_hold_a_workflow(&name) {
                let size = entry.metadata().map_err(|error| cannot(&error))?.len();
                let enough = left
                    .checked_sub(size)
                    .filter(|_| self.files.len() < FILES_MAX);
                *left = enough.ok_or_else(|| {
                    let message = format!(
                        "there is too much to read: at most {FILES_MAX} files of {BYTES_MAX} bytes together"
                    );
                    Failure::new(REFUSED, message)
                        .coded(Code::File)
                        .hint("import smaller folders")
                })?;
                self.files.push(Source {
                    name: path.display().to_string(),
                    path: parts.join("/"),
                    bytes: define::bytes(&path)?,
                    folder: Some(folder),
                    is_found: true,
                });
            }
            parts.pop();
        }
        Ok(())
    }
}

fn may_hold_a_workflow(name: &str) -> bool {
    let extension = Path::new(name)
        .extension()
        .and_then(std::ffi::OsStr::to_str);
    extension.is_some_and(|extension| {
        let known = ["json", "yaml", "yml"];
        known
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// A folder of this machine; what links in it lead to is not part of it.
#[derive(Debug)]
struct Directory(PathBuf);

impl Folder for Directory {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let mut at = self.0.clone();
        let mut known = None;
        for part in path.split('/') {
            at.push(part);
            let found = fs::symlink_metadata(&at).ok()?;
            if found.is_symlink() {
                return None;
            }
            known = Some(found);
        }
        let known = known.filter(|known| known.is_file() && known.len() <= NAMED_BYTES_MAX);
        known.and_then(|_| fs::read(at).ok())
    }
}
