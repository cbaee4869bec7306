//! Why a terminal state was reached.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{Actor, RunId, RunState};

/// Why a run, a task instance or an attempt ended as it did. States say what, causes say why: triggers and imports
/// can so tell a kill from a failure, and a forced success from a real one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// The process ended with this code; 0 is success.
    #[n(0)]
    Exit {
        /// 0 to 255.
        #[n(0)]
        code: i32,
    },
    /// The process was ended by this signal, which nobody here sent.
    #[n(1)]
    Signal {
        /// The number, as in signal(7).
        #[n(0)]
        signal: i32,
    },
    /// It took longer than its time-out allows.
    #[n(2)]
    Timeout,
    /// Somebody stopped it.
    #[n(3)]
    KilledBy {
        /// Who.
        #[n(0)]
        actor: Actor,
    },
    /// Somebody decided the outcome.
    #[n(4)]
    ForcedBy {
        /// Who.
        #[n(0)]
        actor: Actor,
    },
    /// What happened above it.
    #[n(5)]
    Upstream,
    /// The target lost the job: nothing says how it ended.
    #[n(6)]
    Lost,
    /// The target would not take the job.
    #[n(7)]
    Rejected {
        /// What the target said, and what to do.
        #[n(0)]
        message: String,
    },
    /// The definition says that the task is not to run.
    #[n(8)]
    Disabled,
    /// Another task failed, and the run ends at the first failure.
    #[n(9)]
    FailureStrategy,
    /// The gate let another run in instead.
    #[n(10)]
    Discarded,
    /// At least one task instance did not succeed (of a run).
    #[n(11)]
    TasksFailed {
        /// How many failed, were canceled or could not run.
        #[n(0)]
        count: u32,
    },
    /// A parameter or output that the task needs could not be resolved.
    #[n(12)]
    Unresolved {
        /// Which, and why.
        #[n(0)]
        message: String,
    },
    /// Nothing ran: the run was a dry run.
    #[n(13)]
    DryRun,
    /// The target says that the job failed. Another attempt may end better.
    #[n(14)]
    Failed {
        /// In the target's words.
        #[n(0)]
        message: String,
    },
    /// It picked among the tasks below.
    #[n(15)]
    Chose {
        /// Which of its branches, and what that lets go on.
        #[n(0)]
        branch: String,
    },
    /// The run that it had made did not end well.
    #[n(19)]
    Child {
        /// Which.
        #[n(0)]
        run: RunId,
        /// How it ended.
        #[n(1)]
        ended: RunState,
        /// Why, in words; may be empty.
        #[n(2)]
        why: String,
    },
    /// A later run of the workflow took its place.
    #[n(17)]
    Superseded,
    /// The run was started with some of the workflow's tasks only, and this is none of them.
    #[n(18)]
    LeftOut,
    /// Runs of other workflows that it waited for are there.
    #[n(20)]
    Met {
        /// Which met what.
        #[n(0)]
        by: String,
    },
    /// Runs of other workflows that it waited for did not end well.
    #[n(21)]
    Unmet {
        /// Which did not meet what.
        #[n(0)]
        by: String,
    },
    /// A person answered what was asked.
    #[n(16)]
    Answered {
        /// Whether that was yes.
        #[n(0)]
        approved: bool,
        /// Who.
        #[n(1)]
        actor: Actor,
        /// Why, in their words; may be empty.
        #[n(2)]
        why: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit { code } => write!(f, "exit({code})"),
            Self::Signal { signal } => write!(f, "signal({signal})"),
            Self::Timeout => f.write_str("timeout"),
            Self::KilledBy { actor } => write!(f, "killed_by({actor})"),
            Self::ForcedBy { actor } => write!(f, "forced_by({actor})"),
            Self::Upstream => f.write_str("upstream"),
            Self::Lost => f.write_str("lost"),
            Self::Rejected { message } => write!(f, "rejected: {message}"),
            Self::Disabled => f.write_str("disabled"),
            Self::FailureStrategy => f.write_str("failure_strategy"),
            Self::Discarded => f.write_str("discarded"),
            Self::TasksFailed { count: 1 } => f.write_str("1 task did not succeed"),
            Self::TasksFailed { count } => write!(f, "{count} tasks did not succeed"),
            Self::Unresolved { message } => write!(f, "unresolved: {message}"),
            Self::DryRun => f.write_str("dry_run"),
            Self::Child { run, ended, why } => {
                write!(f, "run {run} ")?;
                f.write_str(match ended {
                    RunState::Canceled => "was canceled",
                    RunState::Failed
                    | RunState::Succeeded
                    | RunState::Queued
                    | RunState::Running
                    | RunState::Pausing
                    | RunState::Paused
                    | RunState::Canceling => "failed",
                })?;
                if why.is_empty() {
                    return Ok(());
                }
                write!(f, ": {why}")
            }
            Self::Superseded => f.write_str("superseded"),
            Self::LeftOut => f.write_str("left_out"),
            Self::Answered {
                approved,
                actor,
                why,
            } => {
                let word = if *approved { "approved" } else { "declined" };
                write!(f, "{word}_by({actor})")?;
                if why.is_empty() {
                    return Ok(());
                }
                write!(f, ": {why}")
            }
            Self::Met { by } => write!(f, "met: {by}"),
            Self::Unmet { by } => write!(f, "unmet: {by}"),
            Self::Chose { branch } => write!(f, "chose {branch}"),
            Self::Failed { message } => write!(f, "failed: {message}"),
        }
    }
}
