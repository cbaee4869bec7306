//! Files that a script finds in its folder.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path};

use porpoise_model::Cause;
use porpoise_ports::executor::Job;
use rustix::fs::OFlags;

use crate::layout::AttemptDir;

/// Between two looks whether somebody has asked to stop.
const PIECE: u64 = 8 << 20;
/// What is shown of a path.
const SHOWN_CHARS_MAX: usize = 200;

/// What keeps a file from being opened that will keep it the next time, too.
const FINAL: [io::ErrorKind; 5] = [
    io::ErrorKind::NotFound,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::NotADirectory,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::InvalidFilename,
];

/// Whether the copies stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// All of them.
    All,
    /// Somebody has asked to stop meanwhile.
    Stopped,
}

/// Copies them there, so that whatever the script does to them stays its own. An error says what the job's owner can do
/// about it.
pub(super) fn put(dir: &AttemptDir, job: &Job, work: &Path) -> Result<Put, Refused> {
    for (name, source) in &job.files {
        let put = one(dir, name, source, work);
        let put =
            put.map_err(|refused| refused.within(&format!("the file `{name}` cannot be had")))?;
        if put == Put::Stopped {
            return Ok(Put::Stopped);
        }
    }
    Ok(Put::All)
}

/// Removes the copies when the job is over: each attempt has its own, and nobody reads them again.
pub(super) fn remove(job: &Job, work: &Path) {
    for name in job.files.keys() {
        if let Some(copy) = inside(work, name) {
            let _ = fs::remove_file(copy);
        }
    }
}

/// Why a job is not started, in words.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another attempt would end the same.
    Final(String),
    /// It may be started another time.
    Now(String),
}

impl Refused {
    fn within(self, what: &str) -> Self {
        match self {
            Self::Final(why) => Self::Final(format!("{what}: {why}")),
            Self::Now(why) => Self::Now(format!("{what}: {why}")),
        }
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Final(message) | Self::Now(message) => message,
        }
    }

    pub(super) fn cause(self) -> Cause {
        match self {
            Self::Final(message) => Cause::Rejected { message },
            Self::Now(message) => Cause::Failed { message },
        }
    }
}

fn one(dir: &AttemptDir, name: &str, source: &str, work: &Path) -> Result<Put, Refused> {
    let inside = Path::new(name).components();
    if name.is_empty()
        || !inside
            .into_iter()
            .all(|part| matches!(part, Component::Normal(_)))
    {
        let why = "it would not be in the folder of the task";
        return Err(Refused::Final(why.to_owned()));
    }
    let shown: String = source.chars().take(SHOWN_CHARS_MAX).collect();
    if !source.starts_with('/') {
        return Err(Refused::Final(format!(
            "`{shown}` is no absolute path of this machine, and processes have their files from there"
        )));
    }
    // neither a pipe nor a device keeps whoever opens or reads it
    let flags = OFlags::NONBLOCK.bits().try_into().unwrap_or_default();
    let from = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(source);
    let from = from.map_err(|error| {
        let kind = error.kind();
        let message = if kind == io::ErrorKind::NotFound {
            format!("there is no `{shown}` on this machine")
        } else {
            format!("`{shown}`: {error}")
        };
        if FINAL.contains(&kind) {
            Refused::Final(message)
        } else {
            Refused::Now(message)
        }
    })?;
    let found = from.metadata();
    let found = found.map_err(|error| Refused::Now(format!("`{shown}`: {error}")))?;
    if !found.is_file() {
        return Err(Refused::Final(format!("`{shown}` is no file")));
    }
    let to = work.join(name);
    let copied = made(&to).and_then(|to| {
        // the copy is the task's own, whose ever the file is
        let mode = found.permissions().mode() & 0o777 | 0o600;
        to.set_permissions(Permissions::from_mode(mode))?;
        copied(dir, from, to)
    });
    copied.map_err(|error| Refused::Now(format!("`{shown}` cannot be copied: {error}")))
}

fn made(path: &Path) -> io::Result<File> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    File::create_new(path)
}

fn copied(dir: &AttemptDir, mut from: File, mut to: File) -> io::Result<Put> {
    loop {
        if dir.has("cancel") {
            return Ok(Put::Stopped);
        }
        let piece = io::copy(&mut Read::by_ref(&mut from).take(PIECE), &mut to)?;
        if piece == 0 {
            return Ok(Put::All);
        }
    }
}

/// Where a copy is, unless the job has put something else in the way there.
fn inside(work: &Path, name: &str) -> Option<std::path::PathBuf> {
    let mut folder = work.to_owned();
    let mut parts = Path::new(name).components().peekable();
    while let Some(Component::Normal(part)) = parts.next() {
        folder.push(part);
        if parts.peek().is_none() {
            return Some(folder);
        }
        if !fs::symlink_metadata(&folder).ok()?.is_dir() {
            return None;
        }
    }
    None
}
