//! The way to the file for what changes it: whatever is queued goes into one transaction and shares its sync.
//!
//! Who writes commits, on its own thread, unless somebody else does at that moment: between two threads, a word takes
//! half as long as the sync. The writer's thread does what is left over: writes that came during a commit, writes that
//! nothing waits for, and everything on a disk that is slow.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Item, Key, WriteError};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::checkpoint::Pressure;
use crate::commit::Committer;
use crate::{OpenError, StoreError};

/// Writes that share a transaction at the most.
const BATCH_WRITES_MAX: usize = 512;
/// Bytes from which a transaction takes no further write: what is not committed yet stays in the page cache.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Writes among them that nothing waits for: whoever is in a hurry waits for the transaction before its own, too.
const COMPANY_MAX: usize = 128;

/// How long writes that nothing waits for are held back, so that they share a sync with one that is in a hurry.
const COMPANY: Duration = Duration::from_millis(3);

/// A write on its way.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) change: Change,
    pub(crate) condition: Condition,
    pub(crate) answer: oneshot::Sender<Result<(), WriteError>>,
}

/// How long a write may wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hurry {
    /// Not at all.
    Now,
    /// For [`COMPANY`].
    Soon,
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
    pub(crate) const fn key(&self) -> &Key {
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

/// The queue, whoever commits, and the thread for what is left over. Dropping it commits what is queued and waits for
/// the thread's end.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    syncs: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    called: Condvar,
    /// Locked before [`Shared::waiting`] by whoever takes writes from it.
    committer: Mutex<Committer>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// These come first.
    hurried: VecDeque<Write>,
    /// The thread is to commit these if nobody takes them along.
    unhurried: VecDeque<Write>,
    /// The thread is to commit now.
    call: bool,
    /// The thread is to commit soon.
    soon: bool,
    closed: bool,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        data: &Path,
        connection: Connection,
        pressure: Arc<Pressure>,
    ) -> Result<Self, OpenError> {
        let syncs = Arc::new(AtomicU64::new(0));
        let opened = Committer::new(connection, pressure, Arc::clone(&syncs));
        let committer = opened.map_err(|error| OpenError::Store {
            path: data.to_owned(),
            source: error.into(),
        })?;
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            called: Condvar::new(),
            committer: Mutex::new(committer),
        });
        let theirs = Closes(Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("porpoise-writer".to_owned())
            .spawn(move || theirs.0.run())
            .map_err(|source| OpenError::Directory {
                path: data.to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            syncs,
            thread: Some(thread),
        })
    }

    /// Makes a change if `condition` holds; returns when it is durable. Blocks for the length of a commit, where
    /// commits are short.
    pub(crate) async fn write(
        &self,
        change: Change,
        condition: Condition,
        hurry: Hurry,
    ) -> Result<(), WriteError> {
        let (answer, outcome) = oneshot::channel();
        let write = Write {
            change,
            condition,
            answer,
        };
        self.shared.push(write, hurry);
        if hurry == Hurry::Now {
            // Whatever the caller, or another task, is about to write beside it gets into the same transaction.
            tokio::task::yield_now().await;
            self.shared.commit_here();
        }
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
        self.shared.lock().closed = true;
        self.shared.called.notify_one();
        if let Some(thread) = self.thread.take() {
            let _: Result<(), _> = thread.join();
        }
    }
}

/// However the thread ends, nobody waits for it in vain.
struct Closes(Arc<Shared>);

impl Drop for Closes {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.hurried.clear();
        waiting.unhurried.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the close the write is dropped, which its caller hears as such.
    fn push(&self, write: Write, hurry: Hurry) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        match hurry {
            Hurry::Now => waiting.hurried.push_back(write),
            Hurry::Soon => {
                waiting.unhurried.push_back(write);
                let full = waiting.unhurried.len() == COMPANY_MAX;
                let first = !std::mem::replace(&mut waiting.soon, true);
                waiting.call |= full;
                if first || full {
                    drop(waiting);
                    self.called.notify_one();
                }
            }
        }
    }

    fn call(&self) {
        self.lock().call = true;
        self.called.notify_one();
    }

    /// Commits what waits, or sees to it that the thread does.
    fn commit_here(&self) {
        let mut committer = match self.committer.try_lock() {
            Ok(committer) => committer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.call(),
        };
        if committer.is_slow() {
            drop(committer);
            return self.call();
        }
        let left = self.commit(&mut committer);
        let relief = committer.wants_relief();
        drop(committer);
        if left || relief {
            self.call();
        }
    }

    /// Commits as many as fit into a transaction. `true`: there are more.
    fn commit(&self, committer: &mut Committer) -> bool {
        let left = self.take(&mut committer.batch);
        if !committer.batch.is_empty() {
            committer.commit();
        }
        left
    }

    /// Takes as many as fit into a transaction. `true`: there are more.
    fn take(&self, batch: &mut Vec<Write>) -> bool {
        let mut waiting = self.lock();
        let mut bytes = 0;
        let mut company = 0;
        while batch.len() < BATCH_WRITES_MAX && bytes < BATCH_BYTES_MAX {
            let write = match waiting.hurried.pop_front() {
                None if company < COMPANY_MAX => {
                    company += 1;
                    waiting.unhurried.pop_front()
                }
                hurried => hurried,
            };
            let Some(write) = write else { break };
            bytes += write.change.size();
            batch.push(write);
        }
        !(waiting.hurried.is_empty() && waiting.unhurried.is_empty())
    }

    /// Waits for something to do. `false`: there will be nothing more, once what waits is committed.
    fn wait(&self) -> bool {
        let waiting = self.lock();
        let idle = |waiting: &mut Waiting| !(waiting.call || waiting.soon || waiting.closed);
        let waiting = self.called.wait_while(waiting, idle);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let held = |waiting: &mut Waiting| !(waiting.call || waiting.closed);
        let waited = self.called.wait_timeout_while(waiting, COMPANY, held);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        (waiting.call, waiting.soon) = (false, false);
        !waiting.closed
    }

    fn run(&self) {
        loop {
            let open = self.wait();
            let committer = self.committer.lock();
            let mut committer = committer.unwrap_or_else(PoisonError::into_inner);
            while self.commit(&mut committer) {}
            committer.relieve();
            if !open {
                return;
            }
        }
    }
}
