//! What can go wrong, in words that say what to do.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// A data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made, read or written.
    #[error("cannot use `{}` in the data directory", .path.display())]
    Directory {
        /// Which file or directory.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Another server works on it.
    #[error("data directory `{}` is in use by {}", .path.display(), holder(*.pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, where that is known.
        pid: Option<u32>,
    },
    /// The file was written by a later release.
    #[error("`{}` has schema version {found}, this release knows versions up to {known}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
    /// The file is a database of something else.
    #[error("`{}` is a database, but not one of Porpoise", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be opened as a database.
    #[error("cannot open `{}`", .path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// The database could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left.
    #[error("the disk or quota of the data directory is full")]
    Full(#[source] rusqlite::Error),
    /// It cannot be written.
    #[error("the data directory is read-only")]
    ReadOnly(#[source] rusqlite::Error),
    /// What is in the file is no database, or a damaged one.
    #[error("the database file is damaged or not a database")]
    Damaged(#[source] rusqlite::Error),
    /// Its pages contradict each other, as SQLite puts it.
    #[error("the database file is damaged: {0}")]
    Inconsistent(String),
    /// Reading or writing failed.
    #[error("the disk of the data directory failed to read, write or sync")]
    Disk(#[source] rusqlite::Error),
    /// Another program holds the file.
    #[error("another program keeps the database file locked")]
    Busy(#[source] rusqlite::Error),
    /// Anything else.
    #[error("the database failed")]
    Other(#[source] rusqlite::Error),
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport,
            ) => Self::Disk(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(error),
            Some(_) | None => Self::Other(error),
        }
    }
}
