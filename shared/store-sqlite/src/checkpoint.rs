//! Copying the write-ahead log into the data file, off the writer's path.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::{OpenError, open};

/// Frames in the log from which a checkpoint is worth its syncs. Less than [`crate::wal::WAL_BYTES`] holds, by what may
/// be written while it works.
const FRAMES_WORTH: u32 = 600;
/// Frames in the log at which the writer itself finishes a checkpoint: beside a writer that never rests, the
/// checkpointer never gets to the end, where the log starts anew.
const FRAMES_MAX: u32 = 2400;

/// What the writer and the checkpointer tell each other.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    /// Frames in the log after the last commit.
    frames: AtomicU32,
    /// Frames at the end of the last checkpoint.
    copied: AtomicU32,
    /// The checkpointer did all that it can beside the writer.
    nearly_done: AtomicBool,
    asked: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Asked {
    #[default]
    Nothing,
    Checkpoint,
    End,
}

impl Pressure {
    /// Notes that a commit left `frames` in the log; wakes the checkpointer when enough have come.
    pub(crate) fn committed(&self, frames: u32) {
        let before = self.frames.swap(frames, Ordering::Relaxed);
        if frames < before {
            self.copied.store(0, Ordering::Relaxed);
        }
        let fresh = frames.saturating_sub(self.copied.load(Ordering::Relaxed));
        if fresh >= FRAMES_WORTH {
            self.copied.store(frames, Ordering::Relaxed);
            self.ask(Asked::Checkpoint);
        }
    }

    /// Whether the writer should finish the checkpoint before its next commit. Says so once.
    pub(crate) fn writer_should_finish(&self) -> bool {
        self.frames.load(Ordering::Relaxed) >= FRAMES_MAX
            && self.nearly_done.swap(false, Ordering::Relaxed)
    }

    fn ask(&self, what: Asked) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if *asked != Asked::End {
            *asked = what;
        }
        self.changed.notify_one();
    }

    fn wait(&self) -> Asked {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked = self
            .changed
            .wait_while(asked, |asked| *asked == Asked::Nothing)
            .unwrap_or_else(PoisonError::into_inner);
        let what = *asked;
        if what == Asked::Checkpoint {
            *asked = Asked::Nothing;
        }
        what
    }
}

/// The thread that checkpoints. Dropping it waits for its end.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    pressure: Arc<Pressure>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(crate) fn start(data: &Path, pressure: Arc<Pressure>) -> Result<Self, OpenError> {
        let connection = open::checkpointer(data)?;
        let theirs = Arc::clone(&pressure);
        let thread = std::thread::Builder::new()
            .name("porpoise-checkpoint".to_owned())
            .spawn(move || work(&connection, &theirs))
            .map_err(|source| OpenError::Directory {
                path: data.to_owned(),
                source,
            })?;
        Ok(Self {
            pressure,
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.pressure.ask(Asked::End);
        if let Some(thread) = self.thread.take() {
            let _: Result<(), _> = thread.join();
        }
    }
}

fn work(connection: &Connection, pressure: &Pressure) {
    while pressure.wait() == Asked::Checkpoint {
        let left = checkpoint(connection);
        if left > 0 && pressure.frames.load(Ordering::Relaxed) >= FRAMES_MAX {
            pressure.nearly_done.store(true, Ordering::Relaxed);
        }
    }
}

/// Copies what can be copied without waiting for anybody. Returns the frames that were left.
///
/// A failure costs nothing but space: the frames stay in the log, and the next checkpoint copies them.
pub(crate) fn checkpoint(connection: &Connection) -> i64 {
    let copied = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut pragma| {
            pragma.query_row([], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
        });
    match copied {
        Ok((frames, copied)) => frames - copied,
        Err(error) => {
            tracing::warn!(error = %error, "checkpoint of the store failed, its log grows");
            0
        }
    }
}
