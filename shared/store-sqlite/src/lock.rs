//! One process to a data directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::OpenError;

const LOCK_FILE: &str = "porpoise.lock";
/// How often, and how far apart, a directory that is in use is asked for. A child process holds its parent's lock
/// between its fork and its exec, also when the parent is killed in between.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// Holds a data directory until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
}

/// Frees the directory at once, also where a child process that is about to start has a copy of the open file.
impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing the file frees it as well.
        let _: io::Result<()> = self.file.unlock();
    }
}

impl DirectoryLock {
    /// Takes the directory, and leaves the id of this process in the lock file for others to read.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOCK_FILE);
        let failed = |source: io::Error| OpenError::Directory {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked {
                    path: dir.to_owned(),
                    pid: fs::read_to_string(&path)
                        .ok()
                        .and_then(|text| text.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { file })
    }
}

fn patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            outcome @ (Ok(()) | Err(TryLockError::Error(_))) => return outcome,
        }
    }
    file.try_lock()
}
