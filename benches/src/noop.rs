//! Work that is over as soon as it is submitted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use porpoise_model::AttemptKey;
use porpoise_ports::executor::{Job, JobReport, JobState, LogChunk, SubmitError, Submitted};
use porpoise_ports::{Executor, Unavailable};

#[derive(Debug, Default)]
pub(crate) struct Noop(Mutex<BTreeMap<AttemptKey, Timestamp>>);

#[async_trait]
impl Executor for Noop {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.entry(job.key).or_insert_with(Timestamp::now);
        Ok(Submitted {
            external_id: String::new(),
        })
    }

    async fn list(&self, keys: &[AttemptKey]) -> Result<Vec<JobReport>, Unavailable> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let report = |key: &AttemptKey| {
            let at = *jobs.get(key)?;
            let state = JobState::Succeeded {
                started: at,
                ended: at,
                outputs: BTreeMap::new(),
            };
            Some(JobReport {
                key: *key,
                external_id: String::new(),
                state,
            })
        };
        Ok(keys.iter().filter_map(report).collect())
    }

    async fn cancel(&self, _: AttemptKey) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn log(&self, _: AttemptKey, _: u64, _: usize) -> Result<Option<LogChunk>, Unavailable> {
        Ok(None)
    }
}
