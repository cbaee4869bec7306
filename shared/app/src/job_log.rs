//! What a job wrote: the target's own log, found by the attempt.
//!
//! Hosts that run jobs themselves read it in process; those of a control plane ask the place of the job
//! ([`App::reading_logs_from`]), which does what such a host does ([`App::log_here`]). A log of data that may not be at
//! home is not carried there: then it is only said where it is.

use std::collections::BTreeSet;

use porpoise_engine::effect::Attempt;
use porpoise_model::Place;
use porpoise_ports::executor::{JobRef, LogChunk};
use porpoise_ports::logs::{LogAsk, LogError, NoLog};
use porpoise_ports::table::Query;
use porpoise_ports::{Executor, Unavailable};

use crate::app::{App, HOME};
use crate::job_index::{index_jobs, index_partition};
use crate::job_item::{JobId, JobItem, Status};
use crate::submit::JobsError;

/// A log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JobLogError {
    /// Which job it is.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// There is none here: why, and where it is.
    #[error("{}", .0.why)]
    None(Box<NoLog>),
    /// The same call may succeed later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<LogError> for JobLogError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::None(none) => Self::None(none),
            LogError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl From<NoLog> for JobLogError {
    fn from(none: NoLog) -> Self {
        Self::None(Box::new(none))
    }
}

impl App {
    /// What the jobs table knows of an attempt; `None`: it was never dispatched there. Costs a read.
    pub async fn job(&self, place: &str, id: &JobId) -> Result<Option<JobItem>, JobsError> {
        let found = self.read_job(place, id).await?;
        Ok(found.map(|(item, _)| item))
    }

    /// A part of an attempt's log; `None`: there is no log (yet). `residency` are the places that the data of its run
    /// may be in; none: anywhere.
    ///
    /// Costs what [`App::log_here`] costs, and a call of the place if that is another host's.
    pub async fn job_log(
        &self,
        ask: &LogAsk,
        residency: &BTreeSet<Place>,
    ) -> Result<Option<LogChunk>, JobLogError> {
        let mut ask = ask.clone();
        if !self.may_see(residency) {
            ask.part = None;
        }
        let Some(logs) = &self.logs else {
            return self.log_here(&ask).await;
        };
        if ask.place == HOME {
            ask.place = self.home.to_string();
        }
        let read = logs.read(&ask).await;
        // a place that was asked for no byte, and knows nothing of where the log is, says nothing
        match read? {
            None if ask.part.is_none() => Err(self.kept(None, None)),
            read => Ok(read),
        }
    }

    /// Whether logs are read by a call of another host.
    pub const fn logs_are_far(&self) -> bool {
        self.logs.is_some()
    }

    /// The same as [`App::job_log`], by the host that runs the jobs of the place.
    ///
    /// Costs a read, a query of the index for a job whose run was not told what its target calls it, and a few calls of
    /// the target.
    pub async fn log_here(&self, ask: &LogAsk) -> Result<Option<LogChunk>, JobLogError> {
        let id = JobId {
            run: ask.run,
            attempt: Attempt {
                task: ask.task,
                map: ask.map,
                number: ask.attempt,
            },
            project: ask.project,
        };
        let Some(item) = self.job(&ask.place, &id).await? else {
            return Ok(None);
        };
        let Some(executor) = self.executors.of(&item.kind) else {
            return Ok(None);
        };
        let job = self.job_of(ask, &item).await?;
        let residency = match &item.status {
            Status::Recorded(intent) => Some(&intent.job.residency),
            Status::Submitted { .. } | Status::Finished(_) | Status::Tombstone => None,
        };
        let part = ask
            .part
            .filter(|_| residency.is_none_or(|of| self.may_see(of)));
        let Some(part) = part else {
            return Err(self.where_it_is(executor.as_ref(), &job).await);
        };
        let limit = usize::try_from(part.limit).unwrap_or(usize::MAX);
        Ok(executor.log(&job, part.from, limit).await?)
    }

    /// Whether data that may be in these places may be at home.
    fn may_see(&self, residency: &BTreeSet<Place>) -> bool {
        residency.is_empty() || residency.contains(&self.home)
    }

    /// The job as its target may know it. Its item is not written again after it was submitted if its target remembers
    /// it: what the target calls it stands in the run, once it was told that the job runs, and in the index, while it is
    /// open. A job that was over before that is found by its key, among those of its time.
    async fn job_of(&self, ask: &LogAsk, item: &JobItem) -> Result<JobRef, JobsError> {
        let mut job = item.job_ref();
        job.until = ask.ended;
        if job.external_id.is_none() {
            job.external_id = ask.external_id.clone().filter(|id| !id.is_empty());
        }
        if job.external_id.is_none() && item.is_recorded() && ask.ended.is_none() {
            job.external_id = self.listed_as(&ask.place, &item.id).await?;
        }
        Ok(job)
    }

    /// What the target calls an open job.
    async fn listed_as(&self, place: &str, id: &JobId) -> Result<Option<String>, JobsError> {
        let store = |error| JobsError::Store(place.to_owned(), error);
        let query = Query::prefix(index_partition(place), "");
        for item in self.store.all(query).await.map_err(store)? {
            let listed = index_jobs(&item.body).unwrap_or_default().into_iter();
            let mut ours = listed.filter(|listed| listed.id == *id);
            if let Some(taken) = ours.find_map(|listed| listed.taken) {
                return Ok(Some(taken.external_id));
            }
        }
        Ok(None)
    }

    /// Where a log is that is not carried home.
    async fn where_it_is(&self, executor: &dyn Executor, job: &JobRef) -> JobLogError {
        let address = executor.log_address(job).await;
        let link = executor.link(job).await;
        match (address, link) {
            // without a link one still finds it
            (Ok(address), link) => self.kept(address, link.unwrap_or_default()),
            (Err(error), _) => error.into(),
        }
    }

    fn kept(&self, address: Option<String>, link: Option<String>) -> JobLogError {
        let why = format!(
            "the data of this run may not be at `{}`, through which its log would come",
            self.home
        );
        let hint = "read it in its own region, with credentials of your own";
        NoLog {
            address,
            link,
            ..NoLog::never(why).hint(hint)
        }
        .into()
    }
}
