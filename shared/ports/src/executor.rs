//! Targets: where the jobs of attempts run.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
pub use porpoise_model::job::{Job, Work};
use porpoise_model::{AttemptKey, Cause, Outputs, Target};

use crate::Unavailable;
pub use crate::logs::{LogChunk, LogError, NoLog};

/// Submits jobs to one sort of target and tells what became of them.
///
/// A target starts **at most one job for a key**, however often it is submitted: this is the promise that
/// one-job-per-attempt rests on. An executor remembers nothing that it cannot do without: what asks for a job says all
/// that is known of it.
#[async_trait]
pub trait Executor: Debug + Send + Sync {
    /// Starts the job of an attempt, unless one was started under this key before: then says which.
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError>;

    /// What is known of these jobs, in any order. A job that the target never saw is left out; one that the target
    /// could not be asked for makes the whole call fail.
    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable>;

    /// Asks the target to stop a job. Returns at once; [`Executor::list`] tells when it has stopped. A target that
    /// keeps books of keys never starts a job under this one afterwards; for the others, the jobs table does.
    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable>;

    /// Bytes of the job's log from `from` on, at most `limit`; `None` if there is no log (yet), and no more is to be said
    /// of why.
    async fn log(
        &self,
        job: &JobRef,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, LogError>;

    /// Where the log of a job is, in the target's own words, without a byte of it; `None`: nowhere else than here.
    async fn log_address(&self, job: &JobRef) -> Result<Option<String>, Unavailable> {
        _ = job;
        Ok(None)
    }

    /// How fast [`Executor::submit`] may be called for jobs of a target; `None`: as fast as it takes them.
    fn rate(&self, target: Option<&Target>) -> Option<Rate> {
        _ = target;
        None
    }

    /// Whether [`Executor::list`] tells the same of a job that is over for weeks. Then its end is noted nowhere else, and
    /// whoever asks again is answered by asking the target again.
    fn remembers(&self) -> bool {
        false
    }

    /// How long after its end the target says what a job was billed; `None`: it never does.
    fn billed_after(&self) -> Option<SignedDuration> {
        None
    }

    /// What a job that is over was billed; `None`: not known (yet).
    async fn usage(&self, job: &JobRef) -> Result<Option<JobUsage>, Unavailable> {
        _ = job;
        Ok(None)
    }

    /// What an event of the target's service (JSON, as EventBridge delivers it) says of a job; `None`: it is about
    /// something else. What it says is not trusted for more than the job that it names.
    fn read_event(&self, event: &str) -> Option<News> {
        _ = event;
        None
    }

    /// Where people look at a job in the target's own console, for a while.
    async fn link(&self, job: &JobRef) -> Result<Option<String>, Unavailable> {
        _ = job;
        Ok(None)
    }
}

/// A job that somebody asks for, with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRef {
    /// Under which key it was submitted.
    pub key: AttemptKey,
    /// What the target calls it; `None`: it may have been submitted or not.
    pub external_id: Option<String>,
    /// Where it executes, if that was said.
    pub target: Option<Target>,
    /// It was not submitted before this.
    pub since: Timestamp,
    /// Nor after this, if that is known.
    pub until: Option<Timestamp>,
}

impl JobRef {
    /// A job of which no more is known than its key, on an executor that needs no target.
    pub const fn of(key: AttemptKey) -> Self {
        Self {
            key,
            external_id: None,
            target: None,
            since: Timestamp::UNIX_EPOCH,
            until: None,
        }
    }
}

/// How fast a call may be made: a bucket that starts full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Whose bucket it is: calls that share a limit at AWS have one name, made of account, region and API.
    pub name: String,
    /// Milliseconds until one more call may be made.
    pub every_ms: u32,
    /// Calls that may be made at once.
    pub burst: u32,
}

/// What the service of a target says by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Of which job, as the target calls it.
    pub external_id: String,
    /// Its state, if that is what it is about.
    pub state: Option<JobState>,
    /// When it succeeded, if that is what it is about, and if there is nothing else to ask for but when it began: it has
    /// no outputs.
    pub succeeded: Option<Timestamp>,
    /// What it was billed, if that is what it is about.
    pub usage: Option<JobUsage>,
}

/// What a job was billed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JobUsage {
    /// Each measure once.
    #[n(0)]
    pub lines: Vec<JobUsageLine>,
}

/// One measure of what a job was billed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JobUsageLine {
    /// What was measured, with its unit: `vcpu_hours`, `memory_gb_hours`, `scanned_bytes` …
    #[n(0)]
    pub measure: String,
    /// How much of it, in millionths.
    #[n(1)]
    pub millionths: u64,
    /// At list price, in billionths of a US dollar; `None`: no price is known here.
    #[n(2)]
    pub nanodollars: Option<u64>,
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
