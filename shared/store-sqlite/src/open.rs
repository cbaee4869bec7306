//! Connections and the schema.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{OpenError, StoreError};

/// The data file, inside the data directory. Nothing in this process may open it beside SQLite: closing it would free
/// SQLite's locks on it, which POSIX gives to the process.
pub(crate) const DATA_FILE: &str = "porpoise.db";
/// The schema that this release writes; it reads every one up to it.
pub(crate) const SCHEMA_VERSION: u32 = 1;
/// "PRPS": says whose file it is.
const APPLICATION_ID: i32 = 0x5052_5053;
/// Kilobytes of page cache of the writer.
const WRITER_CACHE_KB: i32 = 4096;
/// Kilobytes of page cache of each reader.
const READER_CACHE_KB: i32 = 2048;
/// Bytes that the log's file keeps when it starts anew after a burst.
const WAL_BYTES_KEPT: i64 = 32 * 1024 * 1024;
/// How long another program, such as a backup, may keep the file locked before a call fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Keys are blobs, so that they are ordered by their bytes and may hold a zero. Without a row id, an item is one entry
/// of one tree: one changed page for a small write. The revision stands before the body, so that checking it does not
/// read the body's overflow pages. It is the `u64`'s bits as a signed number; only equality of it is asked of SQLite.
const SCHEMA: &str = "
CREATE TABLE item (
    partition BLOB NOT NULL,
    sort BLOB NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (partition, sort)
) STRICT, WITHOUT ROWID";

/// Makes the data directory, durably.
pub(crate) fn directory(dir: &Path) -> Result<(), OpenError> {
    let failed = |source: io::Error| OpenError::Directory {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(failed)?;
    let parent = dir.canonicalize().map_err(failed)?;
    parent
        .parent()
        .map_or(Ok(()), sync_directory)
        .or_else(|error| {
            // A parent that may not be opened was not made by us.
            if error.kind() == io::ErrorKind::PermissionDenied {
                Ok(())
            } else {
                Err(failed(error))
            }
        })
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Opens the file for the writer; makes it, with its schema, if there is none.
pub(crate) fn writer(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source: rusqlite::Error| OpenError::Store {
        path: path.to_owned(),
        source: source.into(),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    tune(&connection, WRITER_CACHE_KB).map_err(failed)?;
    check(&connection, path)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "full")
        .map_err(failed)?;
    connection
        .pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)
        .map_err(failed)?;
    migrate(&mut connection).map_err(failed)?;
    Ok(connection)
}

/// Opens the file, which stands already, for the checkpointer.
pub(crate) fn checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let opened = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        tune(&connection, 256)?;
        connection.pragma_update(None, "synchronous", "full")?;
        Ok(connection)
    };
    opened().map_err(|source: rusqlite::Error| OpenError::Store {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// Opens the file, which stands already, for reading.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let opened = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        tune(&connection, READER_CACHE_KB)?;
        Ok(connection)
    };
    opened().map_err(|source: rusqlite::Error| OpenError::Store {
        path: path.to_owned(),
        source: source.into(),
    })
}

fn tune(connection: &Connection, cache_kb: i32) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -cache_kb)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}

/// Refuses files of others and of the future before anything is written to them.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let read = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i32>(0))
            .map_err(|source| OpenError::Store {
                path: path.to_owned(),
                source: source.into(),
            })
    };
    let (owner, version) = (read("application_id")?, read("user_version")?);
    let empty = read("schema_version")? == 0;
    if owner != APPLICATION_ID && !(owner == 0 && version == 0 && empty) {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    match u32::try_from(version) {
        Ok(version) if version <= SCHEMA_VERSION => Ok(()),
        Ok(_) | Err(_) => Err(OpenError::Newer {
            path: path.to_owned(),
            found: version.cast_unsigned(),
            known: SCHEMA_VERSION,
        }),
    }
}

/// Brings the schema to this release's version, all or nothing.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

/// Whether the file is whole: every page of it is read. For tests and for a person in doubt.
pub(crate) fn integrity(connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(StoreError::Inconsistent(found))
    }
}
