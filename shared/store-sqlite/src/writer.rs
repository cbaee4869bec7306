//! The thread that writes: whatever is queued goes into one transaction and shares its sync.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Item, Key, WriteError};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use crate::checkpoint::{Pressure, checkpoint};
use crate::{OpenError, StoreError};

/// Writes that share a transaction at the most.
const BATCH_WRITES_MAX: usize = 512;
/// Bytes from which a transaction takes no further write: what is not committed yet stays in the page cache.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A write on its way.
#[derive(Debug)]
struct Write {
    change: Change,
    condition: Condition,
    answer: oneshot::Sender<Result<(), WriteError>>,
}

/// What a write does.
#[derive(Debug)]
pub(crate) enum Change {
    /// Puts an item.
    Put(Item),
    /// Removes one.
    Delete(Key),
}

impl Change {
    const fn key(&self) -> &Key {
        match self {
            Self::Put(item) => &item.key,
            Self::Delete(key) => key,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Put(item) => item.size(),
            Self::Delete(key) => key.partition.len() + key.sort.len(),
        }
    }
}

/// The thread and the way to it. Dropping it commits what is queued and waits for the thread's end.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    syncs: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    writes: VecDeque<Write>,
    closed: bool,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        data: &Path,
        connection: Connection,
        pressure: Arc<Pressure>,
    ) -> Result<Self, OpenError> {
        let queue = Arc::new(Queue::default());
        let syncs = Arc::new(AtomicU64::new(0));
        let work = Work {
            connection,
            queue: Arc::clone(&queue),
            pressure,
            syncs: Arc::clone(&syncs),
        };
        let thread = std::thread::Builder::new()
            .name("porpoise-writer".to_owned())
            .spawn(move || work.run())
            .map_err(|source| OpenError::Directory {
                path: data.to_owned(),
                source,
            })?;
        Ok(Self {
            queue,
            syncs,
            thread: Some(thread),
        })
    }

    /// Makes a change if `condition` holds; returns when it is durable.
    pub(crate) async fn write(
        &self,
        change: Change,
        condition: Condition,
    ) -> Result<(), WriteError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.push(Write {
            change,
            condition,
            answer,
        });
        outcome
            .await
            .unwrap_or_else(|_| Err(Unavailable::new("the table", StoreError::Closed).into()))
    }

    /// Commits that were synced.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            let _: Result<(), _> = thread.join();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the close the write is dropped, which its caller hears as such.
    fn push(&self, write: Write) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        waiting.writes.push_back(write);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Waits for writes and takes as many as fit into a transaction; none: the queue was closed and is empty.
    fn take(&self, batch: &mut Vec<Write>) {
        let mut waiting = self
            .arrived
            .wait_while(self.lock(), |waiting| {
                waiting.writes.is_empty() && !waiting.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        while batch.len() < BATCH_WRITES_MAX && bytes < BATCH_BYTES_MAX {
            let Some(write) = waiting.writes.pop_front() else {
                break;
            };
            bytes += write.change.size();
            batch.push(write);
        }
    }
}

/// What the thread owns.
struct Work {
    connection: Connection,
    queue: Arc<Queue>,
    pressure: Arc<Pressure>,
    syncs: Arc<AtomicU64>,
}

/// However the thread ends, nobody waits for it in vain.
impl Drop for Work {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.closed = true;
        waiting.writes.clear();
    }
}

impl Work {
    fn run(mut self) {
        let pressure = Arc::clone(&self.pressure);
        let hook = move |_: &mut rusqlite::hooks::Wal, frames: i32| {
            pressure.committed(frames.cast_unsigned());
            Ok(())
        };
        if let Err(error) = self.connection.wal_hook(Some(hook)) {
            tracing::error!(error = %error, "the store cannot watch its log");
            return;
        }
        let mut batch = Vec::new();
        loop {
            self.queue.take(&mut batch);
            if batch.is_empty() {
                return;
            }
            self.commit(&mut batch);
            if self.pressure.relieve() {
                checkpoint(&self.connection);
            }
        }
    }

    /// Runs a batch in one transaction; answers each write once it is durable, or all of them with the failure.
    fn commit(&self, batch: &mut Vec<Write>) {
        match self.transact(batch) {
            Ok(held) => {
                for (write, held) in batch.drain(..).zip(held) {
                    let outcome = if held {
                        Ok(())
                    } else {
                        Err(WriteError::Condition(write.change.key().clone()))
                    };
                    // A caller that no longer waits does not want to know.
                    let _: Result<(), _> = write.answer.send(outcome);
                }
            }
            Err(error) => {
                let error = Arc::new(StoreError::from(error));
                tracing::error!(error = %error, writes = batch.len(), "commit failed");
                for write in batch.drain(..) {
                    let failure = Unavailable::new("the table", Arc::clone(&error));
                    let _: Result<(), _> = write.answer.send(Err(failure.into()));
                }
            }
        }
    }

    /// Returns for each write whether its condition held.
    fn transact(&self, batch: &[Write]) -> rusqlite::Result<Vec<bool>> {
        self.roll_back()?;
        let before = self.connection.total_changes();
        self.execute("BEGIN IMMEDIATE")?;
        let done = batch
            .iter()
            .map(|write| self.apply(write))
            .collect::<rusqlite::Result<Vec<bool>>>()
            .and_then(|held| self.execute("COMMIT").map(|()| held));
        if done.is_err() {
            self.roll_back()?;
        } else if self.connection.total_changes() > before {
            self.syncs.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    /// Ends a transaction that failed, unless SQLite has done so by itself.
    fn roll_back(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            Ok(())
        } else {
            self.execute("ROLLBACK")
        }
    }

    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(statement)?
            .execute([])
            .map(drop)
    }

    fn apply(&self, write: &Write) -> rusqlite::Result<bool> {
        if write.condition != Condition::None {
            let stands = self.revision(write.change.key())?;
            if !write.condition.holds(stands) {
                return Ok(false);
            }
        }
        match &write.change {
            Change::Put(item) => self.put(item)?,
            Change::Delete(key) => self.delete(key)?,
        }
        Ok(true)
    }

    fn revision(&self, key: &Key) -> rusqlite::Result<Option<u64>> {
        self.connection
            .prepare_cached("SELECT revision FROM item WHERE partition = ?1 AND sort = ?2")?
            .query_row((key.partition.as_bytes(), key.sort.as_bytes()), |row| {
                row.get::<_, i64>(0)
            })
            .optional()
            .map(|stands| stands.map(i64::cast_unsigned))
    }

    fn put(&self, item: &Item) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "REPLACE INTO item (partition, sort, revision, body) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((
                item.key.partition.as_bytes(),
                item.key.sort.as_bytes(),
                item.revision.cast_signed(),
                &*item.body,
            ))
            .map(drop)
    }

    fn delete(&self, key: &Key) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("DELETE FROM item WHERE partition = ?1 AND sort = ?2")?
            .execute((key.partition.as_bytes(), key.sort.as_bytes()))
            .map(drop)
    }
}
