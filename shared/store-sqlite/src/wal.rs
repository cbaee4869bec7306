//! The file of the write-ahead log.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes that the log's file has from the start: it is reused from its beginning after each checkpoint, and syncing
/// bytes in the middle of a file costs less than syncing a file that grows (a third less on ext4).
pub(crate) const WAL_BYTES: usize = 4 * 1024 * 1024;

/// Where SQLite keeps the log of this file.
pub(crate) fn path(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Fills the log's file up to [`WAL_BYTES`] with zeros. No writer may be at work.
///
/// Frames of a log end at the first whose salt and checksum do not fit, as those of an earlier use of the file do not,
/// and zeros neither. Source: SQLite, "WAL-mode File Format", section 4.3.
pub(crate) fn preallocate(data: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path(data))?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let missing = WAL_BYTES.saturating_sub(length);
    if missing > 0 {
        file.write_all(&vec![0; missing])?;
        file.sync_all()?;
    }
    Ok(())
}
