//! The table, put together.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use porpoise_ports::Unavailable;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, Table, WriteError, check_item,
    check_key,
};

use crate::checkpoint::{Checkpointer, Pressure};
use crate::lock::DirectoryLock;
use crate::reader::Readers;
use crate::writer::{Change, Hurry, Writer};
use crate::{OpenError, StoreError, open, wal};

/// A table in the file `porpoise.db` of a data directory.
///
/// Dropping it commits what was handed to it, closes the file and frees the directory; that blocks for a moment.
/// The fields are dropped in this order: the lock goes last.
#[derive(Debug)]
pub struct SqliteTable {
    writer: Writer,
    readers: Readers,
    _checkpointer: Checkpointer,
    _lock: DirectoryLock,
}

impl SqliteTable {
    /// Opens the data directory, and makes it and the file where they are missing.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another server works on the directory, which may be one of this process;
    /// [`OpenError::Newer`] and [`OpenError::Foreign`] for files that this release did not write and leaves untouched.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        open::directory(dir)?;
        let lock = DirectoryLock::take(dir)?;
        let data = dir.join(open::DATA_FILE);
        let connection = open::writer(&data)?;
        let prepared = wal::preallocate(&data).and_then(|()| open::sync_directory(dir));
        prepared.map_err(|source| OpenError::Directory {
            path: wal::path(&data),
            source,
        })?;
        let pressure = Arc::new(Pressure::default());
        Ok(Self {
            readers: Readers::open(&data)?,
            _checkpointer: Checkpointer::start(&data, Arc::clone(&pressure))?,
            writer: Writer::start(&data, connection, pressure)?,
            _lock: lock,
        })
    }

    /// Commits that changed something, since the table was opened. Each synced the log once.
    pub fn sync_count(&self) -> u64 {
        self.writer.syncs()
    }

    /// Reads the whole file and checks that it is undamaged. Takes as long as that takes.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] with what is wrong first.
    pub fn check(&self) -> Result<(), StoreError> {
        self.readers.check()
    }
}

#[async_trait]
impl Table for SqliteTable {
    async fn get(&self, key: &Key, _: Consistency) -> Result<Option<Item>, ReadError> {
        self.readers.get(key).map_err(unreadable)
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.readers.query(query).map_err(unreadable)
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        check_item(&item)?;
        let change = Change::Put(item);
        self.writer.write(change, condition, Hurry::Now).await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        check_key(key)?;
        let change = Change::Delete(key.clone());
        self.writer.write(change, condition, Hurry::Now).await
    }

    async fn put_unhurried(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        check_item(&item)?;
        let change = Change::Put(item);
        self.writer.write(change, condition, Hurry::Soon).await
    }

    async fn delete_unhurried(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        check_key(key)?;
        let change = Change::Delete(key.clone());
        self.writer.write(change, condition, Hurry::Soon).await
    }
}

fn unreadable(error: StoreError) -> ReadError {
    Unavailable::new("the table", error).into()
}
