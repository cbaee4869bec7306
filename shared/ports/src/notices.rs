//! Notices to people and to other programs: what became of a run, and of its tasks.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use porpoise_model::workflow::Occasion;
use porpoise_model::{RunId, RunState};

use crate::Unavailable;

/// Names of failed tasks that a notice holds at the most; how many there are, it says besides.
pub const FAILED_MAX: usize = 100;

/// Something that happened to a run, for people.
///
/// It names things and tells when; values of parameters, outputs and secrets are no part of it, so that a channel may
/// hand it to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose.
    pub project: String,
    /// What people called its workflow when it was created.
    pub workflow: String,
    /// Which.
    pub run: RunId,
    /// Why it existed: `schedule`, `manual`, `api`.
    pub trigger: &'static str,
    /// The instant that it stands for.
    pub logical_date: Timestamp,
    /// When it was created.
    pub created: Timestamp,
    /// When its first task could start; `None` if none ever could.
    pub started: Option<Timestamp>,
    /// What happened.
    pub what: What,
    /// When that happened.
    pub at: Timestamp,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It ended. A run that is run again ends again.
    Ended {
        /// How.
        state: RunState,
        /// How many tasks it has.
        tasks: u32,
        /// Tasks whose last attempt failed, in the order of the workflow, at most [`FAILED_MAX`].
        failed: Vec<String>,
        /// How many of them there are.
        failed_count: u32,
    },
    /// A task failed, and there is no further attempt.
    TaskFailed {
        /// Its name.
        task: String,
        /// The attempt that was the last one; 0 if the task failed before there was one.
        attempt: u32,
    },
    /// An attempt of a task takes longer than its time-out says.
    TaskLate {
        /// The task's name.
        task: String,
        /// The attempt.
        attempt: u32,
        /// Whether it is stopped for that; else it goes on.
        stopped: bool,
    },
    /// The run takes longer than its time-out says.
    Late {
        /// Whether it is stopped for that; else it goes on.
        stopped: bool,
    },
}

impl What {
    /// The word by which a workflow asks for it: `failed`, `late` …
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ended { state, .. } => state.as_str(),
            Self::TaskFailed { .. } => Occasion::TaskFailed.as_str(),
            Self::TaskLate { .. } | Self::Late { .. } => Occasion::Late.as_str(),
        }
    }
}

impl Notice {
    /// What happened once has the same key, however often it is told.
    pub fn key(&self) -> String {
        let Self { run, at, .. } = self;
        match &self.what {
            What::Ended { .. } => format!("{run}@{at}"),
            What::Late { .. } => format!("{run}/late@{at}"),
            What::TaskFailed { task, .. } => format!("{run}/{task}/failed@{at}"),
            What::TaskLate { task, .. } => format!("{run}/{task}/late@{at}"),
        }
    }
}

/// A channel that notices go to.
#[async_trait]
pub trait Notices: Debug + Send + Sync {
    /// Hands a notice over, at least once, in any order: when it returns, the channel has it. Who receives it tells
    /// repeats by [`Notice::key`].
    async fn send(&self, notice: &Notice) -> Result<(), Unavailable>;
}
