//! Reading, on the thread of whoever asks.
//!
//! A point read takes some ten microseconds, less than a hop to another thread and back; a page of a megabyte about one
//! millisecond. What was committed is in the log's index at once, so every read is strong.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use porpoise_ports::table::{Item, Key, Page, Query};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{OpenError, StoreError, open};

/// Connections for reading: as many pages can be read at a time.
const READERS: usize = 2;
/// Beyond every sort key: no UTF-8 holds this byte.
const BEYOND: &[u8] = &[0xff];

const GET: &str = "SELECT revision, body FROM item WHERE partition = ?1 AND sort = ?2";
const ASCENDING: &str = "SELECT sort, revision, body FROM item
    WHERE partition = ?1 AND sort >= ?2 AND sort < ?3 ORDER BY sort ASC";
const DESCENDING: &str = "SELECT sort, revision, body FROM item
    WHERE partition = ?1 AND sort >= ?2 AND sort < ?3 ORDER BY sort DESC";

/// A few connections.
#[derive(Debug)]
pub(crate) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    /// Opens them.
    pub(crate) fn open(data: &Path) -> Result<Self, OpenError> {
        let connections = (0..READERS).map(|_| open::reader(data).map(Mutex::new));
        Ok(Self {
            connections: connections.collect::<Result<_, _>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// A connection that is free, or else the next in turn.
    fn lock(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        let free = self.connections.iter().find_map(|one| one.try_lock().ok());
        let turn = || {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % READERS;
            let one = self.connections.get(turn)?;
            Some(one.lock().unwrap_or_else(PoisonError::into_inner))
        };
        free.or_else(turn).ok_or(StoreError::Closed)
    }

    /// One item.
    pub(crate) fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let connection = self.lock()?;
        let found = connection
            .prepare_cached(GET)?
            .query_row((key.partition.as_bytes(), key.sort.as_bytes()), |row| {
                Ok(Item {
                    key: key.clone(),
                    revision: revision(row, 0)?,
                    body: body(row, 1)?,
                })
            })
            .optional()?;
        Ok(found)
    }

    /// A page of a range.
    pub(crate) fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let (from, to) = query.half_open();
        let to = to.as_deref().map_or(BEYOND, str::as_bytes);
        let connection = self.lock()?;
        let mut statement = connection.prepare_cached(if query.descending {
            DESCENDING
        } else {
            ASCENDING
        })?;
        let rows = statement
            .query_map((query.partition.as_bytes(), from.as_bytes(), to), |row| {
                item(&query.partition, row)
            })?;
        Ok(Page::fill(query.limit, rows)?)
    }

    /// Reads every page of the file.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        open::integrity(&*self.lock()?)
    }
}

fn item(partition: &str, row: &Row<'_>) -> rusqlite::Result<Item> {
    let sort = str::from_utf8(row.get_ref(0)?.as_blob()?)?;
    Ok(Item {
        key: Key::new(partition, sort),
        revision: revision(row, 1)?,
        body: body(row, 2)?,
    })
}

fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn body(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    Ok(Bytes::copy_from_slice(row.get_ref(column)?.as_blob()?))
}
