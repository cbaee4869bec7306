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
    /// Frames in the log when a checkpoint was last asked for; 0 when the log has started anew since.
    asked_at: AtomicU32,
    /// The checkpointer is at work.
    at_work: AtomicBool,
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
    /// Notes that a commit left `frames` in the log.
    pub(crate) fn committed(&self, frames: u32) {
        let before = self.frames.swap(frames, Ordering::Relaxed);
        if frames < before {
            self.asked_at.store(0, Ordering::Relaxed);
        }
    }

    /// Called by the writer between commits: wakes the checkpointer when it is worth it. `true`: the checkpointer has
    /// done what it can and rests, and the writer should finish its work before the next commit.
    pub(crate) fn relieve(&self) -> bool {
        let frames = self.frames.load(Ordering::Relaxed);
        let asked_at = self.asked_at.load(Ordering::Relaxed);
        if frames.saturating_sub(asked_at) < FRAMES_WORTH || self.at_work.load(Ordering::Acquire) {
            return false;
        }
        self.asked_at.store(frames, Ordering::Relaxed);
        if asked_at > 0 && frames >= FRAMES_MAX {
            return true;
        }
        self.at_work.store(true, Ordering::Relaxed);
        self.ask(Asked::Checkpoint);
        false
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
        checkpoint(connection);
        pressure.at_work.store(false, Ordering::Release);
    }
}

/// Copies what can be copied without waiting for anybody.
///
/// A failure costs nothing but space: the frames stay in the log, and the next checkpoint copies them.
pub(crate) fn checkpoint(connection: &Connection) {
    let done = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut pragma| pragma.query_row([], |_| Ok(())));
    if let Err(error) = done {
        tracing::warn!(error = %error, "checkpoint of the store failed, its log grows");
    }
}
