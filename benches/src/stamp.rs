//! An executor that notes when each job began and ended, finer than facts do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use porpoise_model::AttemptKey;
use porpoise_ports::executor::{Job, JobReport, LogChunk, SubmitError, Submitted};
use porpoise_ports::{Executor, Unavailable};

/// The executor inside, and what it was seen to do.
#[derive(Debug)]
pub(crate) struct Stamped {
    inner: Arc<dyn Executor>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    tasks: BTreeMap<AttemptKey, u32>,
    begun: BTreeMap<u32, Instant>,
    ended: BTreeMap<u32, Instant>,
}

impl Stamped {
    pub(crate) fn new(inner: Arc<dyn Executor>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            seen: Mutex::default(),
        })
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// For each task behind others: the time from the last end above it to its begin. Ascending.
    pub(crate) fn gaps(&self, upstream: impl Fn(u32) -> Vec<u32>) -> Vec<Duration> {
        self.seen(|seen| {
            let gap = |(task, begun): (&u32, &Instant)| {
                let last = upstream(*task)
                    .iter()
                    .filter_map(|above| seen.ended.get(above))
                    .max()
                    .copied()?;
                Some(begun.saturating_duration_since(last))
            };
            let mut gaps: Vec<Duration> = seen.begun.iter().filter_map(gap).collect();
            gaps.sort_unstable();
            gaps
        })
    }

    pub(crate) fn forget(&self) {
        self.seen(|seen| *seen = Seen::default());
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[async_trait]
impl Executor for Stamped {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let begun = now();
        let submitted = self.inner.submit(job).await?;
        self.seen(|seen| {
            seen.tasks.insert(job.key, job.task);
            seen.begun.entry(job.task).or_insert(begun);
        });
        Ok(submitted)
    }

    async fn list(&self, keys: &[AttemptKey]) -> Result<Vec<JobReport>, Unavailable> {
        let reports = self.inner.list(keys).await?;
        let at = now();
        self.seen(|seen| {
            for report in reports.iter().filter(|report| report.state.is_terminal()) {
                if let Some(task) = seen.tasks.get(&report.key) {
                    seen.ended.entry(*task).or_insert(at);
                }
            }
        });
        Ok(reports)
    }

    async fn cancel(&self, key: AttemptKey) -> Result<(), Unavailable> {
        self.inner.cancel(key).await
    }

    async fn log(
        &self,
        key: AttemptKey,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, Unavailable> {
        self.inner.log(key, from, limit).await
    }
}
