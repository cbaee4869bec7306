//! An executor that notes when each job began and ended, finer than facts do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use porpoise::host::Watched;
use porpoise_model::AttemptKey;
use porpoise_ports::executor::{
    Job, JobRef, JobReport, JobState, LogChunk, LogError, SubmitError, Submitted,
};
use porpoise_ports::{Executor, Unavailable};
use porpoise_store_sqlite::SqliteTable;
use tokio::sync::Notify;

/// The executor inside, and what it was seen to do.
#[derive(Debug)]
pub(crate) struct Stamped {
    inner: Arc<dyn Executor>,
    /// Whose syncs are counted.
    table: OnceLock<Arc<Watched<SqliteTable>>>,
    seen: Mutex<Seen>,
    /// Told when the last task has ended.
    over: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    /// Tasks of the run.
    expected: usize,
    tasks: BTreeMap<AttemptKey, u32>,
    /// Syncs of the store before a job was submitted.
    begun: BTreeMap<u32, u64>,
    ended: BTreeMap<u32, End>,
}

/// When a job began and ended by its own clock, and how many syncs there had been when that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    ended: Timestamp,
    started: Timestamp,
    syncs: u64,
}

/// From the last end above a task to its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gap {
    pub(crate) time: Duration,
    /// Syncs of the store from when the end was noticed to when the task was submitted.
    pub(crate) syncs: u64,
}

impl Stamped {
    pub(crate) fn new(inner: Arc<dyn Executor>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            table: OnceLock::new(),
            seen: Mutex::default(),
            over: Notify::new(),
        })
    }

    /// Counts the syncs of this table from now on.
    pub(crate) fn count(&self, table: &Arc<Watched<SqliteTable>>) {
        let _ = self.table.set(Arc::clone(table));
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn syncs(&self) -> u64 {
        let table = self.table.get();
        table.map_or(0, |table| table.inner().sync_count())
    }

    /// The gap of each task behind others, ascending.
    pub(crate) fn gaps(&self, upstream: impl Fn(u32) -> Vec<u32>) -> Vec<Gap> {
        self.seen(|seen| {
            let gap = |(task, end): (&u32, &End)| {
                let above = upstream(*task);
                let last = above.iter().filter_map(|above| seen.ended.get(above));
                let last = last.max()?;
                let begun = seen.begun.get(task)?;
                Some(Gap {
                    time: Duration::try_from(end.started.duration_since(last.ended))
                        .unwrap_or_default(),
                    syncs: begun.saturating_sub(last.syncs),
                })
            };
            let mut gaps: Vec<Gap> = seen.ended.iter().filter_map(gap).collect();
            gaps.sort_unstable();
            gaps
        })
    }

    /// Forgets what it saw: a run of so many tasks begins.
    pub(crate) fn expect(&self, tasks: usize) {
        self.seen(|seen| {
            *seen = Seen {
                expected: tasks,
                ..Seen::default()
            };
        });
    }

    /// Returns when each task has ended. Costs the run nothing.
    pub(crate) async fn all(&self) {
        self.over.notified().await;
    }
}

#[async_trait]
impl Executor for Stamped {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let syncs = self.syncs();
        // Before it may end. Whoever was busy is submitted again.
        self.seen(|seen| {
            seen.tasks.insert(job.key, job.task);
            seen.begun.insert(job.task, syncs);
        });
        self.inner.submit(job).await
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let reports = self.inner.list(jobs).await?;
        let syncs = self.syncs();
        self.seen(|seen| {
            for report in &reports {
                if let JobState::Succeeded { started, ended, .. } = &report.state
                    && let Some(task) = seen.tasks.get(&report.key)
                {
                    let (started, ended) = (*started, *ended);
                    let end = End {
                        ended,
                        started,
                        syncs,
                    };
                    seen.ended.entry(*task).or_insert(end);
                }
            }
            if seen.expected > 0 && seen.ended.len() == seen.expected {
                seen.expected = 0;
                self.over.notify_one();
            }
        });
        Ok(reports)
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        self.inner.cancel(job).await
    }

    async fn log(
        &self,
        job: &JobRef,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, LogError> {
        self.inner.log(job, from, limit).await
    }
}
