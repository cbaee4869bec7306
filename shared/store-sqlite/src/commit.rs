//! A transaction for a batch of writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Item, Key, WriteError};
use rusqlite::{Connection, OptionalExtension};

use crate::StoreError;
use crate::checkpoint::{Pressure, checkpoint};
use crate::writer::{Change, Write};

/// A commit that takes longer is not for a thread that has other things to do.
const QUICK: Duration = Duration::from_millis(2);

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Committer {
    connection: Connection,
    pressure: Arc<Pressure>,
    syncs: Arc<AtomicU64>,
    /// What the next transaction holds; empty between two.
    pub(crate) batch: Vec<Write>,
    slow: bool,
    relief: bool,
}

impl Committer {
    pub(crate) fn new(
        mut connection: Connection,
        pressure: Arc<Pressure>,
        syncs: Arc<AtomicU64>,
    ) -> rusqlite::Result<Self> {
        let told = Arc::clone(&pressure);
        let hook = move |_: &mut rusqlite::hooks::Wal, frames: i32| {
            told.committed(frames.cast_unsigned());
            Ok(())
        };
        connection.wal_hook(Some(hook))?;
        Ok(Self {
            connection,
            pressure,
            syncs,
            batch: Vec::new(),
            slow: false,
            relief: false,
        })
    }

    /// Whether the last commit took long, as on a busy or slow disk.
    pub(crate) const fn is_slow(&self) -> bool {
        self.slow
    }

    /// Whether [`relieve`](Self::relieve) has something to do, which may take a while.
    pub(crate) fn wants_relief(&mut self) -> bool {
        self.relief |= self.pressure.relieve();
        self.relief
    }

    /// Finishes the checkpointer's work where the log has grown too long.
    pub(crate) fn relieve(&mut self) {
        if self.wants_relief() {
            checkpoint(&self.connection);
            self.relief = false;
        }
    }

    /// Runs a batch in one transaction; answers each write once it is durable, or all of them with the failure.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long the disk takes is no matter of the engine's clock"
    )]
    pub(crate) fn commit(&mut self) {
        let begun = Instant::now();
        let mut batch = std::mem::take(&mut self.batch);
        let outcome = self.transact(&batch);
        self.slow = begun.elapsed() > QUICK;
        Self::answer(&mut batch, outcome);
        self.batch = batch;
    }

    fn answer(batch: &mut Vec<Write>, outcome: rusqlite::Result<Vec<bool>>) {
        match outcome {
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
