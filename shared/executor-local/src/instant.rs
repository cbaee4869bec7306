//! Kinds that only pass the time.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_model::{AttemptKey, Outputs};
use porpoise_ports::executor::{
    Job, JobRef, JobReport, JobState, LogChunk, LogError, SubmitError, Submitted, Work,
};
use porpoise_ports::{Clock, Executor, Unavailable};
use tokio::sync::mpsc;

/// How long a job that is over is remembered at least.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);
/// Jobs that are remembered however long they are over.
const JOBS_KEPT: usize = 20_000;

/// Runs `noop`, which is over at once, and `sleep`, which is over when its time has passed.
///
/// A sleep is written to a small file, so that one that was submitted before a restart goes on with its own start; the
/// file is removed when the sleep is forgotten, long after its end. It is not synced: after a power failure a sleep
/// may be lost, and is then retried like any lost job, which is harmless, since it does nothing. A noop is not written
/// anywhere: register it as prompt (`Executors::with_prompt`), then its end is recorded in the same step in which it
/// is submitted, and an attempt that was cut off before is submitted again.
pub struct InstantExecutor {
    clock: Arc<dyn Clock>,
    /// For timers.
    me: Weak<Self>,
    dir: PathBuf,
    jobs: Mutex<Jobs>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<AttemptKey>>>,
}

impl fmt::Debug for InstantExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstantExecutor")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// A job that passes the time.
#[derive(Debug, Clone, Encode, Decode)]
struct Passing {
    #[n(0)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    started: Timestamp,
    #[n(1)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    ends: Timestamp,
    #[n(2)]
    #[cbor(with = "porpoise_model::codec::timestamp_option")]
    canceled: Option<Timestamp>,
    /// Canceled before it was submitted.
    #[n(3)]
    tombstone: bool,
    #[n(4)]
    outputs: Outputs,
}

impl Passing {
    /// When it is over, or was.
    fn over(&self) -> Timestamp {
        self.canceled.unwrap_or(self.ends)
    }

    fn state(&self, now: Timestamp) -> JobState {
        match self.canceled {
            Some(ended) => JobState::Canceled { ended },
            None if now < self.ends => JobState::Running {
                started: self.started,
            },
            None => JobState::Succeeded {
                started: self.started,
                ended: self.ends,
                outputs: self.outputs.clone(),
            },
        }
    }
}

/// The jobs that are remembered.
#[derive(Debug, Default)]
struct Jobs {
    by_key: BTreeMap<AttemptKey, Passing>,
    /// The one that is over first comes first.
    by_end: BTreeSet<(Timestamp, AttemptKey)>,
}

impl Jobs {
    /// Whoever came first stays; returns who stands there.
    fn add(&mut self, key: AttemptKey, passing: Passing) -> &Passing {
        match self.by_key.entry(key) {
            Entry::Occupied(stands) => stands.into_mut(),
            Entry::Vacant(free) => {
                self.by_end.insert((passing.over(), key));
                free.insert(passing)
            }
        }
    }

    /// Ends one that is not over; one that is not there never comes.
    fn cancel(&mut self, key: AttemptKey, now: Timestamp) -> Passing {
        let passing = self.by_key.entry(key).or_insert_with(|| Passing {
            started: now,
            ends: now,
            canceled: Some(now),
            tombstone: true,
            outputs: Outputs::new(),
        });
        self.by_end.remove(&(passing.over(), key));
        if now < passing.ends {
            passing.canceled.get_or_insert(now);
        }
        self.by_end.insert((passing.over(), key));
        passing.clone()
    }

    /// Takes out those that are over for long, where there are many.
    fn forget_old(&mut self, now: Timestamp) -> Vec<AttemptKey> {
        let mut old = Vec::new();
        while self.by_key.len() > JOBS_KEPT
            && let Some((over, key)) = self.by_end.first().copied()
            && now.duration_since(over) > REMEMBERED
        {
            self.by_end.pop_first();
            self.by_key.remove(&key);
            old.push(key);
        }
        old
    }
}

impl InstantExecutor {
    /// Keeps sleeps in `dir/sleeps`, and takes up those that stand there.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        let dir = dir.join("sleeps");
        std::fs::create_dir_all(&dir)?;
        let mut jobs = Jobs::default();
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let key = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let bytes = std::fs::read(entry.path())?;
            if let (Some(key), Ok(passing)) = (key, minicbor::decode::<Passing>(&bytes)) {
                jobs.add(key, passing);
            }
        }
        Ok(Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            clock,
            dir,
            jobs: Mutex::new(jobs),
            listeners: Mutex::default(),
        }))
    }

    /// Keys of sleeps that ended from now on; only a hint.
    pub fn completions(&self) -> mpsc::UnboundedReceiver<AttemptKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(sender);
        receiver
    }

    fn announce(&self, key: AttemptKey) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(key).is_ok());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Jobs) -> T) -> T {
        work(&mut self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whole or not at all, like every file that may be read after a crash.
    fn keep(&self, key: AttemptKey, passing: &Passing) -> io::Result<()> {
        let bytes = minicbor::to_vec(passing).map_err(io::Error::other)?;
        let temporary = self.dir.join(format!(".{key}"));
        std::fs::write(&temporary, bytes)?;
        std::fs::rename(temporary, self.dir.join(key.to_string()))
    }

    fn forget_old(&self, now: Timestamp) {
        let old = self.with(|jobs| jobs.forget_old(now));
        for key in old {
            let _ = std::fs::remove_file(self.dir.join(key.to_string()));
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the local server is one process that is not frozen: the timer is a hint, and lists do without it"
    )]
    fn announce_after(&self, key: AttemptKey, after: Duration) {
        let this = Weak::clone(&self.me);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(this) = this.upgrade() {
                this.announce(key);
            }
        });
    }
}

#[async_trait]
impl Executor for InstantExecutor {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let Some(duration) = job.work.known_duration() else {
            return Err(SubmitError::Rejected {
                task: job.task_name.clone(),
                message: format!(
                    "tasks of the kind `{}` do more than pass the time",
                    job.work.word()
                ),
            });
        };
        let submitted = Submitted {
            external_id: job.key.to_string(),
        };
        match self.with(|jobs| jobs.by_key.get(&job.key).map(|passing| passing.tombstone)) {
            Some(true) => return Err(SubmitError::Canceled),
            Some(false) => return Ok(submitted),
            None => {}
        }
        let started = self.clock.now();
        self.forget_old(started);
        let ends = SignedDuration::try_from(duration)
            .ok()
            .and_then(|duration| started.checked_add(duration).ok())
            .unwrap_or(Timestamp::MAX);
        let declared = job
            .outputs
            .iter()
            .filter(|(_, value)| !value.text.is_empty());
        let passing = Passing {
            started,
            ends,
            canceled: None,
            tombstone: false,
            outputs: declared
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        };
        let is_sleep = matches!(job.work, Work::Sleep { .. });
        if is_sleep {
            self.keep(job.key, &passing)
                .map_err(|error| Unavailable::new("the list of sleeps", error))?;
        }
        // Whoever came first meanwhile stays.
        let tombstone = self.with(|jobs| jobs.add(job.key, passing).tombstone);
        if tombstone {
            return Err(SubmitError::Canceled);
        }
        if is_sleep {
            self.announce_after(job.key, duration);
        }
        Ok(submitted)
    }

    async fn list(&self, asked: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let now = self.clock.now();
        Ok(self.with(|jobs| {
            let known = asked
                .iter()
                .filter_map(|job| Some((job.key, jobs.by_key.get(&job.key)?)));
            known
                .map(|(key, passing)| JobReport {
                    key,
                    external_id: key.to_string(),
                    state: passing.state(now),
                })
                .collect()
        }))
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        let key = job.key;
        let now = self.clock.now();
        let passing = self.with(|jobs| jobs.cancel(key, now));
        if passing.canceled.is_some() {
            self.keep(key, &passing)
                .map_err(|error| Unavailable::new("the list of sleeps", error))?;
        }
        self.announce(key);
        Ok(())
    }

    async fn log(
        &self,
        _job: &JobRef,
        _from: u64,
        _limit: usize,
    ) -> Result<Option<LogChunk>, LogError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(number: usize) -> AttemptKey {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        AttemptKey::from_bytes(bytes)
    }

    #[test]
    fn of_many_jobs_those_that_are_over_for_long_are_forgotten() {
        let mut jobs = Jobs::default();
        let passing = |ends| Passing {
            started: at(0),
            ends: at(ends),
            canceled: None,
            tombstone: false,
            outputs: Outputs::new(),
        };
        for number in 0..JOBS_KEPT {
            jobs.add(key(number), passing(1));
        }
        assert!(jobs.forget_old(at(10_000)).is_empty());
        // One that goes on, one that would have and was canceled, one that is over only just.
        jobs.add(key(JOBS_KEPT), passing(1_000_000));
        jobs.add(key(JOBS_KEPT + 1), passing(1_000_000));
        jobs.cancel(key(JOBS_KEPT + 1), at(0));
        jobs.add(key(JOBS_KEPT + 2), passing(9_999));
        let forgotten = jobs.forget_old(at(10_000));
        assert_eq!(forgotten, [key(JOBS_KEPT + 1), key(0), key(1)]);
        assert_eq!(
            (jobs.by_key.len(), jobs.by_end.len()),
            (JOBS_KEPT, JOBS_KEPT)
        );
        assert!(jobs.forget_old(at(10_000)).is_empty());
    }
}
