//! Targets: where the jobs of attempts run.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use minicbor::{Decode, Encode};
pub use porpoise_model::job::{Job, Work};
use porpoise_model::{AttemptKey, Cause, Outputs};

use crate::Unavailable;

/// Submits jobs to one sort of target and tells what became of them.
///
/// A target starts **at most one job for a key**, however often it is submitted: this is the promise that
/// one-job-per-attempt rests on.
#[async_trait]
pub trait Executor: Debug + Send + Sync {
    /// Starts the job of an attempt, unless one was started under this key before: then says which.
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError>;

    /// What is known of these jobs, in any order. A key that the target never saw is left out.
    async fn list(&self, keys: &[AttemptKey]) -> Result<Vec<JobReport>, Unavailable>;

    /// Asks the target to stop a job, and never to start one under this key if there is none yet. Returns at once;
    /// [`Executor::list`] tells when it has stopped.
    async fn cancel(&self, key: AttemptKey) -> Result<(), Unavailable>;

    /// Bytes of the job's log from `from` on, at most `limit`; `None` if there is no log (yet).
    async fn log(
        &self,
        key: AttemptKey,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, Unavailable>;
}

/// A job was started, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// What the target calls it.
    pub external_id: String,
}

/// A job could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The target will never take it: the attempt fails.
    #[error("the target refuses the job of task `{task}`: {message}")]
    Rejected {
        /// The task's name.
        task: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The key was canceled before it was submitted: no job is started under it, ever.
    #[error("the attempt was canceled before it was submitted")]
    Canceled,
    /// The target takes no more for now: the job waits.
    #[error("the target takes no more jobs for now")]
    Busy,
    /// The target takes calls no faster: the job waits, and is submitted again a little later.
    #[error("the target is called too often for now")]
    Throttled,
    /// The job may have been started or not: submit again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What a target says of a job.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct JobReport {
    /// Which.
    #[n(0)]
    pub key: AttemptKey,
    /// What the target calls it.
    #[n(1)]
    pub external_id: String,
    /// What it does.
    #[n(2)]
    pub state: JobState,
}

/// The state of a job.
///
/// ```text
/// Waiting ─▶ Running ─▶ Succeeded | Failed | Canceled
/// ```
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum JobState {
    /// Taken, not started: the target says why, if it does.
    #[n(0)]
    Waiting {
        /// In the target's words.
        #[n(0)]
        why: Option<String>,
    },
    /// It runs.
    #[n(1)]
    Running {
        /// Since when.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        started: Timestamp,
    },
    /// It ended well.
    #[n(2)]
    Succeeded {
        /// When it began.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        started: Timestamp,
        /// When it ended.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// What it set.
        #[n(2)]
        outputs: Outputs,
    },
    /// It did not end well.
    #[n(3)]
    Failed {
        /// When it began, if it did.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
        /// When it ended.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// Why.
        #[n(2)]
        cause: Cause,
    },
    /// It was stopped because we asked, or will never start because we asked.
    #[n(4)]
    Canceled {
        /// When.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
    },
}

impl JobState {
    /// Whether it has ended.
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Waiting { .. } | Self::Running { .. } => false,
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Canceled { .. } => true,
        }
    }
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The bytes.
    pub bytes: Bytes,
    /// Where the next piece begins.
    pub next: u64,
    /// Nothing will follow.
    pub end: bool,
}
