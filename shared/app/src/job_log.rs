//! What a job wrote: the target's own log, found by the attempt.

use porpoise_ports::executor::LogChunk;

use crate::app::App;
use crate::job_item::{JobId, JobItem};
use crate::submit::JobsError;

impl App {
    /// What the jobs table knows of an attempt; `None`: it was never dispatched there. Costs a read.
    pub async fn job(&self, place: &str, id: &JobId) -> Result<Option<JobItem>, JobsError> {
        let found = self.read_job(place, id).await?;
        Ok(found.map(|(item, _)| item))
    }

    /// Bytes of an attempt's log from `from` on, at most `limit`; `None`: there is no log (yet).
    ///
    /// Costs a read and a call of the target.
    pub async fn job_log(
        &self,
        place: &str,
        id: &JobId,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, JobsError> {
        let Some(item) = self.job(place, id).await? else {
            return Ok(None);
        };
        match self.executors.of(&item.kind) {
            Some(executor) => Ok(executor.log(&item.job_ref(), from, limit).await?),
            None => Ok(None),
        }
    }
}
